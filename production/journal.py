"""Journal: what one machine's events say about a stretch of time, read in a few queries, in event-time order.

A stretch cannot be understood from its own events alone: a state that began earlier is still in force, a job
report may have begun before, a counter needs its last reading. `read_journal` brings exactly those along.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import BigIntegerField, F, Func, QuerySet
from django.db.models.functions import Coalesce, Collate

from production.arrival import CLOCK_STEP, settle_arrival
from production.entries import INFERENCE, Corrected, CounterReading, CountEvent, Journal, Lost, StateEvent
from production.models import Correction, Event, EventKind, Implausible, LossClass, State
from production.ranks import Ranks, read_ranks

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
COLUMNS = (
    *("kind", "micros", "until", "state", "reason_id", "reason__loss_class", "source", "sequence", "event_id", "made"),
    *("good", "scrap", "rework", "name", "value", "maximum"),
)
# Ids are compared byte by byte, as Python does, whatever the database's locale.
LATEST_FIRST = ("-at", F("sequence").desc(nulls_last=True), Collate("event_id", "C").desc())
# How far back it matters since when a counter has stood still (`tallies`).
STANDSTILL = dt.timedelta(minutes=15)
# Readings to look back over where late ones among them may turn out to say nothing.
NUMBERED_BACK = 4


class Micros(Func):
    """A time as whole microseconds since 1970: read in half the time that a text with a zone takes."""

    template = "(extract(epoch FROM %(expressions)s) * 1000000)::bigint"
    output_field = BigIntegerField()


def read_journal(*, machine_id: int, from_at: dt.datetime, to_at: dt.datetime, ranks: Ranks | None = None) -> Journal:
    """What is known of [from_at, to_at): its events, those before it that reach into it, corrections; active tenant.

    `ranks` are the tenant's, if they were read before.
    """
    ranks = ranks or read_ranks()
    begin = from_at
    journal = _read(events_of(machine_id).filter(at__gte=from_at, at__lt=to_at), ranks)
    earlier = _states_before(machine_id, from_at, ranks)
    if journal.numbered or earlier.numbered:
        begin, journal = _widen(journal, machine_id, from_at, to_at, ranks)
        earlier = _states_before(machine_id, begin, ranks, margin=CLOCK_STEP)
    journal.states = earlier.states + journal.states
    for rank, stamp in _last_stamps(machine_id, begin, ranks):
        journal.stamps[rank].insert(0, stamp)
    if journal.readings:
        _bring_last_readings(journal, machine_id, begin, ranks)
        journal.trusted = _trusted(machine_id, journal.readings)
    if journal.numbered or earlier.numbered:
        settle_arrival(journal)
    journal.corrections = read_corrections(machine_ids=[machine_id], from_at=from_at, to_at=to_at)[machine_id]
    return journal


def read_corrections(
    *, machine_ids: Sequence[int], from_at: dt.datetime, to_at: dt.datetime
) -> dict[int, list[Corrected]]:
    """Each machine's corrections that reach into [from_at, to_at) and are not undone, in the order of their making."""
    found: dict[int, list[Corrected]] = defaultdict(list)
    made = Correction.objects.filter(
        machine_id__in=machine_ids, from_at__lt=to_at, to_at__gt=from_at, undone_at__isnull=True
    )
    columns = ("machine_id", "from_at", "to_at", "state", "reason_id", "reason__loss_class")
    rows = made.order_by("made_at", "pk").values_list(*columns)
    for machine_id, begun, ended, state, reason_id, loss_class in rows:
        found[machine_id].append(Corrected(begun, ended, effective_state(state, loss_class), reason_id))
    return found


def events_of(machine_id: int) -> QuerySet[Event]:
    """The machine's events; naming every kind lets the index on (machine, kind, at) serve any stretch of time."""
    events: QuerySet[Event] = Event.objects.filter(machine_id=machine_id, kind__in=EventKind.values)
    return events


