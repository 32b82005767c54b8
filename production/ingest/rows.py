"""Rows: one row of a file, by its mapping, becomes a state and a count; or a refusal that says why not."""

import datetime as dt
import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from production.ingest.contract import MachineEvent, read_event
from production.ingest.mapping import MappingSpec, normalise
from production.ingest.refusals import EventRefused, storable
from production.ingest.table import Row

HOURS_AND_MINUTES = re.compile(r"(\d+):([0-5]\d)")


@dataclass(frozen=True)
class Warned:
    """Something odd in a row that was taken all the same."""

    line: int
    column: str
    code: str
    detail: str
    raw: str


@dataclass(frozen=True)
class OrderSaid:
    """What a row says about its order."""

    line: int
    code: str
    quantity: float


@dataclass(frozen=True)
class ReadRow:
    """A row that can be taken: its events (their ids begin with `key`), and what else it says.

    `copy` is a repeated row that the mapping skips.
    """

    line: int
    raw: str
    key: str
    events: tuple[MachineEvent, ...]
    order: OrderSaid | None
    copy: bool = False


@dataclass
class RowReader:
    """Reads the rows of one file in order: it counts repeated rows, so that each copy has an id of its own.

    An id is made of the row's whole content and the number of its copy. Reading the same rows again, in a longer
    file or another order of columns, gives the same ids.
    """

    spec: MappingSpec
    zone: ZoneInfo
    warnings: list[Warned] = field(default_factory=list)
    copies: int = 0
    _seen: Counter[str] = field(default_factory=Counter)

    def read(self, row: Row) -> ReadRow:
        """The events of `row`; raises `EventRefused`."""
        if not row.cells:
            raise EventRefused("wrong_cell_count", "The row has more or fewer cells than the header. Mend the row.")
        digest = _digest(row)
        self._seen[digest] += 1
        number = self._seen[digest]
        self.copies += number > 1
        key = f"{digest}-{number}"
        start, end = self._read_stamps(row)
        said = self._read_order(row)
        events = (self._state(row, key, start, end), self._count(row, key, end or start))
        present = tuple(event for event in events if event is not None)
        if not present:
            raise EventRefused("empty_row", "The row has neither a state nor a quantity. Leave it out.")
        self._check_durations(row, start, end)
        return ReadRow(row.line, row.raw, key, present, said, copy=number > 1 and self.spec.duplicates == "skip")

    # --- the events --------------------------------------------------------------------------------

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

    def _count(self, row: Row, key: str, at: dt.datetime) -> MachineEvent | None:
        columns = self.spec.columns
        pieces = {
            name: self._number(row, column)
            for name, column in (("good", columns.good), ("scrap", columns.scrap), ("rework", columns.rework))
            if column
        }
        # A row of noughts adds nothing; a negative number must still be refused.
        if not any(pieces.values()):
            return None
        return self._event(row, event_id=f"{key}.c", at=at, kind="count", **pieces)

    def _event(self, row: Row, **fields: Any) -> MachineEvent:
        columns = self.spec.columns
        fields["machine"] = self._cell(row, columns.machine)
        fields["order"] = self._cell(row, columns.order)
        fields["product"] = self._cell(row, columns.product)
        # An empty cell is "not recorded": the field is left out, the machine alone must be there.
        given = {name: value for name, value in fields.items() if value not in (None, "") or name == "machine"}
        return read_event(given)

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

    def _cell(self, row: Row, column: str | None) -> str:
        return row.cells[normalise(column)] if column else ""

    def _number(self, row: Row, column: str) -> float | None:
        cell = self._cell(row, column)
        if not cell:
            return None
        try:
            return float(cell.replace(",", ".") if self.spec.decimal == "," else cell)
        except ValueError:
            raise EventRefused("invalid_number", f"{column} is {cell!r}, which is not a number.") from None

    def _read_stamps(self, row: Row) -> tuple[dt.datetime, dt.datetime | None]:
        columns = self.spec.columns
        start = self._moment(row, columns.start)
        return start, self._moment(row, columns.end, not_before=start) if self._cell(row, columns.end) else None

    def _moment(self, row: Row, column: str | None, not_before: dt.datetime | None = None) -> dt.datetime:
        """The moment in UTC. A local time that happens twice is the first one, unless that is before `not_before`."""
        stamp = self._parse(row, column)
        if stamp.tzinfo is not None:
            return stamp.astimezone(dt.UTC)
        first, second = (stamp.replace(tzinfo=self.zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
        if first.astimezone(self.zone).replace(tzinfo=None) != stamp:
            raise EventRefused(
                "nonexistent_time",
                f"{column} is {self._cell(row, column)!r}: the clocks of {self.zone.key} skip that hour. "
                "Correct the stamp, or import with the zone the stamps were made in.",
            )
        if first == second:
            return first
        chosen = second if not_before is not None and first < not_before else first
        which = "second" if chosen is second else "first"
        self._warn(row, column or "", "ambiguous_time", f"It happens twice in {self.zone.key}; taken as the {which}.")
        return chosen

    def _parse(self, row: Row, column: str | None) -> dt.datetime:
        cell = self._cell(row, column)
        for pattern in self.spec.timestamps:
            try:
                # Without an offset the zone comes from the import.
                stamp = dt.datetime.fromisoformat(cell) if pattern == "iso" else dt.datetime.strptime(cell, pattern)  # noqa: DTZ007
            except ValueError:
                continue
            if 1 < stamp.year < 9999:  # the first and last year have moments that UTC cannot name
                return stamp
        raise EventRefused("invalid_timestamp", f"{column} is {cell!r}; expected {' or '.join(self.spec.timestamps)}.")

    # --- checks ------------------------------------------------------------------------------------

    def _check_durations(self, row: Row, start: dt.datetime, end: dt.datetime | None) -> None:
        for check in self.spec.checks:
            cell = self._cell(row, check.column)
            found = HOURS_AND_MINUTES.fullmatch(cell)
            if not found:
                self._warn(row, check.column, "duration_unreadable", f"{cell!r} is not hours and minutes.")
                continue
            said = dt.timedelta(hours=int(found.group(1)), minutes=int(found.group(2)))
            if end is not None and said != end - start:
                self._warn(row, check.column, "duration_differs", f"It says {cell}, the stamps say {end - start}.")

    def _warn(self, row: Row, column: str, code: str, detail: str) -> None:
        self.warnings.append(Warned(row.line, column, code, detail, storable(self._cell(row, column))))


def _digest(row: Row) -> str:
    """The row's content, whatever the order of its columns; blank cells do not count."""
    filled = sorted((column, cell) for column, cell in row.cells.items() if cell)
    return hashlib.sha256(json.dumps(filled).encode()).hexdigest()[:40]
