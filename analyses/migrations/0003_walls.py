from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("analyses", "0002_aliases"), ("tenants", "0003_walls"), ("production", "0005_walls")]

    operations = []
