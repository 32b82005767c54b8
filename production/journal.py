"""Journal: what one machine's events say about a stretch of time, in event-time order; of many machines at once.

A stretch cannot be understood from its own events alone: a state that began earlier is still in force, a job
report may have begun before, a counter needs its last reading. `read_journals` brings exactly those along.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from mesassist.tenants.scope import current_tenant
from production.arrival import CLOCK_STEP, settle_arrival
from production.entries import INFERENCE, Corrected, CounterReading, CountEvent, Journal, Lost, StateEvent
from production.extracts import (
    COUNTER,
    EVER,
    HEARD,
    Ask,
    Row,
    extract,
    extract_in_force,
    extract_last_heard,
    extract_latest,
    extract_under_way,
)
from production.models import Correction, Event, EventKind, LossClass, State
from production.ranks import Ranks, read_ranks

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# How far back it matters since when a counter has stood still (`tallies`).
STANDSTILL = dt.timedelta(minutes=15)
# Readings to look back over where late ones among them may turn out to say nothing.
NUMBERED_BACK = 4
TRUSTED = """
SELECT ask.number - 1, source, event_id FROM unnest(%(machines)s::bigint[], %(sinces)s::timestamptz[])
    WITH ORDINALITY AS ask (machine_id, since, number)
JOIN production_implausible AS one ON tenant_id = %(tenant)s AND one.machine_id = ask.machine_id AND at >= since
WHERE trusted_at IS NOT NULL
"""


def read_journal(*, machine_id: int, from_at: dt.datetime, to_at: dt.datetime) -> Journal:
    """What is known of [from_at, to_at): its events, those before it that reach into it, corrections; active tenant."""
    return read_journals(asks=[Ask(machine_id, from_at, to_at)], ranks=read_ranks())[0]


def read_journals(*, asks: Sequence[Ask], ranks: Ranks) -> list[Journal]:
    """The same of many machines' stretches: as many queries as of one. `ranks` are the tenant's."""
    journals = _read(extract(asks), len(asks), ranks)
    earlier = _read_in_force(asks, ranks)
    begins = [ask.from_at for ask in asks]
    numbered = [n for n, pair in enumerate(zip(journals, earlier, strict=True)) if any(one.numbered for one in pair)]
    if numbered:
        wide = _widen([asks[n] for n in numbered], [journals[n] for n in numbered], ranks)
        for n, (begin, journal) in zip(numbered, wide, strict=True):
            begins[n], journals[n] = begin, journal
        before = [asks[n]._replace(from_at=begins[n]) for n in numbered]
        for n, journal in zip(numbered, _read_in_force(before, ranks, margin=CLOCK_STEP), strict=True):
            earlier[n] = journal
    for journal, before_it in zip(journals, earlier, strict=True):
        journal.states = before_it.states + journal.states
    _bring_last_stamps(journals, asks, begins, ranks)
    _bring_last_readings(journals, asks, begins, ranks)
    for n in numbered:
        settle_arrival(journals[n])
    _bring_corrections(journals, asks)
    return journals


def _bring_corrections(journals: Sequence[Journal], asks: Sequence[Ask]) -> None:
    """Lay over each journal what people corrected in its stretch."""
    made = read_corrections(
        machine_ids=[ask.machine_id for ask in asks],
        from_at=min(ask.from_at for ask in asks),
        to_at=max(ask.to_at for ask in asks),
    )
    for journal, ask in zip(journals, asks, strict=True):
        found = made.get(ask.machine_id, ())
        journal.corrections = [one for one in found if one.from_at < ask.to_at and one.to_at > ask.from_at]


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


def _read(rows: Sequence[Row], count: int, ranks: Ranks) -> list[Journal]:
    """The events of so many asks as lists."""
    journals = [Journal() for _ in range(count)]
    rank_of, ranked, rank = ranks.of, bool(ranks.by_source), 0
    for (
        number,
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
    ) in rows:
        journal = journals[number]
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
    return journals


def _read_in_force(asks: Sequence[Ask], ranks: Ranks, margin: dt.timedelta = dt.timedelta()) -> list[Journal]:
    """The states in force where each ask begins (with inferences made since) and the intervals under way then."""
    before = [Ask(ask.machine_id, EVER, ask.from_at) for ask in asks]
    earlier = [Journal() for _ in asks]
    for voice in ranks.speakers():
        _add(earlier, _read(extract_in_force(before, voice=voice, margin=margin), len(asks), ranks))
    return _add(earlier, _read(extract_under_way(before), len(asks), ranks))


def _bring_last_stamps(
    journals: Sequence[Journal], asks: Sequence[Ask], begins: Sequence[dt.datetime], ranks: Ranks
) -> None:
    """Put in front when the sources of each rank were last heard of before that time."""
    before = [Ask(ask.machine_id, EVER, begin) for ask, begin in zip(asks, begins, strict=True)]
    for voice in ranks.speakers():
        for number, stamp in extract_last_heard(before, voice=voice):
            journals[number].stamps[voice.rank].insert(0, stamp)


def _add(journals: list[Journal], later: Sequence[Journal]) -> list[Journal]:
    """The journals, each with what follows it in time."""
    for journal, more in zip(journals, later, strict=True):
        journal.states += more.states
        journal.counts += more.counts
        journal.readings += more.readings
        journal.lost += more.lost
        journal.numbered |= more.numbered
        for rank, stamps in more.stamps.items():
            journal.stamps[rank] += stamps
    return journals


# --- counters: the readings before the stretch ----------------------------------------------------------------

Counter = tuple[int, Ask]


def _bring_last_readings(
    journals: Sequence[Journal], asks: Sequence[Ask], begins: Sequence[dt.datetime], ranks: Ranks
) -> None:
    """Add each counter's last readings before the stretch, and whether the machine was heard of since."""
    counters = _counters(journals, asks, begins)
    if not counters:
        return
    # Two: the last one may prove to be a spike.
    lasts = _read_counters(extract_latest([ask for _, ask in counters], count=2), len(counters), ranks)
    earlier: dict[int, list[CounterReading]] = defaultdict(list)
    sinces: dict[int, dt.datetime] = {}
    for (number, ask), found, still in zip(counters, lasts, _standstills(counters, lasts, ranks), strict=True):
        earlier[number] += [*found, *still]
        sinces[number] = min([sinces.get(number, ask.to_at), *(reading.at for reading in found)])
    _bring_contact(journals, asks, {n: (sinces[n], begins[n]) for n, found in earlier.items() if found}, ranks)
    for number, found in earlier.items():
        journals[number].readings = sorted(found, key=lambda reading: reading.at) + journals[number].readings
    _bring_trusted(journals, asks)