def point_states(machine_id: int) -> QuerySet[Event]:
    """State events that end the state before them: points, and no inferences."""
    return reported(Event.objects.filter(machine_id=machine_id, kind=EventKind.STATE, until__isnull=True))


def reported(events: QuerySet[Event]) -> QuerySet[Event]:
    """Without our own inferences: they neither prove contact nor end what the machine said."""
    return events.exclude(source__startswith=INFERENCE)


def effective_state(state: str, loss_class: str | None) -> str:
    """A stop whose reason is a planned one or a set-up is just that, whatever the machine could tell about it."""
    if state == State.DOWN and loss_class == LossClass.PLANNED:
        return State.PLANNED_STOP.value
    if state == State.DOWN and loss_class == LossClass.SETUP:
        return State.SETUP.value
    return state


def _read(events: QuerySet[Event], ranks: Ranks, *, order: Sequence[Any] = ("at",), most: int | None = None) -> Journal:
    """The events as lists."""
    journal = Journal()
    rows = events.order_by(*order).annotate(made=Coalesce("product_id", "order__product_id"), micros=Micros("at"))
    rank_of, ranked, rank = ranks.of, bool(ranks.by_source), 0
    for (
        kind,
        micros,
        until,
        state,
        reason_id,
        loss_class,
        source,
        sequence,
        event_id,
        product_id,
        *rest,
    ) in rows.values_list(*COLUMNS)[:most]:
        at = EPOCH + dt.timedelta(microseconds=micros)
        if ranked:
            rank = rank_of(source)
        if sequence is not None:
            journal.numbered = True
        if not source.startswith(INFERENCE):
            journal.stamps[rank].append(at)
        if kind == EventKind.COUNT:
            journal.counts.append(CountEvent(at, product_id, *rest[:3]))
        elif kind == EventKind.COUNTER and rest[4] is not None:
            name, value, maximum = rest[3:]
            journal.readings.append(
                CounterReading(at, source, event_id, product_id, name, value, maximum, sequence, rank)
            )
        elif kind == EventKind.STATE:
            meant = effective_state(state, loss_class)
            journal.states.append(StateEvent(at, until, meant, reason_id, product_id, source, event_id, sequence, rank))
            if until is None and state == State.UNKNOWN:
                journal.lost.append(Lost(at, source, sequence, rank))
    return journal


def _states_before(
    machine_id: int, from_at: dt.datetime, ranks: Ranks, margin: dt.timedelta = dt.timedelta()
) -> Journal:
    """The states in force at `from_at` (with inferences made since they began) and the intervals under way then."""
    earlier = Journal()
    states = Event.objects.filter(machine_id=machine_id, kind=EventKind.STATE, at__lt=from_at)
    for _, voice in ranks.voices():
        last = _last_at(point_states(machine_id).filter(voice), from_at)
        if last is not None:
            _add(earlier, _read(states.filter(voice, until__isnull=True, at__gte=last - margin), ranks))
    return _add(earlier, _read(states.filter(until__gt=from_at), ranks))


def _last_at(events: QuerySet[Event], before: dt.datetime) -> dt.datetime | None:
    return events.filter(at__lt=before).order_by("-at").values_list("at", flat=True).first()


def _last_stamps(machine_id: int, before: dt.datetime, ranks: Ranks) -> Iterator[tuple[int, dt.datetime]]:
    """When the sources of each rank were last heard of before that time: one look at the end of the index per kind."""
    for rank, voice in ranks.voices():
        kinds = [
            reported(Event.objects.filter(voice, machine_id=machine_id, kind=kind, at__lt=before))
            .order_by("-at")
            .values_list("at")[:1]
            for kind in EventKind.values
        ]
        stamps = [row[0] for row in kinds[0].union(*kinds[1:], all=True)]
        if stamps:
            yield rank, max(stamps)


def _add(journal: Journal, later: Journal) -> Journal:
    """The journal with what follows it in time."""
    journal.states += later.states
    journal.counts += later.counts
    journal.readings += later.readings
    journal.lost += later.lost
    journal.numbered |= later.numbered
    for rank, stamps in later.stamps.items():
        journal.stamps[rank] += stamps
    return journal


