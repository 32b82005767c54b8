"""Reports: what an import did, counted from the events that it brought."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Max, Min, TextField
from django.db.models.expressions import Func, Value

from production.ingest.codes import Created
from production.ingest.oddities import Oddities, Warned
from production.models import Event, ImportRun, ImportStatus

PROBLEMS_KEPT = 1000


@dataclass(frozen=True)
class RowProblem:
    """Why the row on `line` was not taken."""

    line: int
    code: str
    detail: str


@dataclass(frozen=True)
class ImportReport:
    """What an import did, or in a dry run would do. `received` = accepted + duplicate + quarantined, in rows.

    `copies`: rows that repeat an earlier row exactly. `events`: how many events the accepted rows became. `left`: lines
    of a log that the mapping does not take; they are no part of `received`. `warnings` and `problems` hold the first
    1,000 of each; `more_warnings` and `by_code` count them all.
    """

    run_id: int
    file_name: str
    mapping: str
    zone: str
    dry_run: bool
    cancelled: bool
    received: int
    accepted: int
    duplicate: int
    quarantined: int
    left: int
    events: int
    copies: int
    first_at: dt.datetime | None
    last_at: dt.datetime | None
    created: Created
    warnings: tuple[Warned, ...]
    more_warnings: dict[str, int]
    problems: tuple[RowProblem, ...]
    by_code: dict[str, int]
    folded: int = 0


@dataclass
class Tally:
    """What is counted while rows are read; memory does not grow with the file."""

    received: int = 0
    left: int = 0
    events: int = 0
    quarantined: int = 0
    # Quarantined rows of which an event is in the database all the same: they do not count as accepted too.
    halved: int = 0
    created: Created = field(default_factory=Created)
    problems: list[RowProblem] = field(default_factory=list)
    by_code: Counter[str] = field(default_factory=Counter)

    def refuse(self, line: int, code: str, detail: str) -> None:
        """Count a row that was not taken."""
        self.quarantined += 1
        self.by_code[code] += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(RowProblem(line, code, detail))


def count_rows(*, run: ImportRun, keys: Iterable[str] | None = None) -> int:
    """How many rows have events of this run; of those with the given keys, or of all."""
    row_key = Func("event_id", Value("."), Value(1), function="split_part", output_field=TextField())
    events = Event.objects.filter(import_run=run).annotate(row_key=row_key)
    if keys is not None:
        events = events.filter(row_key__in=list(keys))
    return events.values("row_key").distinct().count()


def write_report(
    *, run: ImportRun, tally: Tally, oddities: Oddities, copies: int, dry_run: bool, cancelled: bool
) -> ImportReport:
    """The report of a run whose rows were read."""
    span = Event.objects.filter(import_run=run).aggregate(first=Min("at"), ends=Max("until"), last=Max("at"))
    accepted = count_rows(run=run) - tally.halved
    return ImportReport(
        run_id=run.pk,
        file_name=run.file_name,
        mapping=run.mapping,
        zone=run.zone,
        dry_run=dry_run,
        cancelled=cancelled,
        received=tally.received,
        accepted=accepted,
        duplicate=tally.received - accepted - tally.quarantined,
        quarantined=tally.quarantined,
        left=tally.left,
        events=tally.events,
        copies=copies,
        first_at=span["first"],
        last_at=max(filter(None, (span["ends"], span["last"])), default=None),
        created=tally.created,
        warnings=oddities.in_order(),
        more_warnings=dict(oddities.more),
        problems=_in_order(tally.problems),
        by_code=dict(tally.by_code),
    )


def close_run(*, run: ImportRun, report: ImportReport, oddities: Oddities, now: dt.datetime) -> None:
    """Write the result into the run."""
    run.received, run.accepted = report.received, report.accepted
    run.duplicate, run.quarantined = report.duplicate, report.quarantined
    run.warnings = list(oddities.as_rows())
    run.status = ImportStatus.CANCELLED if report.cancelled else ImportStatus.DONE
    run.finished_at = now
    run.rows_done = report.received + report.left
    run.save(
        update_fields=[
            *("received", "accepted", "duplicate", "quarantined", "warnings", "status", "finished_at", "rows_done")
        ]
    )


def _in_order(problems: Sequence[RowProblem]) -> tuple[RowProblem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.line))