def _bring_contact(
    journals: Sequence[Journal],
    asks: Sequence[Ask],
    stretches: dict[int, tuple[dt.datetime, dt.datetime]],
    ranks: Ranks,
) -> None:
    """Add when the machine was heard of, and when its sources lost contact, in the stretch before each journal."""
    heard = extract([Ask(asks[n].machine_id, *stretch) for n, stretch in stretches.items()], which=HEARD)
    for n, before in zip(stretches, _read(heard, len(stretches), ranks), strict=True):
        for rank, times in before.stamps.items():
            journals[n].stamps[rank] = sorted({*times, *journals[n].stamps[rank]})
        journals[n].lost = before.lost + journals[n].lost


def _counters(journals: Sequence[Journal], asks: Sequence[Ask], begins: Sequence[dt.datetime]) -> list[Counter]:
    """(number of the journal, what to ask for its past) of each counter that is read in one."""
    return [
        (number, Ask(ask.machine_id, EVER, begin, source, name))
        for number, (journal, ask, begin) in enumerate(zip(journals, asks, begins, strict=True))
        for source, name in sorted({(reading.source, reading.name) for reading in journal.readings})
    ]


def _read_counters(rows: Sequence[Row], count: int, ranks: Ranks) -> list[list[CounterReading]]:
    return [journal.readings for journal in _read(rows, count, ranks)]


def _standstills(
    counters: Sequence[Counter], lasts: Sequence[Sequence[CounterReading]], ranks: Ranks
) -> list[list[CounterReading]]:
    """Where a counter stands still, its readings of the last while: they tell since when."""
    still = [n for n, found in enumerate(lasts) if len(found) == 2 and found[0].value == found[1].value]
    begins = [lasts[n][0].at - STANDSTILL for n in still]
    firsts = [counters[n][1]._replace(to_at=min(begin, lasts[n][1].at)) for n, begin in zip(still, begins, strict=True)]
    since = [
        counters[n][1]._replace(from_at=begin, to_at=lasts[n][1].at) for n, begin in zip(still, begins, strict=True)
    ]
    found: list[list[CounterReading]] = [[] for _ in counters]
    for rows in (extract_latest(firsts, count=1), extract(since, which=COUNTER)):
        for n, readings in zip(still, _read_counters(rows, len(still), ranks), strict=True):
            found[n] += readings
    return found


def _bring_trusted(journals: Sequence[Journal], asks: Sequence[Ask]) -> None:
    """Say which of the readings somebody has vouched for."""
    read = [n for n, journal in enumerate(journals) if journal.readings]
    said: dict[str, Any] = {
        "tenant": current_tenant().pk,
        "machines": [asks[n].machine_id for n in read],
        "sinces": [journals[n].readings[0].at - CLOCK_STEP for n in read],
    }
    with connection.cursor() as cursor:
        cursor.execute(TRUSTED, said)
        for place, source, event_id in cursor.fetchall():
            journals[read[place]].trusted.add((source, event_id))


# --- numbered events: what may take effect in the stretch though it is stamped outside it --------------------------


def _widen(asks: Sequence[Ask], journals: list[Journal], ranks: Ranks) -> list[tuple[dt.datetime, Journal]]:
    """Where reading must begin for sources that number their events, and the journals from there on."""
    nears = [ask.from_at - CLOCK_STEP for ask in asks]
    journals = _add(_read(extract(_until([ask.from_at for ask in asks], nears, asks)), len(asks), ranks), journals)
    begins = list(nears)
    counters = _counters(journals, asks, nears)
    lasts = _read_counters(extract_latest([ask for _, ask in counters], count=NUMBERED_BACK), len(counters), ranks)
    for (number, _), found in zip(counters, lasts, strict=True):
        begins[number] = min([begins[number], *(reading.at for reading in found)])
    begins = [begin - CLOCK_STEP for begin in begins]
    journals = _add(_read(extract(_until(nears, begins, asks)), len(asks), ranks), journals)
    after = [ask._replace(from_at=ask.to_at, to_at=ask.to_at + CLOCK_STEP) for ask in asks]
    return list(zip(begins, _add(journals, _read(extract(after), len(asks), ranks)), strict=True))


def _until(ends: Sequence[dt.datetime], begins: Sequence[dt.datetime], asks: Sequence[Ask]) -> list[Ask]:
    """The asks, each from its begin to its end."""
    return [Ask(ask.machine_id, begin, end) for ask, begin, end in zip(asks, begins, ends, strict=True)]
