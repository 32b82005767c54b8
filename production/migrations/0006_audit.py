"""What the audit trail records of a plant: what decides figures, where they come from, and what people corrected."""

from django.db import migrations

from mesassist.tenants.watch import Watch

# How the reader of a topic is doing is no setting.
READING = ("created_at", "looked_at", "problem")


class Migration(migrations.Migration):
    dependencies = [("production", "0005_walls"), ("tenants", "0007_audit")]

    operations = [
        Watch("site"),
        Watch("line"),
        Watch("machine"),
        Watch("product"),
        Watch("idealcycle"),
        Watch("reason"),
        Watch("shift"),
        Watch("filemapping"),
        Watch("kafkasource", ignore=READING),
        Watch("sourcerank"),
        Watch("correction"),
        Watch("implausible", only=("trusted_by", "trusted_at")),
        Watch("summary", ignore=("created_at",)),
        Watch("summary_machines"),
        Watch("summary_lines"),
    ]
