"""Coverage: from when to when a machine's time is accounted for, and how far an event's effect can reach."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.db.models import F, Max, Min, Q, QuerySet, Window
from django.db.models.functions import Coalesce, Greatest, RowNumber

from mesassist.tenants.scope import current_tenant
from production.arrival import CLOCK_STEP
from production.journal import NUMBERED_BACK, STANDSTILL, events_of, point_states
from production.models import Coverage, Event, EventKind, Machine
from production.ranks import Ranks
from production.tallies import Pieces

# A machine that has been silent for longer is taken as gone: its time no longer counts as unknown.
STILL_EXPECTED = dt.timedelta(days=35)


class Covered(NamedTuple):
    """A machine's coverage, and whether the events looked at are numbered by their source."""

    coverage: Coverage
    numbered: bool


def cover(*, machine: Machine, from_at: dt.datetime, to_at: dt.datetime, now: dt.datetime) -> Covered | None:
    """The machine's coverage (unsaved) with the events of [from_at, to_at] taken in; None while it has no event."""
    coverage: Coverage | None = Coverage.objects.filter(machine=machine).first()
    if coverage is None:
        fresh = new_coverage(machine=machine, now=now)
        # All of its time is folded: nothing is left that a number could move it to.
        return Covered(fresh, numbered=False) if fresh else None
    first, newest, numbered = _ends(events_of(machine.pk).filter(at__gte=from_at, at__lte=to_at))
    if first is not None and newest is not None:
        coverage.first_event_at = min(coverage.first_event_at, first)
        coverage.newest_event_at = max(coverage.newest_event_at, newest)
    return Covered(coverage, numbered=numbered)


def new_coverage(*, machine: Machine, now: dt.datetime) -> Coverage | None:
    """The coverage of a machine nothing of which is folded yet, from all its events; None while it has none."""
    first, newest, _ = _ends(events_of(machine.pk))
    if first is None or newest is None:
        return None
    return Coverage(
        tenant=current_tenant(),
        machine=machine,
        first_event_at=first,
        newest_event_at=newest,
        folded_to=first,
        folded_at=now,
    )


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


def reach_of(
    *, machine: Machine, after: dt.datetime, last: dt.datetime, ranks: Ranks, numbered: bool, paced: bool
) -> dt.datetime:
    """Up to when events until `after` can change anything, at most `last`.

    A state holds until the next report of a state by a source of its rank. A reading moves what the two next ones of
    its counter add; with ideal cycles (`paced`) it also tells since when the counter stands still.
    """
    if numbered:
        after += CLOCK_STEP
    ends = [end for _, voice in ranks.voices() for end in _ends_of_states(machine, voice, after, last)]
    readings = Event.objects.filter(
        machine=machine, kind=EventKind.COUNTER, at__gt=after + STANDSTILL if paced else after
    )
    place = Window(RowNumber(), partition_by=[F("source"), F("name")], order_by="at")
    nexts = readings.annotate(place=place).filter(place__lte=NUMBERED_BACK if numbered else 2)
    ends += [_effective(at, sequence) for at, sequence in nexts.values_list("at", "sequence")]
    return min(last, max(ends, default=last))


def _ends_of_states(machine: Machine, voice: Q, after: dt.datetime, last: dt.datetime) -> Iterator[dt.datetime]:
    """When the state that holds at `after` ends, for the sources of one rank."""
    points = point_states(machine.pk).filter(voice)
    following = points.filter(at__gt=after).order_by("at").values_list("at", "sequence").first()
    if following:
        yield following[0] + CLOCK_STEP if following[1] is not None else following[0]
    # A rank that nobody on this machine has costs nothing.
    elif not voice or points.exists():
        yield last


def _effective(at: dt.datetime, sequence: int | None) -> dt.datetime:
    """The latest at which a reading can take effect, and a moment on."""
    return at + (CLOCK_STEP if sequence is not None else dt.timedelta(seconds=1))


def note_records(*, coverage: Coverage, pieces: Iterable[Pieces]) -> None:
    """Remember which quantities the machine's events record at all: the others are "not recorded", never 0."""
    for made in pieces:
        if coverage.records_good and coverage.records_scrap and coverage.records_rework:
            return
        coverage.records_good |= made.good is not None
        coverage.records_scrap |= made.scrap is not None
        coverage.records_rework |= made.rework is not None


def _ends(events: QuerySet[Event]) -> tuple[dt.datetime | None, dt.datetime | None, bool]:
    ends = events.aggregate(
        first=Min("at"), newest=Max(Greatest("at", Coalesce("until", "at"))), numbered=Max("sequence")
    )
    return ends["first"], ends["newest"], ends["numbered"] is not None
