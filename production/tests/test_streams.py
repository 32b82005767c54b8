"""Streams: however events reach us, whole or torn, twice or late, timelines and figures are those of one delivery."""

import datetime as dt

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mesassist.tenants.models import User
from production.corrections import make_correction, rank_source, undo_correction
from production.ingest.store import store_events
from production.models import Implausible
from production.rollups import fold_dirty, fold_open_states
from production.strips import draw_strips
from production.tests.plant import at, machine_of
from production.tests.test_recount import compare, recounted, stored
from production.timeline import read_timeline

FIRST = at(12, 30)  # the shift ends at 14:00
NOW = at(16)
STATES = ["running", "down", "down", "setup", "idle", "unknown"]

pytestmark = pytest.mark.usefixtures("small_plant")

minutes = st.integers(0, 150)
numbers = st.none() | st.integers(0, 30)
sources = st.sampled_from(["plc", "plc", "cell"])
states = st.fixed_dictionaries(
    {"kind": st.just("state"), "state": st.sampled_from(STATES), "minute": minutes, "source": sources},
    optional={"length": st.integers(0, 60), "sequence": numbers, "reason": st.sampled_from(["jam", "tool"])},
)
points = st.fixed_dictionaries(
    {"kind": st.just("state"), "state": st.sampled_from(STATES), "minute": minutes, "source": sources},
    optional={"sequence": numbers},
)
counters = st.fixed_dictionaries(
    {"kind": st.just("counter"), "name": st.just("parts"), "minute": minutes, "source": sources},
    optional={"sequence": numbers, "max": st.just(60)},
).flatmap(lambda told: st.builds(lambda value: {**told, "value": value}, st.integers(0, 60) | st.just(5000)))
counts = st.fixed_dictionaries(
    {"kind": st.just("count"), "minute": minutes, "source": sources, "good": st.integers(0, 9), "scrap": st.just(1)}
)
streams = st.lists(states | points | counters | counts, min_size=2, max_size=14)
corrections = st.lists(st.tuples(minutes, st.integers(1, 40), st.sampled_from(STATES), st.booleans()), max_size=3)
deliveries = st.lists(st.tuples(st.integers(1, 5), st.booleans(), st.booleans()), min_size=1, max_size=5)


def as_events(stream, machine):
    """The stream as a source would send it, with an event before all others so that there is something to correct."""
    told = [{"kind": "measurement", "name": "warm", "value": 1, "minute": -20, "source": "plc"}, *stream]
    events = []
    for number, one in enumerate(told):
        event = {name: value for name, value in one.items() if name not in ("minute", "length") and value is not None}
        when = FIRST + dt.timedelta(minutes=one["minute"])
        if "length" in one:
            event["until"] = (when + dt.timedelta(minutes=one["length"])).isoformat()
        if event.get("state") != "down":
            event.pop("reason", None)
        events.append(
            {**event, "at": when.isoformat(), "machine": machine.code, "event_id": f"{machine.code}-{number}"}
        )
    return events


def take(events, now):
    receipt = store_events(events=events, source="plc", now=now)
    assert (receipt.received, receipt.problems) == (len(events), ())


def correct(machine, words, by):
    """The same words over each machine; every other one is taken back."""
    for number, (minute, length, name, undone) in enumerate(words):
        start = FIRST + dt.timedelta(minutes=minute)
        correction = make_correction(
            machine=machine,
            from_at=start,
            to_at=min(start + dt.timedelta(minutes=length), at(15, 9)),
            state=name,
            reason=None,
            comment="seen",
            made_by=by,
            now=at(15, 10, number),
        )
        if undone:
            undo_correction(correction=correction, undone_by=by, now=NOW)


def settings_of(machine, threshold, timeout):
    machine.micro_stop_s, machine.contact_timeout_s = threshold, timeout
    machine.save()
    return machine


def deliver(events, machine, how, rng, words, by):
    """In random batches in random order, some of them twice, with folds in between; the corrections come halfway."""
    now = at(15, 10)
    take(events[:1], NOW)
    left = events[1:]
    rng.shuffle(left)
    spoken = False
    sent = list(events[:1])
    while left:
        size, again, folded = how.pop() if how else (len(left), True, True)
        batch, left = left[:size], left[size:]
        sent += batch
        take(batch, NOW)
        if again:
            take(rng.sample(sent, min(3, len(sent))), NOW)
        if not spoken and len(left) <= len(sent):
            correct(machine, words, by)
            spoken = True
        if folded:
            fold_dirty(now=now)
            now += dt.timedelta(minutes=7)
            fold_open_states(now=now)


class TestStreams:
    @settings(
        max_examples=15,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes: each example folds a plant
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        stream=streams,
        how=deliveries,
        words=corrections,
        rank=st.sampled_from([0, 0, 5, -3]),
        threshold=st.sampled_from([0, 120, 600]),
        timeout=st.sampled_from([1200, 3600]),
        rng=st.randoms(use_true_random=False),
    )
    def test_a_torn_stream_says_what_one_delivery_says(self, stream, how, words, rank, threshold, timeout, rng):
        with transaction.atomic():
            by = User.objects.create_user("seer")
            torn, whole = (settings_of(machine_of(code), threshold, timeout) for code in ("M1", "M2"))
            take(as_events(stream, whole), NOW)
            correct(whole, words, by)
            fold_dirty(now=at(15, 10))
            deliver(as_events(stream, torn), torn, how, rng, words, by)
            rank_source(source="cell", rank=rank)
            fold_dirty(now=NOW)
            fold_open_states(now=NOW)
            self.agree(torn, whole)
            compare(torn, NOW)
            for machine in (torn, whole):
                assert stored(machine) == recounted(machine, NOW)
            transaction.set_rollback(True)

    def agree(self, torn, whole):
        assert stored(torn) == stored(whole)
        span = {"from_at": at(13), "to_at": at(15), "now": NOW}
        lines = [read_timeline(machine=machine, **span) for machine in (torn, whole)]
        assert lines[0] == lines[1]
        strips = [strip.segments for strip in draw_strips(machines=[torn, whole], **span)]
        assert strips[0] == strips[1]
        assert [(s.start, s.state) for s in strips[0]] == starts_of(lines[0])
        listed = [
            set(Implausible.objects.filter(machine=machine).values_list("at", "value", "delta", "most"))
            for machine in (torn, whole)
        ]
        assert listed[0] == listed[1]


def starts_of(intervals):
    """(start, state) of what looks the same in a strip."""
    starts, last = [], None
    for interval in intervals:
        if (interval.state, interval.reason_id) != last:
            starts.append((interval.start, interval.state))
        last = (interval.state, interval.reason_id)
    return starts
