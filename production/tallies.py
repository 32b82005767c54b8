"""Tallies: count events and counter readings of one machine become pieces made at a time, with their product.

A counter that rose faster than its machine can produce is not believed: its pieces do not count until somebody
trusts the reading. Whether it is believed depends on the readings around it alone, so it is the same whenever asked.
"""

import datetime as dt
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from production.entries import CounterReading, Journal, Lost
from production.journal import STANDSTILL
from production.timeline import Interval, Silence

# What a counter may be called (up to its first dot), and what a piece of it is; others do not count pieces. PackML and
# Sparkplug count every piece as processed and the bad ones of them as defective.
QUANTITIES: dict[str, dict[str, float]] = {
    "parts": {"good": 1},
    "good": {"good": 1},
    "scrap": {"scrap": 1},
    "rework": {"rework": 1},
    "processed": {"good": 1},
    "defective": {"good": -1, "scrap": 1},
}
# A fall from above this share of the maximum is a roll-over, from below it a reset.
NEAR_MAXIMUM = 0.9


class Pieces(NamedTuple):
    """Pieces made at a moment; None is "not recorded"."""

    at: dt.datetime
    product_id: int | None
    good: float | None = None
    scrap: float | None = None
    rework: float | None = None


class Step(NamedTuple):
    """What a reading adds to the one before it, and the `most` it can; None: nothing says how much it can."""

    reading: CounterReading
    delta: float
    most: float | None = None

    @property
    def plausible(self) -> bool:
        """Whether the machine can have made that many."""
        return self.most is None or self.delta <= self.most


@dataclass
class Tally:
    """The pieces in the order of time, and the readings that are not plausible (None: no counter was read)."""

    pieces: list[Pieces] = field(default_factory=list)
    implausible: list[Step] | None = None


class Pace(NamedTuple):
    """How fast a machine can produce: ideal cycles (s per piece) by product, and what may be above that."""

    cycles: Mapping[int | None, float]
    factor: float

    def most(self, product_id: int | None, seconds: float) -> float | None:
        """Pieces that can be made in that time, with the one that was under way when it began.

        Of a product that the reading does not name, as many as of the machine's fastest.
        """
        if not self.cycles:
            return None
        cycle = (product_id and self.cycles.get(product_id)) or min(self.cycles.values())
        return self.factor * (max(0.0, seconds) / cycle + 1)


def tally_pieces(
    *, journal: Journal, intervals: Sequence[Interval], silences: Mapping[int, Sequence[Silence]], pace: Pace
) -> Tally:
    """All pieces of the journal, each with its event's own product or else that of the state in force (`intervals`)."""
    made = [Pieces(*count) for count in journal.counts]
    tally = Tally(made)
    if journal.readings:
        tally.implausible = []
        for step in _steps(journal, silences, pace):
            trusted = (step.reading.source, step.reading.event_id) in journal.trusted
            if not step.plausible:
                tally.implausible.append(step)
            made.append(_pieces_of(step.reading, step.delta if step.plausible or trusted else 0.0))
        made.sort(key=attrgetter("at"))
    tally.pieces = list(_with_products(made, intervals))
    return tally


def counter_steps(
    *,
    readings: Sequence[CounterReading],
    in_contact: Callable[[CounterReading, CounterReading], bool],
    pace: Pace,
    trusted: Container[tuple[str, str]] = frozenset(),
) -> Iterator[Step]:
    """What each reading of one counter (in order) adds to the one before it.

    The first reading, and the first after lost contact, is a baseline and adds 0. A fall is a roll-over when the last
    value was near the maximum, else a reset that counted up from 0. Where nobody can believe how a reading follows on
    the last one, but it goes on from the one before that, the last one was a spike or a dip and is passed over;
    otherwise the counter goes on from the reading, whose own pieces do not count.
    """
    last: CounterReading | None = None
    second: CounterReading | None = None  # the one before, if in contact since
    doubted = False  # whether the last one may be passed over
    still: dt.datetime | None = None  # since when the counter has had its value
    for this in readings:
        if last is None or not in_contact(last, this):
            second, doubted = None, False
            yield Step(this, 0.0)
        else:
            vouched = (this.source, this.event_id) in trusted
            step = Step(this, _difference(last, this), pace.most(this.product_id, _seconds(last, this, still)))
            onward = _pass_over(second, this, pace) if doubted and second and not vouched else None
            goes_on = this.value >= last.value and step.plausible
            yield onward if onward and not goes_on else step
            second = last
            doubted = not vouched and (this.value < last.value or not step.plausible)
        if last is None or last.value != this.value:
            still = this.stamp
        last = this


