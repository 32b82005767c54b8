"""Arrivals: what came in lately, per machine and per file."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import QuerySet

from production.models import ImportRun, Machine

QUIET_AFTER_S = 3600.0
MOST_RUNS = 10


@dataclass(frozen=True)
class Arrival:
    """A machine and its newest event: `age_s` in seconds, None where nothing ever came."""

    machine: str
    code: str
    line: str
    newest_at: dt.datetime | None
    age_s: float | None

    @property
    def quiet(self) -> bool:
        """Whether it has been silent for more than an hour."""
        return self.age_s is None or self.age_s > QUIET_AFTER_S


def read_arrivals(*, now: dt.datetime) -> tuple[Arrival, ...]:
    """Every machine in use with its newest event."""
    rows = (
        Machine.objects.filter(retired_at=None)
        .order_by("line__name", "code")
        .values_list("name", "code", "line__name", "coverage__newest_event_at")
    )
    return tuple(
        Arrival(name, code, line, newest, (now - newest).total_seconds() if newest else None)
        for name, code, line, newest in rows
    )


def read_imports() -> QuerySet[ImportRun]:
    """The last files that were read, newest first."""
    return ImportRun.objects.select_related("requested_by").order_by("-started_at")[:MOST_RUNS]
