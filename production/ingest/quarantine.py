"""Quarantine: what could not be taken, with the reason and exactly what came."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from mesassist.tenants.scope import current_tenant
from production.ingest.refusals import storable
from production.models import ImportRun, Quarantined


@dataclass(frozen=True)
class Problem:
    """Why the event at `index` of the batch was not taken."""

    index: int
    event_id: str
    code: str
    detail: str


def keep_rows(
    *,
    problems: Sequence[tuple[Problem, int, str]],
    source: str,
    now: dt.datetime,
    import_run: ImportRun | None,
) -> None:
    """Put (problem, position, raw) into quarantine; what lies there already, with the same code and content, stays
    one row."""
    tenant = current_tenant()
    Quarantined.objects.bulk_create(
        [
            Quarantined(
                tenant=tenant,
                source=source,
                event_id=problem.event_id[:200],
                position=position,
                code=problem.code,
                detail=problem.detail,
                raw=storable(raw),
                received_at=now,
                import_run=import_run,
            )
            for problem, position, raw in problems
        ],
        ignore_conflicts=True,
        batch_size=1000,
    )
