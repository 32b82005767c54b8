"""Arrivals: what came in lately, per machine, per file, and what was not taken."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import QuerySet

from production.models import ImportRun, Machine, Quarantined

QUIET_AFTER_S = 3600.0
MOST_RUNS = 20


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


def find_quarantined(*, code: str) -> QuerySet[Quarantined]:
    """Rows that were not taken, newest first; `code` narrows them to one cause."""
    rows = Quarantined.objects.select_related("import_run").order_by("-received_at", "-pk")
    return rows.filter(code=code) if code else rows


def list_quarantine_codes() -> list[str]:
    """The causes that occur."""
    return list(Quarantined.objects.order_by("code").values_list("code", flat=True).distinct())
