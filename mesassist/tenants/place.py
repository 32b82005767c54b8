"""Place: for whom this thread works now, as the database is told it; written by `scope`, read by `postgres`.

It imports nothing of the house: the database engine is loaded before any model is.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum


class PlatformRole(StrEnum):
    """Database roles that see every tenant's rows, each of the few tables that its work needs."""

    DOOR = "mes_door"  # who asks: keys, memberships, invitations
    JOBS = "mes_jobs"  # what waits: leases, marks, retention
    STAFF = "mes_staff"  # the Django admin and platform commands


@dataclass(frozen=True)
class Place:
    """One tenant, or the platform in one of its roles."""

    tenant_id: int | None = None
    role: PlatformRole | None = None

    def statement(self, *, role_known: bool) -> str:
        """What tells PostgreSQL for the rest of the transaction; the role only where it changes."""
        role = "" if role_known else f"SET LOCAL ROLE {self.role or 'NONE'}; "
        return f"{role}SET LOCAL app.tenant_id = '{self.tenant_id or ''}'; "


NOWHERE = Place()
PLACE: ContextVar[Place] = ContextVar("place", default=NOWHERE)
