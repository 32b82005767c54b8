"""Coverage: from when to when a machine's time is accounted for, and how far an event's effect can reach."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db.models import F, Q, QuerySet

from mesassist.tenants.scope import current_tenant
from production.arrival import CLOCK_STEP
from production.extracts import (
    MOMENT,
    NEVER,
    Ask,
    extract_ends,
    extract_next_points,
    extract_next_readings,
    extract_speaking,
)
from production.journal import NUMBERED_BACK, STANDSTILL
from production.models import Coverage, Machine
from production.ranks import Ranks
from production.tallies import Pieces

# A machine that has been silent for longer is taken as gone: its time no longer counts as unknown.
STILL_EXPECTED = dt.timedelta(days=35)
READINGS = 2


class Covered(NamedTuple):
    """A machine's coverage, and whether the events looked at are numbered by their source."""

    coverage: Coverage
    numbered: bool


class Effect(NamedTuple):
    """What the reach is asked of: a machine's events until `after`; its time is accounted for up to `last`.

    `numbered`: their source numbers them. `paced`: the machine has ideal cycles.
    """

    machine_id: int
    after: dt.datetime
    last: dt.datetime
    numbered: bool
    paced: bool


def cover(*, asks: Sequence[Ask], now: dt.datetime) -> dict[int, Covered]:
    """Each machine's coverage (unsaved) with the events asked for taken in; none of machines without any event.

    No machine may be asked for twice.
    """
    known = {one.machine_id: one for one in Coverage.objects.filter(machine_id__in=[ask.machine_id for ask in asks])}
    fresh = new_coverages(machine_ids=[ask.machine_id for ask in asks if ask.machine_id not in known], now=now)
    # Of a fresh one all time is folded: nothing is left that a number could move it to.
    covered = {machine_id: Covered(one, numbered=False) for machine_id, one in [*known.items(), *fresh.items()]}
    grown = [ask for ask in asks if ask.machine_id in known]
    for number, first, newest, sequence in extract_ends(grown):
        coverage = known[grown[number].machine_id]
        coverage.first_event_at = min(coverage.first_event_at, first)
        coverage.newest_event_at = max(coverage.newest_event_at, newest)
        covered[coverage.machine_id] = Covered(coverage, numbered=sequence is not None)
    return covered


def new_coverages(*, machine_ids: Sequence[int], now: dt.datetime) -> dict[int, Coverage]:
    """The coverages of machines nothing of which is folded yet, from all their events; none of those without any."""
    ends = extract_ends([Ask(machine_id) for machine_id in machine_ids])
    return {
        machine_ids[number]: Coverage(
            tenant=current_tenant(),
            machine_id=machine_ids[number],
            first_event_at=first,
            newest_event_at=newest,
            folded_to=first,
            folded_at=now,
        )
        for number, first, newest, _ in ends
    }


def last_moment(*, coverage: Coverage, machine: Machine, now: dt.datetime) -> dt.datetime:
    """Up to when the machine's time is accounted for: now, unless it was retired or has gone silent for good."""
    last = min(now, coverage.newest_event_at + STILL_EXPECTED)
    return min(last, machine.retired_at) if machine.retired_at else last


def still_growing(*, now: dt.datetime) -> QuerySet[Coverage]:
    """The coverages that do not reach `now` and should."""
    not_retired = Q(machine__retired_at__isnull=True) | Q(machine__retired_at__gt=F("folded_to"))
    growing: QuerySet[Coverage] = Coverage.objects.filter(
        not_retired, newest_event_at__gte=now - STILL_EXPECTED, folded_to__lt=now
    )
    return growing


def find_reaches(*, effects: Sequence[Effect], ranks: Ranks) -> list[dt.datetime]:
    """Up to when each can change anything, at most its `last`.

    A state holds until the next report of a state by a source of its rank. A reading moves what the two next ones of
    its counter add; with ideal cycles it also tells since when the counter stands still.
    """
    afters = [one.after + CLOCK_STEP if one.numbered else one.after for one in effects]
    asks = [Ask(one.machine_id, after + MOMENT) for one, after in zip(effects, afters, strict=True)]
    ends: list[list[dt.datetime]] = [[] for _ in effects]
    for number, end in _ends_of_states(asks, ranks):
        ends[number].append(effects[number].last if end is None else end)
    later = [
        ask._replace(from_at=ask.from_at + STANDSTILL) if one.paced else ask
        for one, ask in zip(effects, asks, strict=True)
    ]
    for number, at, sequence, place in extract_next_readings(later, count=NUMBERED_BACK):
        if effects[number].numbered or place <= READINGS:
            ends[number].append(_effective(at, sequence))
    return [min(one.last, max(found, default=one.last)) for one, found in zip(effects, ends, strict=True)]


def note_records(*, coverage: Coverage, pieces: Iterable[Pieces]) -> None:
    """Remember which quantities the machine's events record at all: the others are "not recorded", never 0."""
    for made in pieces:
        if coverage.records_good and coverage.records_scrap and coverage.records_rework:
            return
        coverage.records_good |= made.good is not None
        coverage.records_scrap |= made.scrap is not None
        coverage.records_rework |= made.rework is not None


def _ends_of_states(asks: Sequence[Ask], ranks: Ranks) -> Iterable[tuple[int, dt.datetime | None]]:
    """(ask, when the state that holds where it begins ends; None: it does not) for the sources of each rank."""
    for voice in ranks.speakers():
        following = {row[0]: row[1:] for row in extract_next_points(asks, voice=voice)}
        for number, (at, sequence) in following.items():
            yield number, at + CLOCK_STEP if sequence is not None else at
        silent = [number for number in range(len(asks)) if number not in following]
        if voice.is_everybody:
            yield from ((number, None) for number in silent)
            continue
        # A rank that nobody on this machine has costs nothing.
        speaking = extract_speaking([Ask(asks[number].machine_id, to_at=NEVER) for number in silent], voice=voice)
        yield from ((silent[place], None) for place in speaking)


def _effective(at: dt.datetime, sequence: int | None) -> dt.datetime:
    """The latest at which a reading can take effect, and a moment on."""
    return at + (CLOCK_STEP if sequence is not None else dt.timedelta(seconds=1))
