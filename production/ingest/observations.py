"""Observations: the lines of a machine's log, by its mapping, become states, counter readings and measured values."""

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from production.ingest.contract import MachineEvent, read_event
from production.ingest.mapping import ImportRefused, Item, MappingSpec
from production.ingest.moments import Clock
from production.ingest.numerals import read_number
from production.ingest.oddities import Oddities
from production.ingest.refusals import EventRefused
from production.ingest.rows import ReadRow, digest_of
from production.ingest.shdr import EPOCH, arrival_number
from production.ingest.table import Row

UNAVAILABLE = "UNAVAILABLE"
LEVELS = {"normal": 0, "warning": 1, "fault": 2}
LONGEST_NAME = 64


@dataclass
class ObservationReader:
    """Reads a log in its order of arrival.

    What is stamped before the log's stretch (`starts_at`) is the snapshot that an agent sends on connecting: of each
    item the last value stands at the start of the stretch, and the others are left.
    """

    spec: MappingSpec
    clock: Clock
    starts_at: dt.datetime | None = None
    oddities: Oddities = field(default_factory=Oddities)
    copies: int = 0
    left: Counter[str] = field(default_factory=Counter)
    _snapshot: dict[tuple[str, str], Row] = field(default_factory=dict)
    _opened: bool = False
    # Counters that have shown nothing yet, or nothing since contact was lost; and those that were read.
    _unread: dict[tuple[str, str], bool] = field(default_factory=dict)
    _zeros: Counter[str] = field(default_factory=Counter)
    _counted: set[str] = field(default_factory=set)
    _stamp: dt.datetime | None = None
    _seen: Counter[str] = field(default_factory=Counter)

    def read(self, row: Row) -> tuple[ReadRow, ...]:
        """What becomes of `row`, after the snapshot if the row is the first that is none; raises `EventRefused`."""
        if not row.cells:
            raise EventRefused("wrong_cell_count", "The line is not a stamp and pairs of item and value. Mend it.")
        item = self.spec.items.get(row.cells["Item"])
        if item is None:
            return (self._leave(row, row.cells["Item"]),)
        at = self.clock.read(column="Time", cell=row.cells["Time"], formats=self.spec.timestamps, warn=lambda *_: None)
        if self.starts_at is not None and at < self.starts_at:
            return self._note_snapshot(row)
        return (*self._open(), self._observe(row, item, at))

    def finish(self) -> tuple[ReadRow, ...]:
        """The snapshot, where nothing followed it; says which counters were never read."""
        rows = tuple(self._open())
        for name, times in self._zeros.items():
            if name not in self._counted:
                detail = f"It was 0 in all of {times} readings: what it should count is not recorded, and not 0."
                self.oddities.note(None, name, "not_recorded", detail)
        if self.left:
            named = ", ".join(f"{name} {times:,}" for name, times in self.left.most_common(20))
            detail = f"{self.left.total():,} observations were left, as the mapping does not take them: {named}."
            self.oddities.note(None, "Item", "left_out", detail)
        return rows

    # --- the snapshot ------------------------------------------------------------------------------

    def _note_snapshot(self, row: Row) -> tuple[ReadRow, ...]:
        if self._opened:
            return (self._leave(row, "late snapshot"),)
        key = (self._machine(row), row.cells["Item"])
        before = self._snapshot.pop(key, None)
        # Later in the file is later in arrival, whatever its stamp.
        self._snapshot[key] = row
        return (self._leave(before, "snapshot"),) if before else ()

    def _open(self) -> Iterator[ReadRow]:
        if self._opened or self.starts_at is None:
            return
        self._opened = True
        opened = (self.starts_at - EPOCH) // dt.timedelta(microseconds=1)
        for number, row in enumerate(self._snapshot.values()):
            # It arrived before all news of this log, and after the logs before it.
            placed = replace(row, sequence=arrival_number(opened, number) if row.sequence is not None else None)
            yield self._observe(placed, self.spec.items[row.cells["Item"]], self.starts_at, is_snapshot=True)

    # --- one observation ---------------------------------------------------------------------------

    def _observe(self, row: Row, item: Item, at: dt.datetime, *, is_snapshot: bool = False) -> ReadRow:
        value = row.cells["Value"]
        if item.kind != "state" and value.upper() == UNAVAILABLE:
            self._unread[self._machine(row), row.cells["Item"]] = True
            return self._leave(row, "no contact")
        fields = self._fields(row, item, value)
        if fields is None:
            return self._leave(row, "counter not read yet")
        if is_snapshot and "comment" in fields:
            fields["comment"] = f"{fields['comment']}, as when the log begins; told at {row.cells['Time']}"
        # The same value told again at the same moment is an observation of its own, as it came.
        digest = digest_of({**row.cells, "At": at.isoformat()} if is_snapshot else row.cells)
        key = f"{digest}-{self._count_copy(digest, at)}"
        event = self._event(row, event_id=f"{key}.o", at=at, **fields)
        return ReadRow(row.line, row.cells, row.raw, key, (event,))

    def _fields(self, row: Row, item: Item, value: str) -> dict[str, Any] | None:
        """What the event says; None for a counter that the source has not read yet."""
        name = (item.name or row.cells["Item"])[:LONGEST_NAME]
        if item.kind == "state":
            return self._state(row, value)
        if item.kind == "condition":
            return self._condition(row, name, value)
        number = read_number(cell=value, decimal=self.spec.decimal)
        if number is None:
            raise EventRefused("invalid_number", f"{row.cells['Item']} is {value!r}, which is not a number.")
        if item.kind == "measurement":
            return {"kind": "measurement", "name": name, "value": number, "unit": item.unit}
        if item.zero_is_unread and self._is_unread(row, number):
            return None
        return {"kind": "counter", "name": name, "value": number, "max": item.maximum}

    def _state(self, row: Row, value: str) -> dict[str, Any]:
        meant = self.spec.states.get(value)
        if meant is None:
            known = ", ".join(self.spec.states)
            raise EventRefused("unknown_state", f"{row.cells['Item']} is {value!r}; the mapping knows {known}.")
        comment = f"{row.cells['Item']}: {value}"
        return {"kind": "state", "state": meant.state, "reason": meant.reason, "comment": comment}

    def _condition(self, row: Row, name: str, value: str) -> dict[str, Any]:
        """A condition is a level under the name of its alarm: it says nothing of whether the machine stands."""
        level = LEVELS.get(value.lower())
        if level is None:
            raise EventRefused("invalid", f"{row.cells['Item']} is {value!r}; a condition is Normal, Warning or Fault.")
        alarm = " ".join(part for part in (name, row.cells.get("Code"), row.cells.get("Text")) if part)
        return {"kind": "measurement", "name": alarm[:LONGEST_NAME].strip(), "value": level, "unit": "level"}

    def _is_unread(self, row: Row, number: float) -> bool:
        key = (self._machine(row), row.cells["Item"])
        unread = self._unread.get(key, True) and number == 0
        self._unread[key] = unread
        if unread:
            self._zeros[row.cells["Item"]] += 1
        else:
            self._counted.add(row.cells["Item"])
        return unread

    def _event(self, row: Row, **fields: Any) -> MachineEvent:
        given = {name: value for name, value in fields.items() if value is not None}
        if row.sequence is not None:
            given["sequence"] = row.sequence
        return read_event({**given, "machine": self._machine(row)})

    def _machine(self, row: Row) -> str:
        column = self.spec.columns.machine
        return row.cells.get(column, "") if column else self.spec.machine or ""

    def _count_copy(self, digest: str, at: dt.datetime) -> int:
        if at != self._stamp:
            self._seen.clear()
            self._stamp = at
        self._seen[digest] += 1
        self.copies += self._seen[digest] > 1
        return self._seen[digest]

    def _leave(self, row: Row, why: str) -> ReadRow:
        self.left[why] += 1
        return ReadRow(row.line, row.cells, row.raw, left=why)


def find_opening(*, spec: MappingSpec, path: Path) -> dt.datetime | None:
    """When the log's stretch of time begins, by its file name; None where the mapping does not say how to tell.

    Raises `ImportRefused` where the name does not tell: the snapshot would pass for news.
    """
    opening = spec.opening
    if opening is None:
        return None
    found = re.search(opening.pattern, path.name)
    try:
        day = dt.datetime.strptime(found.group(1), opening.day) if found else None  # noqa: DTZ007 - UTC is set below
    except ValueError:
        day = None
    if day is None:
        raise ImportRefused(
            f"The mapping {spec.name!r} finds the day of a log in its file name, and {path.name!r} names none. "
            "Give the file the name that it had."
        )
    hours, minutes = opening.time.split(":")
    return day.replace(hour=int(hours), minute=int(minutes), tzinfo=dt.UTC)
