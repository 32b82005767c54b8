from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0007_audit")]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="closed_at",
            field=models.DateTimeField(
                blank=True, null=True, help_text="Since when nobody enters any more; empty: open."
            ),
        ),
    ]
