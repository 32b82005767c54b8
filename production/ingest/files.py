"""Files: a plant's file, row by row through its mapping into the store; safe to repeat, to try first, and to stop."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from mesassist.tenants.models import User
from mesassist.tenants.scope import current_tenant, tenant_tx
from production.ingest.fitting import open_for, open_mapped
from production.ingest.mapping import ImportRefused, MappingSpec, find_mapping, read_zone
from production.ingest.orders import OrderBook
from production.ingest.places import create_machines, create_reasons
from production.ingest.previews import Preview, PreviewRow, preview_file
from production.ingest.quarantine import Kept, Problem, keep
from production.ingest.readers import Reader, open_reader
from production.ingest.refusals import EventRefused, storable
from production.ingest.reports import ImportReport, RowProblem, Tally, close_run, count_rows, write_report
from production.ingest.rows import ReadRow
from production.ingest.store import Receipt, store_events
from production.ingest.table import Row, Table, digest_of, write_cells
from production.models import ImportRun, ImportStatus
from production.rollups import fold_dirty

__all__ = [
    "ImportReport",
    "Preview",
    "PreviewRow",
    "RowProblem",
    "import_file",
    "preview_file",
    "retake_row",
    "take_file",
]

ROWS_AT_ONCE = 10_000
PIECE = 1 << 20
# Told how many rows are done, and how many there are as far as anybody can say.
Progress = Callable[[int, int | None], None]


def import_file(
    *, path: Path, mapping_name: str | None, zone: str, dry_run: bool, requested_by: User | None, now: dt.datetime
) -> ImportReport:
    """Import the file at `path` into the active tenant, and fold what it changed; raises `ImportRefused`.

    What `take_file` does, and the rollups besides.
    """
    report = take_file(
        path=path, mapping_name=mapping_name, zone=zone, dry_run=dry_run, requested_by=requested_by, now=now
    )
    folded = 0
    while done := fold_dirty(now=now):
        folded += done
    return replace(report, folded=folded)


def take_file(
    *,
    path: Path,
    mapping_name: str | None,
    zone: str,
    dry_run: bool,
    requested_by: User | None,
    now: dt.datetime,
    run: ImportRun | None = None,
    on_progress: Progress | None = None,
    spec: MappingSpec | None = None,
) -> ImportReport:
    """Take the rows of a file in batches, each a transaction of its own; workers fold what they mark.

    Stamps without an offset are local times of `zone`. `spec` is the mapping itself, saved or not; without it and
    without `mapping_name` the one that fits is taken. Rows that
    cannot be taken go to quarantine by line; importing again adds nothing, so that what a crash cut short is taken
    again from the start. A dry run is the same work in one transaction, undone at the end: it reports what would
    happen. `run`: one made before, whose `status` is looked at before each batch: cancelled, the import stops there.
    Raises `ImportRefused` with a sentence; what was taken before a file turned out unreadable stays.
    """
    clock = read_zone(zone)
    if spec:
        table: Table = open_for(path=path, spec=spec)
    else:
        table, spec = open_mapped(path=path, mapping_name=mapping_name)
    reader = open_reader(spec=spec, zone=clock, path=path)
    with _undone(dry_run):
        run = run or ImportRun(tenant=current_tenant(), requested_by=requested_by, started_at=now)
        _begin(run, table, spec, zone)
        taking = _Taking(table, spec, reader, run, now)
        try:
            cancelled = taking.take_all(on_progress)
        except ImportRefused as refusal:
            _fail(run, refusal, taking.tally, now)
            raise
        tally = taking.tally
        report = write_report(
            run=run, tally=tally, oddities=reader.oddities, copies=reader.copies, dry_run=dry_run, cancelled=cancelled
        )
        close_run(run=run, report=report, oddities=reader.oddities, now=now)
    return report


def retake_row(*, run: ImportRun, cells: Mapping[str, str], line: int, now: dt.datetime) -> Receipt:
    """Take one row of an earlier import, as it was or mended, by the mapping as it is now.

    Raises `EventRefused` where it still cannot be read; what the store refuses is in the receipt. Nothing is put into
    quarantine: there the row is.
    """
    try:
        spec, zone = find_mapping(name=run.mapping), read_zone(run.zone)
    except ImportRefused as refusal:
        raise EventRefused("mapping_gone", str(refusal)) from refusal
    row = Row(line, {name: cell.strip() for name, cell in cells.items()}, write_cells(cells))
    reader = open_reader(spec=spec, zone=zone, path=None)
    read = reader.read(row)
    events = [event for part in read for event in part.events]
    create_machines(codes={event.machine for event in events}, place=spec.machines, zone=run.zone)
    return store_events(events=events, source=spec.source, now=now, import_run=run, keep_problems=lambda _: None)


# --- one import ---------------------------------------------------------------------------------------


@dataclass
class _Taking:
    """One reading of one file."""

    table: Table
    spec: MappingSpec
    reader: Reader
    run: ImportRun
    now: dt.datetime

    def __post_init__(self) -> None:
        self.tally = Tally()
        self.orders = OrderBook(self.spec.columns.order_quantity or "", self.reader.oddities)

    def take_all(self, on_progress: Progress | None) -> bool:
        """Take every row; gives whether somebody stopped it."""
        rows = self.table.rows()
        done = 0
        with tenant_tx():
            create_reasons(spec=self.spec)
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            done += len(batch)
            with tenant_tx():
                self._take_batch(batch)
                going_on = _note_progress(self.run, done)
            if on_progress:
                on_progress(done, self.run.rows_total)
            if not going_on:
                return True
        with tenant_tx():
            self._store(list(self.reader.finish()))
            self.orders.record()
        return False

    def _take_batch(self, batch: Sequence[Row]) -> None:
        taken: list[ReadRow] = []
        refused: list[Kept] = []
        for row in batch:
            try:
                taken += self.reader.read(row)
            except EventRefused as refusal:
                refused.append(Kept(refusal.code, refusal.detail, "", row.line, _raw_of(row.cells, row.raw)))
                self.tally.received += 1
                self.tally.refuse(row.line, refusal.code, refusal.detail)
        keep(entries=refused, source=self.spec.source, now=self.now, import_run=self.run)
        self._store(taken)

    def _store(self, taken: Sequence[ReadRow]) -> None:
        self.tally.left += sum(bool(row.left) for row in taken)
        self.tally.received += sum(not row.left for row in taken)
        rows = [row for row in taken if row.events and not row.copy]
        events = [event for row in rows for event in row.events]
        named = {event.machine for event in events}
        self.tally.created += create_machines(codes=named, place=self.spec.machines, zone=self.run.zone)
        owners = [row for row in rows for _ in row.events]
        receipt = store_events(
            events=events,
            source=self.spec.source,
            now=self.now,
            import_run=self.run,
            origin=lambda index: (owners[index].line, _raw_of(owners[index].cells, owners[index].raw)),
        )
        self.tally.events += receipt.accepted
        self.tally.created += receipt.created
        halved = self._note_problems(receipt.problems, owners)
        for row in rows:
            if row.order and row.key not in halved:
                self.orders.note(row.order)

    def _note_problems(self, problems: Sequence[Problem], owners: Sequence[ReadRow]) -> set[str]:
        """The keys of the rows that the store refused, wholly or in part; each counts once."""
        halved: set[str] = set()
        for problem in problems:
            row = owners[problem.index]
            if row.key not in halved:
                halved.add(row.key)
                self.tally.refuse(row.line, problem.code, problem.detail)
        if halved:
            self.tally.halved += count_rows(run=self.run, keys=halved)
        return halved


def _begin(run: ImportRun, table: Table, spec: MappingSpec, zone: str) -> None:
    run.file_name = run.file_name or storable(table.path.name)[:255]
    run.sha256 = run.sha256 or digest_of(table.path)
    run.mapping, run.zone, run.rows_total = spec.name, zone, _guess_rows(table)
    # A run that was cancelled while it waited stays so.
    if run.status != ImportStatus.CANCELLED:
        run.status = ImportStatus.RUNNING
    run.save()


def _guess_rows(table: Table) -> int | None:
    """How many rows the file has as far as its line breaks tell, without reading it as what it is."""
    if table.kind not in ("csv", "shdr") or table.encoding.startswith("utf-16"):
        return None
    with table.path.open("rb") as file:
        breaks = sum(piece.count(b"\n") for piece in iter(lambda: file.read(PIECE), b""))
    return max(1, breaks)


def _note_progress(run: ImportRun, done: int) -> bool:
    """Write how far the import is; gives whether it is to go on."""
    going = ImportRun.objects.filter(pk=run.pk).exclude(status=ImportStatus.CANCELLED)
    return going.update(rows_done=done, heartbeat_at=Now()) > 0


def _fail(run: ImportRun, refusal: ImportRefused, tally: Tally, now: dt.datetime) -> None:
    """Note why the file could not be read further; a run that took nothing and that nobody waits for is not kept."""
    if run.upload_id is None and not tally.received:
        run.delete()
        return
    run.status, run.error, run.finished_at = ImportStatus.FAILED, storable(str(refusal)), now
    run.save(update_fields=["status", "error", "finished_at"])


@contextmanager
def _undone(dry_run: bool) -> Iterator[None]:
    if not dry_run:
        yield
        return
    with tenant_tx():
        yield
        transaction.set_rollback(True)


def _raw_of(cells: Mapping[str, Any], raw: str) -> str:
    return write_cells(cells) if cells else raw
