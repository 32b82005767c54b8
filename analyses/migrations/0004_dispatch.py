from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("analyses", "0003_walls")]

    operations = []
