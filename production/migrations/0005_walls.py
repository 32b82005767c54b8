from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("production", "0004_daily_rollups"), ("tenants", "0003_walls")]

    operations = []
