"""Timeline: the state events of one machine become non-overlapping half-open intervals that cover the asked range.

Sources of one rank speak with one voice: each of their point states holds until the next, for as long as they are in
contact. Where voices differ the higher rank is believed, and while it is out of contact the next. What people
corrected lies over all of it.
"""

import datetime as dt
import heapq
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from production.entries import Corrected, StateEvent
from production.journal import read_journal
from production.models import Machine, State

NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)

# Below every rank that a source can have.
OUT_OF_CONTACT = -(2**15) - 1

# Where two reports of equal authority and rank overlap, the loss wins: people book a stop on purpose, while work is
# booked roughly over everything between its first and last minute and would hide the stop.
SEVERITY: dict[str, int] = {
    State.DOWN: 5,
    State.SETUP: 4,
    State.PLANNED_STOP: 3,
    State.RUNNING: 2,
    State.IDLE: 1,
    State.UNKNOWN: 0,
}


@dataclass(frozen=True, slots=True)
class Interval:
    """A machine's state in [start, end). `open`: it was still going on at `now` and counts up to it."""

    start: dt.datetime
    end: dt.datetime
    state: str
    reason_id: int | None = None
    product_id: int | None = None
    open: bool = False

    @property
    def seconds(self) -> float:
        """Length; both ends are UTC, so this is real time."""
        return (self.end - self.start).total_seconds()


class Silence(NamedTuple):
    """A stretch [start, end) without contact: what was reported before it no longer holds."""

    start: dt.datetime
    end: dt.datetime


class _Claim(NamedTuple):
    """An event's word on [start, end)."""

    start: dt.datetime
    end: dt.datetime
    event: StateEvent


def read_timeline(*, machine: Machine, from_at: dt.datetime, to_at: dt.datetime, now: dt.datetime) -> list[Interval]:
    """The machine's intervals in [from_at, min(to_at, now)), from its events."""
    journal = read_journal(machine_id=machine.pk, from_at=from_at, to_at=to_at)
    return build_timeline(
        events=journal.states,
        silences=silences_by_rank(stamps=journal.stamps, contact_timeout_s=machine.contact_timeout_s),
        corrections=journal.corrections,
        from_at=from_at,
        to_at=to_at,
        now=now,
    )


def build_timeline(
    *,
    events: Sequence[StateEvent],
    silences: Mapping[int, Sequence[Silence]],
    from_at: dt.datetime,
    to_at: dt.datetime,
    now: dt.datetime,
    corrections: Sequence[Corrected] = (),
) -> list[Interval]:
    """Intervals that cover [from_at, min(to_at, now)) exactly, without overlap; a gap is `unknown`.

    A point event holds until the next one of its rank, but not through a silence of that rank (`find_silences`).
    Of several reports the higher authority wins, then the higher rank, then intervals, then SEVERITY. Of several
    corrections the last of the sequence wins.
    """
    end = min(to_at, now)
    if end <= from_at:
        return []
    claims = [*_claims_of_points(events, silences), *_claims_of_intervals(events)]
    claims = [claim for claim in claims if claim.start < end and claim.end > from_at and claim.start < claim.end]
    reported = _merge(_paint(claims, from_at, end, cut_by_now=now <= to_at))
    return _merge(iter(_lay_over(reported, corrections))) if corrections else reported


def silences_by_rank(
    *, stamps: Mapping[int, Sequence[dt.datetime]], contact_timeout_s: float
) -> dict[int, list[Silence]]:
    """The silences of each rank's sources."""
    return {rank: find_silences(stamps=times, contact_timeout_s=contact_timeout_s) for rank, times in stamps.items()}


def find_silences(*, stamps: Sequence[dt.datetime], contact_timeout_s: float) -> list[Silence]:
    """The stretches that begin `contact_timeout_s` after a stamp and end with the next one (the last: never).

    `stamps` are the times of a machine's events of any kind, in order: each proves contact.
    """
    timeout = dt.timedelta(seconds=contact_timeout_s)
    silences = [Silence(last + timeout, back) for last, back in pairwise(stamps) if back - last > timeout]
    return [*silences, Silence(stamps[-1] + timeout, NEVER)] if stamps else []


def stretches(intervals: Sequence[Interval]) -> Iterator[list[Interval]]:
    """Neighbours of one state: a stop is one stop though its reason changes while it lasts."""
    group: list[Interval] = []
    for interval in intervals:
        if group and group[-1].state != interval.state:
            yield group
            group = []
        group.append(interval)
    if group:
        yield group


