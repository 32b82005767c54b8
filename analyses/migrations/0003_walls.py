"""The walls around the assistant's tables."""

from django.db import migrations

from mesassist.tenants.walls import BuildWall


class Migration(migrations.Migration):
    dependencies = [("analyses", "0002_aliases"), ("tenants", "0003_walls"), ("production", "0005_walls")]

    operations = [
        BuildWall("alias", "assistantsettings", "spend"),
        # The dispatcher and the reaper look at every tenant's queue.
        BuildWall("analysis", "attempt", jobs="SELECT, UPDATE"),
    ]
