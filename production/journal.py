"""Journal: what one machine's events say about a stretch of time, read in a few queries, in event-time order.

A stretch cannot be understood from its own events alone: a state that began earlier is still in force, a job
report may have begun before, a counter needs its last reading. `read_journal` brings exactly those along.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db.models import BigIntegerField, Func, QuerySet
from django.db.models.functions import Coalesce

from production.models import Event, EventKind, LossClass, State

MANUAL = "manual"
INFERENCE = "inference"
MACHINE_AUTHORITY = 1

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
COLUMNS = (
    *("kind", "micros", "until", "state", "reason_id", "reason__loss_class", "source", "event_id", "made"),
    *("good", "scrap", "rework", "name", "value", "maximum"),
)


class Micros(Func):
    """A time as whole microseconds since 1970: read in half the time that a text with a zone takes."""

    template = "(extract(epoch FROM %(expressions)s) * 1000000)::bigint"
    output_field = BigIntegerField()


class StateEvent(NamedTuple):
    """A reported state. Without `until` it is a point event and holds until the machine's next one."""

    at: dt.datetime
    until: dt.datetime | None
    state: str
    reason_id: int | None = None
    product_id: int | None = None
    source: str = ""
    event_id: str = ""

    @property
    def authority(self) -> int:
        """Whose word counts: a manual correction beats the machine, the machine beats an inference (DOMAIN.md 2)."""
        return {MANUAL: 2, INFERENCE: 0}.get(self.source.partition(":")[0], MACHINE_AUTHORITY)


class CountEvent(NamedTuple):
    """Pieces reported as deltas; None is "not recorded"."""

    at: dt.datetime
    product_id: int | None
    good: float | None
    scrap: float | None
    rework: float | None


class CounterReading(NamedTuple):
    """An absolute counter value; `maximum` is where the counter rolls over, if the source says so."""

    at: dt.datetime
    source: str
    event_id: str
    product_id: int | None
    name: str
    value: float
    maximum: float | None


@dataclass
class Journal:
    """The events that matter for a stretch, each list in event-time order.

    `stamps` are the times at which the machine was heard of (events of any kind), `lost` those at which its
    source said that the contact is gone.
    """

    states: list[StateEvent] = field(default_factory=list)
    counts: list[CountEvent] = field(default_factory=list)
    readings: list[CounterReading] = field(default_factory=list)
    stamps: list[dt.datetime] = field(default_factory=list)
    lost: list[dt.datetime] = field(default_factory=list)


def read_journal(*, machine_id: int, from_at: dt.datetime, to_at: dt.datetime) -> Journal:
    """The events in [from_at, to_at) and those before it that reach into it; active tenant."""
    journal = Journal()
    _take(journal, events_of(machine_id).filter(at__gte=from_at, at__lt=to_at))
    earlier = _states_before(machine_id, from_at)
    journal.states = earlier.states + journal.states
    journal.stamps = _last_stamp(machine_id, from_at) + journal.stamps
    if journal.readings:
        _bring_last_readings(journal, machine_id, from_at)
    return journal


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


def state_events(events: QuerySet[Event]) -> Iterator[tuple[int, StateEvent]]:
    """State events of any machines as (machine id, event)."""
    rows = events.annotate(made=Coalesce("product_id", "order__product_id")).values_list(
        "machine_id", "at", "until", "state", "reason_id", "made", "source", "event_id", "reason__loss_class"
    )
    for machine_id, at, until, state, *named, loss_class in rows:
        yield machine_id, StateEvent(at, until, effective_state(state, loss_class), *named)


def effective_state(state: str, loss_class: str | None) -> str:
    """A stop whose reason is a planned one or a set-up is just that, whatever the machine could tell about it."""
    if state == State.DOWN and loss_class == LossClass.PLANNED:
        return State.PLANNED_STOP.value
    if state == State.DOWN and loss_class == LossClass.SETUP:
        return State.SETUP.value
    return state


def _take(journal: Journal, events: QuerySet[Event]) -> None:
    """Read the events into the journal's lists."""
    rows = events.order_by("at").annotate(made=Coalesce("product_id", "order__product_id"), micros=Micros("at"))
    for kind, micros, until, state, reason_id, loss_class, source, event_id, product_id, *rest in rows.values_list(
        *COLUMNS
    ):
        at = EPOCH + dt.timedelta(microseconds=micros)
        if not source.startswith(INFERENCE):
            journal.stamps.append(at)
        if kind == EventKind.COUNT:
            journal.counts.append(CountEvent(at, product_id, *rest[:3]))
        elif kind == EventKind.COUNTER and rest[4] is not None:
            journal.readings.append(CounterReading(at, source, event_id, product_id, *rest[3:]))
        elif kind == EventKind.STATE:
            meant = effective_state(state, loss_class)
            journal.states.append(StateEvent(at, until, meant, reason_id, product_id, source, event_id))
            if until is None and state == State.UNKNOWN:
                journal.lost.append(at)


def _states_before(machine_id: int, from_at: dt.datetime) -> Journal:
    """The state in force at `from_at` (with inferences made since it began) and the intervals under way then."""
    earlier = Journal()
    last = _last_at(point_states(machine_id), from_at)
    states = Event.objects.filter(machine_id=machine_id, kind=EventKind.STATE, at__lt=from_at)
    if last is not None:
        _take(earlier, states.filter(until__isnull=True, at__gte=last))
    _take(earlier, states.filter(until__gt=from_at))
    return earlier


def _last_at(events: QuerySet[Event], before: dt.datetime) -> dt.datetime | None:
    return events.filter(at__lt=before).order_by("-at").values_list("at", flat=True).first()


def _last_stamp(machine_id: int, before: dt.datetime) -> list[dt.datetime]:
    """When the machine was last heard of before that time: one look at the end of the index per kind."""
    kinds = [
        reported(Event.objects.filter(machine_id=machine_id, kind=kind, at__lt=before))
        .order_by("-at")
        .values_list("at")[:1]
        for kind in EventKind.values
    ]
    stamps = [row[0] for row in kinds[0].union(*kinds[1:], all=True)]
    return [max(stamps)] if stamps else []


def _bring_last_readings(journal: Journal, machine_id: int, from_at: dt.datetime) -> None:
    """Add each counter's last reading before the stretch, and whether the machine was heard of since."""
    earlier = list(_last_readings(machine_id, {(r.source, r.name) for r in journal.readings}, from_at))
    if not earlier:
        return
    oldest = min(reading.at for reading in earlier)
    journal.readings = sorted(earlier, key=lambda reading: reading.at) + journal.readings
    since = reported(events_of(machine_id)).filter(at__gte=oldest, at__lt=from_at).order_by("at")
    heard = list(since.values_list("at", "kind", "state", "until"))
    journal.stamps = sorted({*(row[0] for row in heard), *journal.stamps})
    lost = [at for at, kind, state, until in heard if kind == EventKind.STATE and state == State.UNKNOWN and not until]
    journal.lost = lost + journal.lost


def _last_readings(
    machine_id: int, counters: Iterable[tuple[str, str]], before: dt.datetime
) -> Iterable[CounterReading]:
    for source, name in counters:
        found = Journal()
        readings = Event.objects.filter(machine_id=machine_id, kind=EventKind.COUNTER, source=source, name=name)
        last = _last_at(readings.filter(value__isnull=False), before)
        if last is not None:
            _take(found, readings.filter(at=last))
            # Two readings of one moment count in the order of their ids, as everywhere.
            yield max(found.readings, key=lambda reading: reading.event_id)
