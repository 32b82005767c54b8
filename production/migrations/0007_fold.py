from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("production", "0006_audit")]

    operations = []
