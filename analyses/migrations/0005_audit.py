"""What the audit trail records of the assistant."""

from django.db import migrations

from mesassist.tenants.watch import Watch


class Migration(migrations.Migration):
    dependencies = [("analyses", "0004_dispatch"), ("tenants", "0007_audit")]

    operations = [
        Watch("assistantsettings", ignore=("token_hint",)),
        # For the whole platform.
        Watch("killswitch", chain=""),
    ]
