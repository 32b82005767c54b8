"""Arrival: where a source numbers what it saw, that order beats its clock, for as long as a clock may be wrong.

An observation takes effect no earlier than what its source saw before it: a step back in time counts as 0. A step of
more than `CLOCK_STEP` is no clock's: that is late data, taken in by its stamp like everybody else's. So what an
event means never depends on events that lie further away, nor on when we heard of it. States wait for states,
readings for both. Counts, measurements and reported intervals keep their stamps: nothing depends on their order.
"""

import datetime as dt
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from production.entries import CounterReading, Journal, Lost, StateEvent
from production.models import State

# As far ahead of ours as a source's clock may be (DOMAIN.md 3).
CLOCK_STEP = dt.timedelta(minutes=5)

Entry = StateEvent | CounterReading


class Settled(NamedTuple):
    """When an observation takes effect, and whether it is late data that says nothing new.

    Among states it takes effect at `at`, among all that the source told at `heard`.
    """

    at: dt.datetime
    heard: dt.datetime
    late: bool


def settle_arrival(journal: Journal) -> None:
    """Put the journal's point states and readings to the time when they take effect.

    Of one source's numbered states of one moment the last remains. A lower reading of a counter that is stamped
    before a higher one which was seen earlier is late data, not a reset, and is left out.
    """
    settled = _settle_sources([*journal.states, *journal.readings])
    known = {(one.source, one.sequence, one.at) for one in settled if isinstance(one, StateEvent)}
    lost = [one for one in journal.lost if (one.source, one.sequence, one.at) not in known]
    states: list[StateEvent] = []
    last: dict[tuple[str, dt.datetime], StateEvent] = {}
    for state in journal.states:
        if state not in settled:
            states.append(state)
            continue
        moved = state._replace(at=settled[state].at)
        if moved.state == State.UNKNOWN:
            lost.append(Lost(settled[state].heard, moved.source, moved.sequence, moved.rank))
        key = (moved.source, moved.at)
        last[key] = max(last.get(key, moved), moved, key=_place_in_line)
    journal.states = sorted([*states, *last.values()], key=_at)
    journal.readings = [
        reading._replace(at=settled[reading].heard, stamped=reading.at) if reading in settled else reading
        for reading in journal.readings
        if reading not in settled or not settled[reading].late
    ]
    journal.lost = sorted(lost, key=_at)


def _settle_sources(seen: Iterable[Entry]) -> dict[Entry, Settled]:
    """When each numbered entry takes effect."""
    numbered: dict[str, list[Entry]] = defaultdict(list)
    for one in seen:
        if one.sequence is not None and (isinstance(one, CounterReading) or one.until is None):
            numbered[one.source].append(one)
    settled: dict[Entry, Settled] = {}
    for entries in numbered.values():
        settled.update(_settle_source(sorted(entries, key=lambda one: (one.at, _number(one)))))
    return settled


def _settle_source(entries: Sequence[Entry]) -> Iterable[tuple[Entry, Settled]]:
    """The same for one source; `entries` by stamp."""
    stamps = [one.at for one in entries]
    lowest_after = None
    for place in reversed(range(len(entries))):
        one = entries[place]
        # Steps back are rare: with no lower number after this one there is nothing to look for.
        if lowest_after is not None and lowest_after < _number(one):
            end = bisect_right(stamps, one.at + CLOCK_STEP)
            yield one, _settle(one, entries[place + 1 : end])
        else:
            yield one, Settled(one.at, one.at, late=False)
        lowest_after = _number(one) if lowest_after is None else min(lowest_after, _number(one))


def _settle(one: Entry, later: Sequence[Entry]) -> Settled:
    """`later` are those stamped at the same time or up to a clock's step later."""
    at = heard = one.at
    late = False
    for other in later:
        if _number(other) < _number(one) and other.at > one.at:
            heard = max(heard, other.at)
            at = at if isinstance(other, CounterReading) else max(at, other.at)
            late |= _is_higher(other, one)
    return Settled(at, heard, late)


def _is_higher(other: Entry, one: Entry) -> bool:
    """Whether both are readings of one counter and the other is the higher one."""
    if not isinstance(one, CounterReading) or not isinstance(other, CounterReading):
        return False
    return other.name == one.name and other.value > one.value


def _number(one: Entry) -> int:
    return one.sequence or 0


def _at(one: StateEvent | Lost) -> dt.datetime:
    return one.at


def _place_in_line(state: StateEvent) -> tuple[int, str]:
    return _number(state), state.event_id
