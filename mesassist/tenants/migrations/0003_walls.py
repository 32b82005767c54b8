"""The platform's roles, what builds a wall, and the walls around memberships and keys."""

from django.db import migrations

from mesassist.tenants.walls import BUILD_SQL, DROP_SQL, ROLES_SQL, BuildWall


class Migration(migrations.Migration):
    dependencies = [("tenants", "0002_event_retention")]

    operations = [
        migrations.RunSQL(ROLES_SQL, migrations.RunSQL.noop),
        migrations.RunSQL(BUILD_SQL, DROP_SQL),
        # Who asks is found before any tenant is known: the door reads these two, and no more.
        BuildWall("membership", "apikey", door="SELECT", jobs="SELECT"),
    ]
