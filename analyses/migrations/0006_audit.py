from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("analyses", "0005_endpoints"), ("tenants", "0007_audit")]

    operations = []
