from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("production", "0002_doors_and_corrections")]
    operations = []
