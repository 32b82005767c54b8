"""Walls: the second wall between tenants, as migration operations: row-level security and keys that carry the tenant."""

from typing import Any

from django.db.migrations.operations.base import Operation


class BuildWall(Operation):
    """Forces row-level security onto the tables of these models of the app and puts the tenant into their keys.

    `jobs` and `door` say what those platform roles may do there (`"SELECT, UPDATE"`; nothing unless said), `staff` what
    the Django admin may. A model named here has a column `tenant_id` that is never null.
    """

    reversible = True

    def __init__(
        self, *models: str, jobs: str = "", door: str = "", staff: str = "SELECT, INSERT, UPDATE, DELETE"
    ) -> None:
        self.models, self.jobs, self.door, self.staff = models, jobs, door, staff

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing that models could see."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Build it."""

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Take it down."""