# --- counters: the readings before the stretch ----------------------------------------------------------------


def _bring_last_readings(journal: Journal, machine_id: int, begin: dt.datetime, ranks: Ranks) -> None:
    """Add each counter's last readings before the stretch, and whether the machine was heard of since."""
    earlier: list[CounterReading] = []
    since = begin
    for readings in _counters(machine_id, journal.readings):
        before = readings.filter(at__lt=begin)
        # Two: the last one may prove to be a spike.
        lasts = _read(before, ranks, order=LATEST_FIRST, most=2).readings
        since = min([since, *(reading.at for reading in lasts)])
        earlier += [*lasts, *_standstill(before, lasts, ranks)]
    if not earlier:
        return
    journal.readings = sorted(earlier, key=lambda reading: reading.at) + journal.readings
    heard = reported(events_of(machine_id)).filter(at__gte=since, at__lt=begin).order_by("at")
    lost = []
    stamps: dict[int, list[dt.datetime]] = defaultdict(list)
    for at, kind, state, until, source, sequence in heard.values_list(
        "at", "kind", "state", "until", "source", "sequence"
    ):
        stamps[ranks.of(source)].append(at)
        if kind == EventKind.STATE and state == State.UNKNOWN and not until:
            lost.append(Lost(at, source, sequence, ranks.of(source)))
    for rank, times in stamps.items():
        journal.stamps[rank] = sorted({*times, *journal.stamps[rank]})
    journal.lost = lost + journal.lost


def _counters(machine_id: int, readings: Iterable[CounterReading]) -> Iterator[QuerySet[Event]]:
    """The readings of each counter among those."""
    for source, name in sorted({(reading.source, reading.name) for reading in readings}):
        yield Event.objects.filter(
            machine_id=machine_id, kind=EventKind.COUNTER, source=source, name=name, value__isnull=False
        )


def _standstill(before: QuerySet[Event], lasts: Sequence[CounterReading], ranks: Ranks) -> Sequence[CounterReading]:
    """Where a counter stands still, its readings of the last while: they tell since when."""
    if len(lasts) < 2 or lasts[0].value != lasts[1].value:
        return []
    begin = lasts[0].at - STANDSTILL
    first = _read(before.filter(at__lt=min(begin, lasts[1].at)), ranks, order=LATEST_FIRST, most=1).readings
    return [*first, *_read(before.filter(at__gte=begin, at__lt=lasts[1].at), ranks).readings]


def _trusted(machine_id: int, readings: Sequence[CounterReading]) -> set[tuple[str, str]]:
    """Which of the readings somebody has vouched for."""
    since = readings[0].at - CLOCK_STEP
    vouched = Implausible.objects.filter(machine_id=machine_id, at__gte=since, trusted_at__isnull=False)
    return set(vouched.values_list("source", "event_id"))


# --- numbered events: what may take effect in the stretch though it is stamped outside it --------------------------


def _widen(
    journal: Journal, machine_id: int, from_at: dt.datetime, to_at: dt.datetime, ranks: Ranks
) -> tuple[dt.datetime, Journal]:
    """Where reading must begin for sources that number their events, and the journal from there on."""
    events = events_of(machine_id)
    near = from_at - CLOCK_STEP
    journal = _add(_read(events.filter(at__gte=near, at__lt=from_at), ranks), journal)
    begin = near
    for readings in _counters(machine_id, journal.readings):
        before = _read(readings.filter(at__lt=near), ranks, order=LATEST_FIRST, most=NUMBERED_BACK)
        begin = min([begin, *(reading.at for reading in before.readings)])
    begin -= CLOCK_STEP
    journal = _add(_read(events.filter(at__gte=begin, at__lt=near), ranks), journal)
    after = _read(events.filter(at__gte=to_at, at__lt=to_at + CLOCK_STEP), ranks)
    return begin, _add(journal, after)
