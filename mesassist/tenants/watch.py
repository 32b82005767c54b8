"""Watch: the audit trail's migration operation: what is added to, changed in and removed from a table is recorded.

The recording function is made by the audit room's first migration; a migration that watches depends on it.
"""

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.migrations.operations.base import Operation

from mesassist.tenants.secrets import SealedField

TRIGGERS = {"added": "INSERT", "changed": "UPDATE", "removed": "DELETE"}
# Deferred to the commit: the chain is locked for the moment of committing alone, and what is rolled back has no number.
CREATE = """
CREATE CONSTRAINT TRIGGER audit_{verb} AFTER {event} ON {table} DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW {when} EXECUTE FUNCTION audit_record({args});
"""
# Before it is deferred: an update that changes nothing of interest costs nothing at the commit.
WHEN = "WHEN ((to_jsonb(OLD.*) - {ignored}::text[]) IS DISTINCT FROM (to_jsonb(NEW.*) - {ignored}::text[]))"


class Watch(Operation):
    """Records what happens to the rows of `model`: a name in the app, or `app.name` for another app's.

    `hide`: fields that appear as "set" and "changed" only; sealed fields always do. `ignore`: fields that the portal
    keeps for itself. `only`: the fields that people decide, of a row that is derived otherwise; such a row is recorded
    when it changes, not when it comes and goes. `chain` names the column with the tenant; where it is "", or empty in
    a row, the entry is on the platform's chain.
    """

    reversible = True

    def __init__(
        self,
        model: str,
        *,
        hide: Sequence[str] = (),
        ignore: Sequence[str] = (),
        only: Sequence[str] = (),
        chain: str = "tenant_id",
    ) -> None:
        self.model, self.hide, self.ignore, self.only, self.chain = model, hide, ignore, only, chain

    def describe(self) -> str:
        """What `migrate` prints."""
        return f"Record what happens to {self.model} in the audit trail"

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing that models could see."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Make the triggers."""
        model = self._model(app_label, to_state)
        ignored = _array(self._ignored(model))
        label = f"'{model._meta.label}'"
        args = ", ".join((label, _array(self._hidden(model)), ignored, f"'{self.chain}'"))
        for verb, event in TRIGGERS.items():
            if self.only and verb != "changed":
                continue
            when = WHEN.format(ignored=ignored) if verb == "changed" else ""
            table = schema_editor.quote_name(model._meta.db_table)
            schema_editor.execute(CREATE.format(verb=verb, event=event, table=table, when=when, args=args), params=None)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop them."""
        table = self._model(app_label, from_state)._meta.db_table
        for verb in TRIGGERS:
            schema_editor.execute(f"DROP TRIGGER IF EXISTS audit_{verb} ON {schema_editor.quote_name(table)}")

    def _model(self, app_label: str, state: Any) -> type[models.Model]:
        app, _, name = self.model.rpartition(".")
        found: type[models.Model] = state.apps.get_model(app or app_label, name)
        return found

    def _hidden(self, model: type[models.Model]) -> list[str]:
        fields = model._meta.concrete_fields
        return [field.column for field in fields if field.name in self.hide or isinstance(field, SealedField)]

    def _ignored(self, model: type[models.Model]) -> list[str]:
        fields = model._meta.concrete_fields
        unwanted = [field.column for field in fields if self.only and field.name not in self.only]
        return [*unwanted, *(field.column for field in fields if field.name in self.ignore)]


def _array(names: list[str]) -> str:
    return "'{" + ",".join(names) + "}'"
