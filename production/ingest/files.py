"""Files: a plant's CSV, row by row through its mapping into the store; safe to repeat, and to try first."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path

from django.db import transaction
from django.db.models import Max, Min, TextField
from django.db.models.expressions import Func, Value

from mesassist.tenants.models import User
from mesassist.tenants.scope import current_tenant
from production.ingest.codes import Created
from production.ingest.mapping import MappingSpec, choose_mapping, known_mappings, read_zone
from production.ingest.orders import OrderBook
from production.ingest.places import create_machines
from production.ingest.quarantine import Problem, keep_rows
from production.ingest.refusals import EventRefused, storable
from production.ingest.rows import ReadRow, RowReader, Warned
from production.ingest.store import store_events
from production.ingest.table import Row, Table, open_table
from production.models import Event, ImportRun
from production.rollups import fold_dirty

ROWS_AT_ONCE = 10_000
WARNINGS_KEPT = 1000


@dataclass(frozen=True)
class RowProblem:
    """Why the row on `line` was not taken."""

    line: int
    code: str
    detail: str


@dataclass(frozen=True)
class ImportReport:
    """What an import did, or in a dry run would do. `received` = accepted + duplicate + quarantined, in rows.

    `copies`: rows that repeat an earlier row exactly. `events`: how many events the accepted rows became.
    """

    file_name: str
    mapping: str
    zone: str
    dry_run: bool
    received: int
    accepted: int
    duplicate: int
    quarantined: int
    events: int
    copies: int
    first_at: dt.datetime | None
    last_at: dt.datetime | None
    created: Created
    warnings: tuple[Warned, ...]
    problems: tuple[RowProblem, ...]
    folded: int = 0


@dataclass
class _Progress:
    orders: OrderBook
    received: int = 0
    events: int = 0
    created: Created = field(default_factory=Created)
    problems: list[RowProblem] = field(default_factory=list)
    # Keys of rows of which one event was taken before another was refused: they count as quarantined alone.
    halved: set[str] = field(default_factory=set)


def import_file(
    *, path: Path, mapping_name: str | None, zone: str, dry_run: bool, requested_by: User | None, now: dt.datetime
) -> ImportReport:
    """Import the file at `path` into the active tenant; raises `ImportRefused` with a sentence, then nothing changed.

    Stamps without an offset are local times of `zone`. Without `mapping_name` the mapping that fits the header is
    taken. Rows that cannot be taken go to quarantine by line; importing again adds nothing. A dry run is the same
    work, undone at the end: what it reports is what would happen.
    """
    report = take_file(
        path=path, mapping_name=mapping_name, zone=zone, dry_run=dry_run, requested_by=requested_by, now=now
    )
    folded = 0
    while done := fold_dirty(now=now):
        folded += done
    return replace(report, folded=folded)


def take_file(
    *, path: Path, mapping_name: str | None, zone: str, dry_run: bool, requested_by: User | None, now: dt.datetime
) -> ImportReport:
    """What `import_file` does up to the rollups, in one transaction; workers fold what it marks."""
    clock = read_zone(zone)
    table, spec = _open(path, mapping_name)
    reader = RowReader(spec=spec, zone=clock)
    with transaction.atomic():
        run = ImportRun.objects.create(
            tenant=current_tenant(),
            file_name=storable(path.name)[:255],
            sha256=table.sha256,
            mapping=spec.name,
            zone=zone,
            requested_by=requested_by,
            started_at=now,
        )
        progress = _take_rows(table, reader, run, now)
        progress.orders.record()
        report = _report(run, progress, reader, dry_run)
        _close(run, report, now)
        if dry_run:
            transaction.set_rollback(True)
    return report


def _open(path: Path, mapping_name: str | None) -> tuple[Table, MappingSpec]:
    """The file and its mapping; a mapping that is named decides the encoding before the header is read."""
    named = known_mappings().get(mapping_name or "")
    table = open_table(path=path, encoding=named.encoding if named else "utf-8-sig")
    return table, choose_mapping(name=mapping_name, header=table.columns)


def _take_rows(table: Table, reader: RowReader, run: ImportRun, now: dt.datetime) -> _Progress:
    progress = _Progress(OrderBook(reader.spec.columns.order_quantity or ""))
    rows = table.rows()
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        progress.received += len(batch)
        _store_rows(_read_rows(batch, reader, run, progress, now), reader, run, progress, now)
    return progress


def _read_rows(
    batch: Sequence[Row], reader: RowReader, run: ImportRun, progress: _Progress, now: dt.datetime
) -> list[ReadRow]:
    """The rows that can be taken; the others go to quarantine."""
    taken: list[ReadRow] = []
    refused: list[tuple[Problem, int, str]] = []
    for row in batch:
        try:
            taken.append(reader.read(row))
        except EventRefused as refusal:
            refused.append((Problem(row.line, "", refusal.code, refusal.detail), row.line, row.raw))
            progress.problems.append(RowProblem(row.line, refusal.code, refusal.detail))
    keep_rows(problems=refused, source=reader.spec.source, now=now, import_run=run)
    return [row for row in taken if not row.copy]


def _store_rows(
    rows: Sequence[ReadRow], reader: RowReader, run: ImportRun, progress: _Progress, now: dt.datetime
) -> None:
    events = [event for row in rows for event in row.events]
    named = {event.machine for event in events}
    progress.created += create_machines(codes=named, place=reader.spec.machines, zone=reader.zone.key)
    owners = [row for row in rows for _ in row.events]
    receipt = store_events(
        events=events,
        source=reader.spec.source,
        now=now,
        import_run=run,
        origin=lambda index: (owners[index].line, owners[index].raw),
    )
    progress.events += receipt.accepted
    progress.created += receipt.created
    for problem in receipt.problems:
        row = owners[problem.index]
        if row.key not in progress.halved:
            progress.halved.add(row.key)
            progress.problems.append(RowProblem(row.line, problem.code, problem.detail))
    for row in rows:
        if row.order and row.key not in progress.halved:
            progress.orders.note(row.order)


# --- the report -------------------------------------------------------------------------------------


def _report(run: ImportRun, progress: _Progress, reader: RowReader, dry_run: bool) -> ImportReport:
    events = Event.objects.filter(import_run=run)
    row_key = Func("event_id", Value("."), Value(1), function="split_part", output_field=TextField())
    keys = set(events.annotate(row_key=row_key).values_list("row_key", flat=True).distinct())
    span = events.aggregate(first=Min("at"), ends=Max("until"), last=Max("at"))
    quarantined = len({problem.line for problem in progress.problems})
    accepted = len(keys - progress.halved)
    return ImportReport(
        file_name=run.file_name,
        mapping=run.mapping,
        zone=run.zone,
        dry_run=dry_run,
        received=progress.received,
        accepted=accepted,
        duplicate=progress.received - accepted - quarantined,
        quarantined=quarantined,
        events=progress.events,
        copies=reader.copies,
        first_at=span["first"],
        last_at=max(filter(None, (span["ends"], span["last"])), default=None),
        created=progress.created,
        warnings=tuple(sorted([*reader.warnings, *progress.orders.warnings], key=lambda warned: warned.line)),
        problems=tuple(sorted(progress.problems, key=lambda problem: problem.line)),
    )


def _close(run: ImportRun, report: ImportReport, now: dt.datetime) -> None:
    run.received, run.accepted = report.received, report.accepted
    run.duplicate, run.quarantined = report.duplicate, report.quarantined
    run.warnings = list(_warnings_kept(report.warnings))
    run.finished_at = now
    run.save()


def _warnings_kept(warnings: Sequence[Warned]) -> Iterator[dict[str, object]]:
    """The first warnings in full; of the others, how many there are of each code."""
    yield from (asdict(warned) for warned in warnings[:WARNINGS_KEPT])
    for code, count in Counter(warned.code for warned in warnings[WARNINGS_KEPT:]).items():
        yield {"line": None, "column": "", "code": code, "detail": f"{count} more of this kind", "raw": ""}
