"""Strips: each machine's states of a stretch as coloured segments, exact from events, all machines in few queries."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import Coalesce, Lag, Lead

from production.arrival import CLOCK_STEP, settle_arrival
from production.entries import Journal, StateEvent
from production.journal import effective_state, read_corrections, reported
from production.models import Event, EventKind, Machine, Reason
from production.ranks import Ranks, read_ranks
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
    ranks = read_ranks()
    states = _read_states(ids, from_at, to_at, ranks)
    silences = _read_silences(machines, from_at, to_at, ranks)
    corrections = read_corrections(machine_ids=ids, from_at=from_at, to_at=to_at)
    reasons = dict(Reason.objects.values_list("pk", "name"))
    strips = []
    for machine in machines:
        intervals = build_timeline(
            events=states[machine.pk],
            silences=silences[machine.pk],
            corrections=corrections[machine.pk],
            from_at=from_at,
            to_at=to_at,
            now=now,
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


def _read_states(
    ids: Sequence[int], from_at: dt.datetime, to_at: dt.datetime, ranks: Ranks
) -> dict[int, list[StateEvent]]:
    """The state events in the stretch, the intervals that reach into it, and each machine's last reports before it."""
    states: QuerySet[Event] = Event.objects.filter(kind=EventKind.STATE, machine_id__in=ids)
    # What is numbered may take effect a little later than it is stamped.
    begin, end = from_at - CLOCK_STEP, to_at + CLOCK_STEP
    in_force = Q(machine_id__in=[])
    for _, voice in ranks.voices():
        for machine_id, at in _last_reports(ids, begin, voice):
            in_force |= voice & Q(machine_id=machine_id, at__gte=at - CLOCK_STEP, at__lt=begin)
    journals: dict[int, Journal] = defaultdict(Journal)
    for events in (
        states.filter(in_force, until=None),
        states.filter(at__lt=begin, until__gt=from_at),
        states.filter(at__gte=begin, at__lt=end),
    ):
        for machine_id, event in _state_events(events, ranks):
            journals[machine_id].states.append(event)
    for journal in journals.values():
        if any(event.sequence is not None for event in journal.states):
            settle_arrival(journal)
    return defaultdict(list, {machine_id: journal.states for machine_id, journal in journals.items()})


def _last_reports(ids: Sequence[int], before: dt.datetime, voice: Q) -> QuerySet[Machine, tuple[int, dt.datetime]]:
    """(machine, when a source of that rank last told a state)."""
    told = Event.objects.filter(voice, machine=OuterRef("pk"), kind=EventKind.STATE, until=None, at__lt=before)
    last = reported(told).order_by("-at").values("at")[:1]
    lasts = Machine.objects.filter(pk__in=ids).annotate(last=Subquery(last)).exclude(last=None)
    return lasts.values_list("pk", "last")


def _state_events(events: QuerySet[Event], ranks: Ranks) -> Iterator[tuple[int, StateEvent]]:
    """State events of any machines as (machine id, event)."""
    rows = events.annotate(made=Coalesce("product_id", "order__product_id")).values_list(
        *("machine_id", "at", "until", "state", "reason__loss_class"),
        *("reason_id", "made", "source", "event_id", "sequence"),
    )
    for machine_id, at, until, state, loss_class, reason_id, product_id, source, event_id, sequence in rows:
        meant, rank = effective_state(state, loss_class), ranks.of(source)
        yield machine_id, StateEvent(at, until, meant, reason_id, product_id, source, event_id, sequence, rank)


def _read_silences(
    machines: Sequence[Machine], from_at: dt.datetime, to_at: dt.datetime, ranks: Ranks
) -> dict[int, dict[int, list[Silence]]]:
    """Where each machine's sources of each rank were out of contact."""
    silences: dict[int, dict[int, list[Silence]]] = defaultdict(dict)
    for rank, voice in ranks.voices():
        for machine_id, found in _silences_of_voice(machines, from_at, to_at, voice).items():
            silences[machine_id][rank] = found
    return silences


def _silences_of_voice(
    machines: Sequence[Machine], from_at: dt.datetime, to_at: dt.datetime, voice: Q
) -> dict[int, list[Silence]]:
    """The same for one rank: the database compares neighbours, and only gaps come back."""
    timeouts = {machine.pk: dt.timedelta(seconds=machine.contact_timeout_s) for machine in machines}
    if not timeouts:
        return {}
    # What was heard of longer ago than the longest timeout proves no contact in the stretch.
    begin = from_at - max(timeouts.values())
    silences: dict[int, list[Silence]] = {pk: [] for pk in timeouts}
    heard: set[int] = set()
    for machine_id, before, at, after in _gaps(list(timeouts), begin, to_at, min(timeouts.values()), voice):
        heard.add(machine_id)
        timeout = timeouts[machine_id]
        if before is None:
            silences[machine_id].append(Silence(begin, at))
        elif at - before > timeout:
            silences[machine_id].append(Silence(before + timeout, at))
        if after is None:
            silences[machine_id].append(Silence(at + timeout, NEVER))
    return {pk: found if pk in heard else [Silence(begin, NEVER)] for pk, found in silences.items()}


def _gaps(
    ids: Sequence[int], begin: dt.datetime, to_at: dt.datetime, shortest: dt.timedelta, voice: Q
) -> Iterable[Any]:
    """(machine, stamp before, stamp, stamp after) of each machine's first and last event and of those after a gap."""
    events = Event.objects.filter(machine_id__in=ids, kind__in=EventKind.values, at__gte=begin, at__lt=to_at).filter(
        voice
    )
    stamps = reported(events).annotate(
        before=Window(Lag("at"), partition_by=F("machine_id"), order_by=F("at").asc()),
        after=Window(Lead("at"), partition_by=F("machine_id"), order_by=F("at").asc()),
    )
    gaps = stamps.filter(Q(before=None) | Q(after=None) | Q(at__gt=F("before") + shortest))
    return gaps.order_by("machine_id", "at").values_list("machine_id", "before", "at", "after")
