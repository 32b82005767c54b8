"""Coverage: from when to when a machine's time is accounted for, and how far an event's effect can reach."""

import datetime as dt
from collections.abc import Iterable

from django.db.models import F, Max, Min, Q, QuerySet
from django.db.models.functions import Coalesce, Greatest

from mesassist.tenants.scope import current_tenant
from production.journal import events_of, point_states
from production.models import Coverage, Event, EventKind, Machine
from production.tallies import Pieces

# A machine that has been silent for longer is taken as gone: its time no longer counts as unknown.
STILL_EXPECTED = dt.timedelta(days=35)


def cover(*, machine: Machine, from_at: dt.datetime, to_at: dt.datetime, now: dt.datetime) -> Coverage | None:
    """The machine's coverage (unsaved) with the events of [from_at, to_at] taken in; None while it has no event."""
    coverage: Coverage | None = Coverage.objects.filter(machine=machine).first()
    if coverage is None:
        return new_coverage(machine=machine, now=now)
    first, newest = _ends(events_of(machine.pk).filter(at__gte=from_at, at__lte=to_at))
    if first is not None and newest is not None:
        coverage.first_event_at = min(coverage.first_event_at, first)
        coverage.newest_event_at = max(coverage.newest_event_at, newest)
    return coverage


def new_coverage(*, machine: Machine, now: dt.datetime) -> Coverage | None:
    """The coverage of a machine nothing of which is folded yet, from all its events; None while it has none."""
    first, newest = _ends(events_of(machine.pk))
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


def reach_of(*, machine: Machine, after: dt.datetime, last: dt.datetime) -> dt.datetime:
    """Up to when events until `after` can change anything, at most `last`.

    A state holds until the next report of a state; a reading moves what each counter's next one has added.
    """
    following = point_states(machine.pk).filter(at__gt=after).order_by("at").values_list("at", flat=True).first()
    readings = Event.objects.filter(machine=machine, kind=EventKind.COUNTER, at__gt=after)
    nexts = readings.order_by("source", "name", "at").distinct("source", "name").values_list("at", flat=True)
    return min(last, max([following or last, *(at + dt.timedelta(seconds=1) for at in nexts)]))


def note_records(*, coverage: Coverage, pieces: Iterable[Pieces]) -> None:
    """Remember which quantities the machine's events record at all: the others are "not recorded", never 0."""
    for made in pieces:
        if coverage.records_good and coverage.records_scrap and coverage.records_rework:
            return
        coverage.records_good |= made.good is not None
        coverage.records_scrap |= made.scrap is not None
        coverage.records_rework |= made.rework is not None


def _ends(events: QuerySet[Event]) -> tuple[dt.datetime | None, dt.datetime | None]:
    ends = events.aggregate(first=Min("at"), newest=Max(Greatest("at", Coalesce("until", "at"))))
    return ends["first"], ends["newest"]
