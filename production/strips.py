"""Strips: each machine's states of a stretch as coloured segments, exact from events, all machines in few queries."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import Lag, Lead

from production.journal import StateEvent, reported, state_events
from production.models import Event, EventKind, Machine, Reason
from production.timeline import NEVER, Interval, Silence, build_timeline


@dataclass(frozen=True)
class Segment:
    """A state in [start, end), with the name of its reason ("" if none is known). `open`: still going on."""

    start: dt.datetime
    end: dt.datetime
    state: str
    reason: str
    open: bool = False


@dataclass(frozen=True)
class Strip:
    """One machine's segments, which cover [from_at, to_at); `label` says which part of the window this is."""

    machine_id: int
    machine_name: str
    from_at: dt.datetime
    to_at: dt.datetime
    segments: tuple[Segment, ...]
    label: str = ""


def draw_strips(
    *, machines: Sequence[Machine], from_at: dt.datetime, to_at: dt.datetime, now: dt.datetime, label: str = ""
) -> tuple[Strip, ...]:
    """A strip per machine, in their order."""
    to_at = min(to_at, now)
    ids = [machine.pk for machine in machines]
    states = _read_states(ids, from_at, to_at)
    silences = _read_silences(machines, from_at, to_at)
    reasons = dict(Reason.objects.values_list("pk", "name"))
    strips = []
    for machine in machines:
        intervals = build_timeline(
            events=states[machine.pk], silences=silences[machine.pk], from_at=from_at, to_at=to_at, now=now
        )
        segments = tuple(_segments(intervals, reasons))
        strips.append(Strip(machine.pk, machine.name, from_at, to_at, segments, label))
    return tuple(strips)


def _segments(intervals: Sequence[Interval], reasons: dict[int, str]) -> Iterator[Segment]:
    """What looks the same is one segment, whatever was made meanwhile."""
    for (state, reason_id), run in groupby(intervals, key=lambda interval: (interval.state, interval.reason_id)):
        alike = list(run)
        reason = reasons.get(reason_id, "") if reason_id else ""
        yield Segment(alike[0].start, alike[-1].end, state, reason, alike[-1].open)


def _read_states(ids: Sequence[int], from_at: dt.datetime, to_at: dt.datetime) -> dict[int, list[StateEvent]]:
    """The state events in the stretch, the intervals that reach into it, and each machine's last report before it."""
    states: QuerySet[Event] = Event.objects.filter(kind=EventKind.STATE, machine_id__in=ids)
    last = reported(Event.objects.filter(machine=OuterRef("pk"), kind=EventKind.STATE, until=None, at__lt=from_at))
    lasts = Machine.objects.filter(pk__in=ids).annotate(last=Subquery(last.order_by("-at").values("pk")[:1]))
    found: dict[int, list[StateEvent]] = defaultdict(list)
    for events in (
        states.filter(at__gte=from_at, at__lt=to_at),
        states.filter(at__lt=from_at, until__gt=from_at),
        Event.objects.filter(pk__in=lasts.values("last")),
    ):
        for machine_id, event in state_events(events):
            found[machine_id].append(event)
    return found


def _read_silences(machines: Sequence[Machine], from_at: dt.datetime, to_at: dt.datetime) -> dict[int, list[Silence]]:
    """Where each machine was out of contact: the database compares neighbours, and only gaps come back."""
    timeouts = {machine.pk: dt.timedelta(seconds=machine.contact_timeout_s) for machine in machines}
    if not timeouts:
        return {}
    # What was heard of longer ago than the longest timeout proves no contact in the stretch.
    begin = from_at - max(timeouts.values())
    silences: dict[int, list[Silence]] = {pk: [] for pk in timeouts}
    heard: set[int] = set()
    for machine_id, before, at, after in _gaps(list(timeouts), begin, to_at, min(timeouts.values())):
        heard.add(machine_id)
        timeout = timeouts[machine_id]
        if before is None:
            silences[machine_id].append(Silence(begin, at))
        elif at - before > timeout:
            silences[machine_id].append(Silence(before + timeout, at))
        if after is None:
            silences[machine_id].append(Silence(at + timeout, NEVER))
    return {pk: found if pk in heard else [Silence(begin, NEVER)] for pk, found in silences.items()}


def _gaps(ids: Sequence[int], begin: dt.datetime, to_at: dt.datetime, shortest: dt.timedelta) -> Iterable[Any]:
    """(machine, stamp before, stamp, stamp after) of each machine's first and last event and of those after a gap."""
    events = Event.objects.filter(machine_id__in=ids, kind__in=EventKind.values, at__gte=begin, at__lt=to_at)
    stamps = reported(events).annotate(
        before=Window(Lag("at"), partition_by=F("machine_id"), order_by=F("at").asc()),
        after=Window(Lead("at"), partition_by=F("machine_id"), order_by=F("at").asc()),
    )
    gaps = stamps.filter(Q(before=None) | Q(after=None) | Q(at__gt=F("before") + shortest))
    return gaps.order_by("machine_id", "at").values_list("machine_id", "before", "at", "after")
