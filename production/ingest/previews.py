"""Previews: what the first rows of a file would become by a mapping, in plain words; nothing is written."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from production.ingest.contract import CounterEvent, CountEvent, MachineEvent, StateEvent, find_problem
from production.ingest.fitting import open_for
from production.ingest.mapping import MappingSpec
from production.ingest.readers import open_reader
from production.ingest.refusals import EventRefused
from production.ingest.reports import RowProblem
from production.ingest.rows import ReadRow
from production.ingest.table import Row

ROWS_READ = 5_000


@dataclass(frozen=True)
class PreviewRow:
    """One row: its cells, and what it becomes as sentences; or why it is refused, or left."""

    line: int
    cells: Mapping[str, str]
    raw: str
    becomes: tuple[str, ...] = ()
    refused: RowProblem | None = None
    left: str = ""


@dataclass(frozen=True)
class Preview:
    """The first rows in full, and counts over the rows read (at most 5,000; `whole`: that is all of them).

    `fit` + `refused` + `left` = `read`. `by_code` and `warned` count refusals and warnings by code.
    """

    rows: tuple[PreviewRow, ...]
    read: int
    whole: bool
    fit: int
    refused: int
    left: int
    events: int
    by_code: dict[str, int]
    warned: dict[str, int]
    machines: tuple[str, ...]
    first_at: dt.datetime | None
    last_at: dt.datetime | None


def preview_file(*, path: Path, spec: MappingSpec, zone: ZoneInfo, now: dt.datetime, rows: int = 20) -> Preview:
    """What the first rows would become; raises `ImportRefused` where the file cannot be read by the mapping.

    Machines and ids are not looked up: what the database says about them only the import, or its dry run, can tell.
    """
    table = open_for(path=path, spec=spec)
    reader = open_reader(spec=spec, zone=zone, path=path)
    shown: list[PreviewRow] = []
    events: list[MachineEvent] = []
    by_code: Counter[str] = Counter()
    read = left = refused = 0
    for row in islice(table.rows(), ROWS_READ + 1):
        read += 1
        if read > ROWS_READ:
            break
        looked = _look_at(row, reader.read, now, zone)
        left += bool(looked.left)
        refused += looked.refused is not None
        if looked.refused:
            by_code[looked.refused.code] += 1
        events += looked.events
        # Of a log hardly a line is taken: those that are left would hide what becomes of it.
        if len(shown) < rows and not looked.left:
            shown.append(looked.shown)
    warned = Counter(warning.code for warning in reader.oddities.first) + reader.oddities.more
    return Preview(
        rows=tuple(shown),
        read=min(read, ROWS_READ),
        whole=read <= ROWS_READ,
        fit=min(read, ROWS_READ) - refused - left,
        refused=refused,
        left=left,
        events=len(events),
        by_code=dict(by_code),
        warned=dict(warned),
        machines=tuple(sorted({event.machine for event in events})),
        first_at=min((event.at for event in events), default=None),
        last_at=max((event.at for event in events), default=None),
    )


def tell_event(*, event: MachineEvent, zone: ZoneInfo) -> str:
    """The event as a sentence, its times by the clock of `zone`."""
    at = f"{event.at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    if isinstance(event, StateEvent):
        ends = event.until
        span = f"{at} to {ends.astimezone(zone):%Y-%m-%d %H:%M:%S}" if ends else f"from {at}"
        return f"{event.machine}: {event.state}{f' ({event.reason})' if event.reason else ''}, {span}"
    if isinstance(event, CountEvent):
        pieces = {"good": event.good, "scrap": event.scrap, "rework": event.rework}
        made = ", ".join(f"{number:g} {name}" for name, number in pieces.items() if number is not None)
        return f"{event.machine}: {made} at {at}"
    kind = "counter" if isinstance(event, CounterEvent) else "measured"
    unit = f" {event.unit}" if not isinstance(event, CounterEvent) and event.unit else ""
    return f"{event.machine}: {kind} {event.name} = {event.value:g}{unit} at {at}"


@dataclass(frozen=True)
class _Looked:
    shown: PreviewRow
    events: Sequence[MachineEvent] = ()

    @property
    def refused(self) -> RowProblem | None:
        return self.shown.refused

    @property
    def left(self) -> str:
        return self.shown.left


def _look_at(row: Row, read: Callable[[Row], Sequence[ReadRow]], now: dt.datetime, zone: ZoneInfo) -> _Looked:
    try:
        found: Sequence[ReadRow] = read(row)
        events = [event for part in found for event in part.events]
        for event in events:
            if refusal := find_problem(event, now=now):
                raise refusal
    except EventRefused as refusal:
        problem = RowProblem(row.line, refusal.code, refusal.detail)
        return _Looked(PreviewRow(row.line, row.cells, row.raw, refused=problem))
    left = found[-1].left if found and not events else ""
    becomes = tuple(tell_event(event=event, zone=zone) for event in events)
    return _Looked(PreviewRow(row.line, row.cells, row.raw, becomes, left=left), events)
