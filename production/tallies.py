"""Tallies: count events and counter readings of one machine become pieces made at a time, with their product."""

import datetime as dt
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from production.journal import CounterReading, Journal
from production.timeline import Interval, Silence

# What a counter may be called; any other counter counts something that is not pieces.
QUANTITY = {"parts": "good", "good": "good", "scrap": "scrap", "rework": "rework"}
# A fall from above this share of the maximum is a roll-over, from below it a reset.
NEAR_MAXIMUM = 0.9


class Pieces(NamedTuple):
    """Pieces made at a moment; None is "not recorded"."""

    at: dt.datetime
    product_id: int | None
    good: float | None = None
    scrap: float | None = None
    rework: float | None = None


def tally_pieces(*, journal: Journal, intervals: Sequence[Interval], silences: Sequence[Silence]) -> list[Pieces]:
    """All pieces of the journal in the order of time.

    A piece's product is its event's own, else that of the state in force at the time (`intervals`).
    """
    made = [Pieces(*count) for count in journal.counts]
    if journal.readings:
        made = sorted([*made, *_counted(journal, silences)], key=lambda pieces: pieces.at)
    return list(_with_products(made, intervals))


def counter_deltas(
    *, readings: Sequence[CounterReading], silences: Sequence[Silence], lost: Sequence[dt.datetime]
) -> Iterator[tuple[CounterReading, float]]:
    """Each reading of one counter with what it added since the reading before it in event time.

    The first reading, and the first after lost contact, is a baseline and adds 0. A fall is a roll-over when
    the last value was near the maximum, else a reset that counted up from 0.
    """
    ordered = sorted(readings, key=lambda reading: (reading.at, reading.event_id))
    if ordered:
        yield ordered[0], 0.0
    for last, this in pairwise(ordered):
        if _contact_lost(last.at, this.at, silences, lost):
            yield this, 0.0
        elif this.value >= last.value:
            yield this, this.value - last.value
        elif last.maximum and last.value >= NEAR_MAXIMUM * last.maximum:
            yield this, last.maximum - last.value + this.value
        else:
            yield this, this.value


def _counted(journal: Journal, silences: Sequence[Silence]) -> Iterator[Pieces]:
    counters: dict[tuple[str, str], list[CounterReading]] = defaultdict(list)
    for reading in journal.readings:
        if reading.name in QUANTITY:
            counters[reading.source, reading.name].append(reading)
    for (_source, name), readings in counters.items():
        for reading, delta in counter_deltas(readings=readings, silences=silences, lost=journal.lost):
            quantity: dict[str, Any] = {QUANTITY[name]: delta}
            yield Pieces(reading.at, reading.product_id, **quantity)


def _contact_lost(
    last: dt.datetime, this: dt.datetime, silences: Sequence[Silence], lost: Sequence[dt.datetime]
) -> bool:
    """Whether the machine was out of contact between two readings, by its own word or by its silence."""
    if bisect_right(lost, last) < bisect_right(lost, this):
        return True
    return any(silence.start < this and silence.end > last for silence in silences)


def _with_products(made: Sequence[Pieces], intervals: Sequence[Interval]) -> Iterator[Pieces]:
    """Fill in the product of the state in force at the time, where the event names none."""
    starts = [interval.start for interval in intervals]
    for pieces in made:
        if pieces.product_id is not None or not starts:
            yield pieces
            continue
        running = intervals[max(0, bisect_right(starts, pieces.at) - 1)]
        yield pieces._replace(product_id=running.product_id) if running.product_id else pieces
