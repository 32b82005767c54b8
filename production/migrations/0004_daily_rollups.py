from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("production", "0003_partition_events")]
    operations = []
