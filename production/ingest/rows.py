"""Rows: one row of a file, by its mapping, becomes a state, counts, stops and readings; or a refusal that says why."""

import datetime as dt
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from production.ingest.contract import MachineEvent, read_event
from production.ingest.mapping import MappingSpec, normalise
from production.ingest.moments import Clock, read_time_of_day
from production.ingest.numerals import read_number
from production.ingest.oddities import Oddities
from production.ingest.refusals import EventRefused
from production.ingest.table import Row

HOURS_AND_MINUTES = re.compile(r"(\d+):([0-5]\d)")
UNIT_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
# Where in its row's interval a stop was, nobody wrote down: the comment of each says so.
ASSUMED = "When within the report is not recorded; it is laid at its end."
Span = tuple[dt.datetime, dt.datetime | None]


@dataclass(frozen=True)
class OrderSaid:
    """What a row says about its order."""

    line: int
    code: str
    quantity: float


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row that can be taken: its events (their ids begin with `key`), and what else it says.

    `copy`: a repeated row that the mapping skips. `left`: why a row is none of the import's (an item of a log that the
    mapping does not name); it has no events then and is counted apart.
    """

    line: int
    cells: Mapping[str, str]
    raw: str
    key: str = ""
    events: tuple[MachineEvent, ...] = ()
    order: OrderSaid | None = None
    copy: bool = False
    left: str = ""


@dataclass
class RowReader:
    """Reads the rows of one table in order: it counts repeated rows, so that each copy has an id of its own.

    An id is made of the row's whole content and the number of its copy. Reading the same rows again, in a longer
    file or another order of columns, gives the same ids.
    """

    spec: MappingSpec
    clock: Clock
    oddities: Oddities = field(default_factory=Oddities)
    copies: int = 0
    # 8 bytes of each row seen, and how often those that came again did.
    _seen: set[int] = field(default_factory=set)
    _again: Counter[int] = field(default_factory=Counter)
    _latest: dict[str, dt.datetime] = field(default_factory=dict)

    def read(self, row: Row) -> tuple[ReadRow, ...]:
        """What becomes of `row`; raises `EventRefused`."""
        self._check_cells(row)
        digest = digest_of(row.cells)
        number = self._count_copy(digest)
        key = f"{digest}-{number}"
        span = self._read_span(row)
        said = self._read_order(row)
        events = tuple(self._events(row, key, span))
        if not events:
            raise EventRefused("empty_row", "The row has neither a state nor a quantity. Leave it out.")
        self._check_durations(row, *span)
        self._check_order_of_time(row, span[0])
        skipped = number > 1 and self.spec.duplicates == "skip"
        return (ReadRow(row.line, row.cells, row.raw, key, events, said, copy=skipped),)

    def finish(self) -> tuple[ReadRow, ...]:
        """What is left to say when the last row was read."""
        return ()

    # --- the events --------------------------------------------------------------------------------

    def _events(self, row: Row, key: str, span: Span) -> Iterator[MachineEvent]:
        start, end = span
        state = self._state(row, key, start, end)
        if state is not None:
            yield state
        yield from self._stops(row, key, span)
        count = self._count(row, key, end or start)
        if count is not None:
            yield count
        yield from self._readings(row, key, start)

    def _state(self, row: Row, key: str, start: dt.datetime, end: dt.datetime | None) -> MachineEvent | None:
        columns = self.spec.columns
        value = self._cell(row, columns.state)
        meant = self.spec.states.get(value)
        if columns.state and meant is None:
            known = ", ".join(self.spec.states)
            raise EventRefused("unknown_state", f"{columns.state} is {value!r}; the mapping knows {known}.")
        state = meant.state if meant else self.spec.default_state
        if state is None:
            return None
        return self._event(
            row,
            event_id=f"{key}.s",
            at=start,
            until=end,
            kind="state",
            state=state,
            reason=self._cell(row, columns.reason) or (meant.reason if meant else None),
            comment=self._comment(row),
            operator=self._cell(row, columns.operator),
        )

    def _stops(self, row: Row, key: str, span: Span) -> Iterator[MachineEvent]:
        """A stop per reason that took time, one after another up to the end of the row's interval."""
        losses = self.spec.losses
        if losses is None:
            return
        start, end = span
        lengths = [(n, reason, self._length(row, column)) for n, (column, reason) in enumerate(losses.columns.items())]
        total = sum((length for _, _, length in lengths), dt.timedelta())
        if end is None or total > end - start:
            raise EventRefused(
                "longer_than_interval",
                f"Its stops add up to {total}, longer than the {end and end - start} from start to end. Correct one.",
            )
        at = end - total
        for number, reason, length in lengths:
            if length:
                yield self._event(
                    row,
                    event_id=f"{key}.l{number}",
                    at=at,
                    until=at + length,
                    kind="state",
                    state=losses.state,
                    reason=reason,
                    comment=ASSUMED,
                    operator=self._cell(row, self.spec.columns.operator),
                )
                at += length

    def _length(self, row: Row, column: str) -> dt.timedelta:
        """How long the column says; an empty cell is none."""
        losses = self.spec.losses
        amount = self._number(row, column) or 0.0
        if amount < 0 or losses is None:
            raise EventRefused.because("negative_quantity", column)
        return dt.timedelta(seconds=amount * UNIT_SECONDS[losses.unit])

    def _count(self, row: Row, key: str, at: dt.datetime) -> MachineEvent | None:
        columns = self.spec.columns
        pieces: dict[str, Any] = {
            name: self._number(row, column)
            for name, column in (("good", columns.good), ("scrap", columns.scrap), ("rework", columns.rework))
            if column
        }
        # A row of noughts adds nothing; a negative number must still be refused.
        if not any(pieces.values()):
            return None
        return self._event(row, event_id=f"{key}.c", at=at, kind="count", **pieces)

    def _readings(self, row: Row, key: str, at: dt.datetime) -> Iterator[MachineEvent]:
        for number, measured in enumerate(self.spec.measured):
            value = self._number(row, measured.column)
            if value is None:
                continue
            more = {"max": measured.maximum} if measured.is_counter else {"unit": measured.unit}
            kind = "counter" if measured.is_counter else "measurement"
            fields = {"name": measured.name, "value": value, **more}
            yield self._event(row, event_id=f"{key}.m{number}", at=at, kind=kind, named=False, **fields)

    def _event(self, row: Row, *, named: bool = True, **fields: Any) -> MachineEvent:
        columns = self.spec.columns
        fields["machine"] = self._cell(row, columns.machine) or (None if columns.machine else self.spec.machine)
        if named:
            fields["order"] = self._cell(row, columns.order)
            fields["product"] = self._cell(row, columns.product)
        # An empty cell is "not recorded": the field is left out, the machine alone must be there.
        given = {name: value for name, value in fields.items() if name == "machine" or value not in ("", None)}
        return read_event({**given, "machine": given["machine"] or ""})

    def _comment(self, row: Row) -> str:
        said = {column: self._cell(row, column) for column in self.spec.columns.comment}
        if len(said) == 1:
            return next(iter(said.values()))
        return "; ".join(f"{column}: {text}" for column, text in said.items() if text)

    def _read_order(self, row: Row) -> OrderSaid | None:
        columns = self.spec.columns
        code = self._cell(row, columns.order)
        quantity = self._number(row, columns.order_quantity) if columns.order_quantity else None
        return OrderSaid(row.line, code, quantity) if code and quantity is not None else None

    # --- cells -------------------------------------------------------------------------------------

    def _check_cells(self, row: Row) -> None:
        if not row.cells:
            raise EventRefused("wrong_cell_count", "The row has more or fewer cells than the header. Mend the row.")
        missing = [column for column in self.spec.needs() if column not in row.cells]
        if missing and self.spec.join:
            key = normalise(self.spec.join.key)
            raise EventRefused(
                "no_partner",
                f"{key} {row.cells.get(key, '')!r} is not in the other table, so {', '.join(missing[:4])} "
                "are not known. Add it there, or fill them in here.",
            )
        if missing:
            raise EventRefused("wrong_cell_count", f"The row lacks {', '.join(missing[:4])}. Mend the row.")

    def _count_copy(self, digest: str) -> int:
        mark = int(digest[:16], 16)
        if mark not in self._seen:
            self._seen.add(mark)
            return 1
        self._again[mark] += 1
        self.copies += 1
        return self._again[mark] + 1

    def _cell(self, row: Row, column: str | None) -> str:
        return row.cells[normalise(column)] if column else ""

    def _number(self, row: Row, column: str) -> float | None:
        cell = self._cell(row, column)
        if not cell:
            return None
        value = read_number(cell=cell, decimal=self.spec.decimal)
        if value is None:
            sign = "comma" if self.spec.decimal == "," else "point"
            raise EventRefused("invalid_number", f"{column} is {cell!r}, which is not a number with a decimal {sign}.")
        return value

    def _read_span(self, row: Row) -> Span:
        columns = self.spec.columns
        if columns.date:
            return self._read_span_of_day(row, columns.date)
        start = self._moment(row, columns.start or "")
        return start, self._moment(row, columns.end or "", start) if self._cell(row, columns.end) else None

    def _moment(self, row: Row, column: str, not_before: dt.datetime | None = None) -> dt.datetime:
        formats = self.spec.formats_of(column)
        return self.clock.read(
            column=column, cell=self._cell(row, column), formats=formats, warn=self._warner(row), not_before=not_before
        )

    def _read_span_of_day(self, row: Row, date_column: str) -> Span:
        """Start and end as times of day: an end that is not later than the start is on the next day, and told."""
        columns, warn = self.spec.columns, self._warner(row)
        # Noon: a day is meant, and no clock is set back or forth then.
        day = self._moment(row, date_column).astimezone(self.clock.zone).date()
        time, _ = read_time_of_day(column=columns.start or "", cell=self._cell(row, columns.start))
        start_local = dt.datetime.combine(day, time)
        start = self.clock.place(column=columns.start or "", stamp=start_local, warn=warn)
        if not self._cell(row, columns.end):
            return start, None
        time, days = read_time_of_day(column=columns.end or "", cell=self._cell(row, columns.end))
        end_local = dt.datetime.combine(day + dt.timedelta(days=days), time)
        if not days and end_local <= start_local:
            end_local += dt.timedelta(days=1)
        if end_local.date() > day:
            warn(columns.end or "", "next_day", f"It ends on the next day, {end_local:%Y-%m-%d %H:%M}.")
        return start, self.clock.place(column=columns.end or "", stamp=end_local, warn=warn, not_before=start)

    # --- checks ------------------------------------------------------------------------------------

    def _check_durations(self, row: Row, start: dt.datetime, end: dt.datetime | None) -> None:
        warn = self._warner(row)
        for check in self.spec.checks:
            cell = self._cell(row, check.column)
            found = HOURS_AND_MINUTES.fullmatch(cell)
            if not found:
                warn(check.column, "duration_unreadable", f"{cell!r} is not hours and minutes.")
                continue
            said = dt.timedelta(hours=int(found.group(1)), minutes=int(found.group(2)))
            if end is not None and said != end - start:
                warn(check.column, "duration_differs", f"It says {cell}, the stamps say {end - start}.")

    def _check_order_of_time(self, row: Row, at: dt.datetime) -> None:
        """Readings come in the order of time; where a logger goes back, both readings stay and it is said."""
        if not self.spec.measured:
            return
        machine = self._cell(row, self.spec.columns.machine)
        latest = self._latest.get(machine)
        if latest is not None and at <= latest:
            column = self.spec.columns.start or ""
            self._warner(row)(column, "time_goes_back", f"A row before it reaches to {latest:%Y-%m-%d %H:%M:%S} UTC.")
        self._latest[machine] = max(latest or at, at)

    def _warner(self, row: Row) -> Any:
        def warn(column: str, code: str, detail: str) -> None:
            self.oddities.note(row.line, column, code, detail, self._cell(row, column))

        return warn


def digest_of(cells: Mapping[str, str]) -> str:
    """A row's content, whatever the order of its columns; blank cells do not count."""
    filled = sorted((column, cell) for column, cell in cells.items() if cell)
    return hashlib.sha256(json.dumps(filled).encode()).hexdigest()[:40]