def _pass_over(second: CounterReading, this: CounterReading, pace: Pace) -> Step | None:
    """The reading as what follows the last but one; None where it does not follow from that."""
    step = Step(this, this.value - second.value, pace.most(this.product_id, _seconds(second, this, second.stamp)))
    return step if step.delta >= 0 and step.most is not None and step.plausible else None


def _difference(last: CounterReading, this: CounterReading) -> float:
    if this.value >= last.value:
        return this.value - last.value
    if last.maximum and last.value >= NEAR_MAXIMUM * last.maximum:
        return last.maximum - last.value + this.value
    return this.value


def _seconds(last: CounterReading, this: CounterReading, still: dt.datetime | None) -> float:
    """The time in which the difference can have been made.

    A counter that is read often and moves in leaps (cavities, pallets) has been at it since it moved last.
    """
    begun = max(still or last.stamp, this.stamp - STANDSTILL)
    return (this.stamp - min(begun, last.stamp)).total_seconds()


def _steps(journal: Journal, silences: Mapping[int, Sequence[Silence]], pace: Pace) -> Iterator[Step]:
    counters: dict[tuple[str, str], list[CounterReading]] = defaultdict(list)
    for reading in journal.readings:
        if quantity_of(reading.name):
            counters[reading.source, reading.name].append(reading)

    for (source, _name), readings in counters.items():
        rank = readings[0].rank
        contact = _Contact(source, [one for one in journal.lost if one.rank == rank], silences.get(rank, ()))
        readings.sort(key=_place_in_line)
        yield from counter_steps(readings=readings, in_contact=contact.held, pace=pace, trusted=journal.trusted)


def quantity_of(name: str) -> Mapping[str, float]:
    """The quantities that a piece of the counter adds to; `parts.2` is one more counter of parts."""
    return QUANTITIES.get(name.partition(".")[0], {})


def _pieces_of(reading: CounterReading, delta: float) -> Pieces:
    quantities = {quantity: sign * delta for quantity, sign in quantity_of(reading.name).items()}
    return Pieces(reading.at, reading.product_id, **quantities)


def _place_in_line(reading: CounterReading) -> tuple[dt.datetime, int, str]:
    return reading.at, _number(reading), reading.event_id


def _number(entry: CounterReading | Lost) -> int:
    return -1 if entry.sequence is None else entry.sequence


class _Contact:
    """Whether a source was in contact between two of its readings: by its own word, and not silent."""

    def __init__(self, source: str, lost: Sequence[Lost], silences: Sequence[Silence]) -> None:
        # The numbers of different sources cannot be compared: another's word of the same moment comes first.
        self.lost = sorted((one.at, _number(one) if one.source == source else -1) for one in lost)
        self.silences = silences
        self.ends = [silence.end for silence in silences]

    def held(self, last: CounterReading, this: CounterReading) -> bool:
        before = bisect_right(self.lost, (last.at, _number(last)))
        if before < bisect_right(self.lost, (this.at, _number(this))):
            return False
        nearest = bisect_right(self.ends, last.at)
        return nearest == len(self.ends) or self.silences[nearest].start >= this.at


def _product_at(intervals: Sequence[Interval]) -> Callable[[dt.datetime], int | None]:
    """The product of the state in force at a time."""
    starts = [interval.start for interval in intervals]

    def product_at(at: dt.datetime) -> int | None:
        return intervals[max(0, bisect_right(starts, at) - 1)].product_id if intervals else None

    return product_at


def _with_products(made: Sequence[Pieces], intervals: Sequence[Interval]) -> Iterator[Pieces]:
    """Fill in the product of the state in force at the time, where the event names none."""
    product_at = _product_at(intervals)
    for pieces in made:
        if pieces.product_id is None and (product_id := product_at(pieces.at)):
            yield pieces._replace(product_id=product_id)
        else:
            yield pieces
