from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("production", "0005_walls"), ("tenants", "0007_audit")]

    operations = []
