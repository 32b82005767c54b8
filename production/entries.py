"""Entries: what a journal is made of, and whose word each entry is."""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

MANUAL = "manual"
INFERENCE = "inference"
MACHINE_AUTHORITY = 1


class StateEvent(NamedTuple):
    """A reported state. Without `until` it is a point event and holds until the next one of its source's rank."""

    at: dt.datetime
    until: dt.datetime | None
    state: str
    reason_id: int | None = None
    product_id: int | None = None
    source: str = ""
    event_id: str = ""
    sequence: int | None = None
    rank: int = 0

    @property
    def authority(self) -> int:
        """Whose word counts: a manual report beats the machine, the machine beats an inference (DOMAIN.md 2)."""
        return {MANUAL: 2, INFERENCE: 0}.get(self.source.partition(":")[0], MACHINE_AUTHORITY)


class CountEvent(NamedTuple):
    """Pieces reported as deltas; None is "not recorded"."""

    at: dt.datetime
    product_id: int | None
    good: float | None
    scrap: float | None
    rework: float | None


class CounterReading(NamedTuple):
    """An absolute counter value; `maximum` is where the counter rolls over, if the source says so.

    `at` is when it takes effect, `stamped` what its source's clock said where that differs (`arrival`).
    """

    at: dt.datetime
    source: str
    event_id: str
    product_id: int | None
    name: str
    value: float
    maximum: float | None
    sequence: int | None = None
    rank: int = 0
    stamped: dt.datetime | None = None

    @property
    def stamp(self) -> dt.datetime:
        """What the source's clock said."""
        return self.stamped or self.at


class Lost(NamedTuple):
    """A source's own word that the contact is gone."""

    at: dt.datetime
    source: str
    sequence: int | None
    rank: int


class Corrected(NamedTuple):
    """A person's word on [from_at, to_at), over whatever was reported."""

    from_at: dt.datetime
    to_at: dt.datetime
    state: str
    reason_id: int | None


@dataclass
class Journal:
    """What matters for a stretch, each list in event-time order.

    `stamps` are the times at which the sources of each rank were heard of (events of any kind). `corrections` are in
    the order in which they were made. `trusted` are the (source, event id) of readings that somebody has vouched for.
    """

    states: list[StateEvent] = field(default_factory=list)
    counts: list[CountEvent] = field(default_factory=list)
    readings: list[CounterReading] = field(default_factory=list)
    stamps: dict[int, list[dt.datetime]] = field(default_factory=lambda: defaultdict(list))
    lost: list[Lost] = field(default_factory=list)
    corrections: list[Corrected] = field(default_factory=list)
    trusted: set[tuple[str, str]] = field(default_factory=set)
    numbered: bool = False