def _rank(event: StateEvent) -> tuple:
    """Higher wins. What follows the severity only makes the answer independent of the order of arrival."""
    # To have lost contact is no word about the machine: whoever has contact is believed.
    out_of_contact = event.until is None and event.state == State.UNKNOWN
    return (
        event.authority,
        OUT_OF_CONTACT if out_of_contact else event.rank,
        event.until is not None,
        SEVERITY[event.state],
        event.reason_id is not None,
        event.at,
        event.source,
        event.event_id,
    )


def _claims_of_points(events: Sequence[StateEvent], silences: Mapping[int, Sequence[Silence]]) -> Iterator[_Claim]:
    voices: dict[int, list[StateEvent]] = defaultdict(list)
    for event in events:
        if event.until is None:
            voices[event.rank].append(event)
    for rank, points in voices.items():
        yield from _claims_of_voice(points, silences.get(rank, ()))


def _claims_of_voice(points: Sequence[StateEvent], silences: Sequence[Silence]) -> Iterator[_Claim]:
    """Each point event holds until the next; an inference ends at any point event and never ends a report."""
    end = reported_end = NEVER
    claims = []
    following = None
    for event in sorted(points, key=lambda event: (event.at, _rank(event)), reverse=True):
        if event.at == following:
            continue  # a weaker report of the same moment
        claims.append(_Claim(event.at, reported_end if event.authority else end, event))
        following = end = event.at
        reported_end = event.at if event.authority else reported_end
    return _cut(reversed(claims), silences)


def _cut(claims: Iterator[_Claim], silences: Sequence[Silence]) -> Iterator[_Claim]:
    """What is left of claims (sorted by start) outside the silences (sorted)."""
    first = 0
    for claim in claims:
        start = claim.start
        while first < len(silences) and silences[first].end <= start:
            first += 1
        nearest = first
        while nearest < len(silences) and silences[nearest].start < claim.end:
            yield _Claim(start, max(start, silences[nearest].start), claim.event)
            start = silences[nearest].end
            nearest += 1
        if start < claim.end:
            yield _Claim(start, claim.end, claim.event)


def _claims_of_intervals(events: Sequence[StateEvent]) -> Iterator[_Claim]:
    return (_Claim(event.at, event.until, event) for event in events if event.until is not None)


def _paint(claims: list[_Claim], from_at: dt.datetime, to_at: dt.datetime, *, cut_by_now: bool) -> Iterator[Interval]:
    """Sweep over all edges; at each the best claim still running gives the state."""
    claims.sort(key=lambda claim: _rank(claim.event), reverse=True)
    starting = sorted(range(len(claims)), key=lambda n: claims[n].start, reverse=True)
    edges = {from_at, to_at}
    edges.update(claim.start for claim in claims if claim.start > from_at)
    edges.update(claim.end for claim in claims if claim.end < to_at)
    running: list[int] = []
    for edge, following in pairwise(sorted(edges)):
        while starting and claims[starting[-1]].start <= edge:
            heapq.heappush(running, starting.pop())
        while running and claims[running[0]].end <= edge:
            heapq.heappop(running)
        if not running:
            yield Interval(edge, following, State.UNKNOWN.value)
            continue
        claim = claims[running[0]]
        goes_on = cut_by_now and following == to_at and claim.end > to_at
        event = claim.event
        yield Interval(edge, following, event.state, event.reason_id, event.product_id, goes_on)


def _lay_over(reported: list[Interval], corrections: Sequence[Corrected]) -> list[Interval]:
    """The intervals under the corrections. What was made meanwhile stays known: nobody corrected the product."""
    for correction in corrections:
        first = bisect_right(reported, correction.from_at, key=lambda interval: interval.end)
        last = bisect_left(reported, correction.to_at, key=lambda interval: interval.start)
        reported[first:last] = [part for interval in reported[first:last] for part in _correct(interval, correction)]
    return reported


def _correct(interval: Interval, correction: Corrected) -> Iterator[Interval]:
    """The interval, which the correction touches, cut where the correction begins and ends."""
    if interval.start < correction.from_at:
        yield replace(interval, end=correction.from_at, open=False)
    start, end = max(interval.start, correction.from_at), min(interval.end, correction.to_at)
    yield Interval(start, end, correction.state, correction.reason_id, interval.product_id)
    if correction.to_at < interval.end:
        yield replace(interval, start=correction.to_at)


def _merge(intervals: Iterator[Interval]) -> list[Interval]:
    """Join neighbours that say the same."""
    merged: list[Interval] = []
    for new in intervals:
        last = merged[-1] if merged else None
        if last and (last.state, last.reason_id, last.product_id) == (new.state, new.reason_id, new.product_id):
            merged[-1] = Interval(last.start, new.end, new.state, new.reason_id, new.product_id, new.open)
        else:
            merged.append(new)
    return merged
