from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("analyses", "0004_dispatch"), ("tenants", "0006_endpoints")]

    operations = []
