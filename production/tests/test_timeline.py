"""Timeline: intervals against a second-by-second labelling of the same events."""

import datetime as dt
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from production.entries import StateEvent
from production.models import Reason, State
from production.tests.brute import claim_at
from production.tests.plant import at, count, machine_of, state
from production.timeline import Interval, build_timeline, find_silences, read_timeline, stretches

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
SPAN = 120


def moment(second):
    return START + dt.timedelta(seconds=second)


def make(second, name, until=None, source="plc", event_id="e", reason=None):
    return StateEvent(moment(second), None if until is None else moment(until), name, reason, None, source, event_id)


def build(events, *, stamps=None, timeout=SPAN, from_at=0, to_at=SPAN, now=10 * SPAN):
    heard = sorted(event.at for event in events) if stamps is None else [moment(stamp) for stamp in stamps]
    return build_timeline(
        events=events,
        silences={0: find_silences(stamps=heard, contact_timeout_s=timeout)},
        from_at=moment(from_at),
        to_at=moment(to_at),
        now=moment(now),
    )


def told(intervals):
    """Intervals as (start second, end second, state)."""
    return [((i.start - START).seconds, (i.end - START).seconds, str(i.state)) for i in intervals]


states = st.sampled_from(State.values)
sources = st.sampled_from(["plc", "erp", "manual:ana", "inference"])


@st.composite
def plants(draw):
    events = []
    for number in range(draw(st.integers(0, 12))):
        second = draw(st.integers(-30, SPAN + 20))
        until = draw(st.none() | st.integers(second, second + 60))
        events.append(make(second, draw(states), until, draw(sources), f"e{number}"))
    others = draw(st.lists(st.integers(-30, SPAN + 20), max_size=5))
    stamps = sorted({*(e.at for e in events), *(moment(second) for second in others)})
    return events, stamps, draw(st.integers(1, SPAN))


class TestProperties:
    @given(plants(), st.randoms(use_true_random=False))
    def test_it_covers_the_range_without_overlap_and_agrees_with_every_second(self, plant, rng):
        events, stamps, timeout = plant
        rng.shuffle(events)
        intervals = build_timeline(
            events=events,
            silences={0: find_silences(stamps=stamps, contact_timeout_s=timeout)},
            from_at=START,
            to_at=moment(SPAN),
            now=moment(10 * SPAN),
        )
        assert [i.start for i in intervals] + [moment(SPAN)] == [START] + [i.end for i in intervals]
        painted = [i.state for i in intervals for _ in range(int(i.seconds))]
        assert painted == [claim_at(events, stamps, moment(second), timeout)[0] for second in range(SPAN)]

    @given(plants(), st.randoms(use_true_random=False))
    def test_it_does_not_matter_in_which_order_events_arrive(self, plant, rng):
        events, stamps, timeout = plant
        shuffled = list(events)
        rng.shuffle(shuffled)
        silences = {0: find_silences(stamps=stamps, contact_timeout_s=timeout)}
        span = {"silences": silences, "from_at": START, "to_at": moment(SPAN), "now": moment(10 * SPAN)}
        assert build_timeline(events=events, **span) == build_timeline(events=shuffled, **span)

    @given(plants(), st.integers(1, SPAN - 1))
    def test_two_halves_make_the_whole(self, plant, cut):
        events, stamps, timeout = plant
        span = {"silences": {0: find_silences(stamps=stamps, contact_timeout_s=timeout)}, "now": moment(10 * SPAN)}
        whole = build_timeline(events=events, from_at=START, to_at=moment(SPAN), **span)
        halves = build_timeline(events=events, from_at=START, to_at=moment(cut), **span)
        halves += build_timeline(events=events, from_at=moment(cut), to_at=moment(SPAN), **span)
        assert sum(i.seconds for i in halves) == sum(i.seconds for i in whole) == SPAN
        assert {i.state for i in halves} == {i.state for i in whole}


class TestPoints:
    def test_a_state_holds_until_the_next_report(self):
        assert told(build([make(10, "running"), make(50, "down")])) == [
            (0, 10, "unknown"),
            (10, 50, "running"),
            (50, 120, "down"),
        ]

    def test_equal_reports_in_a_row_are_one_interval(self):
        assert told(build([make(0, "running"), make(30, "running"), make(60, "running")])) == [(0, 120, "running")]

    def test_silence_makes_it_unknown_until_the_machine_is_heard_of_again(self):
        intervals = build([make(0, "running")], stamps=[0, 10, 80], timeout=30)
        assert told(intervals) == [(0, 40, "running"), (40, 80, "unknown"), (80, 110, "running"), (110, 120, "unknown")]

    def test_a_manual_correction_beats_the_machine_and_the_machine_an_inference(self):
        events = [make(0, "running"), make(20, "down", 40, source="manual:boris"), make(30, "idle", source="inference")]
        assert told(build(events)) == [(0, 20, "running"), (20, 40, "down"), (40, 120, "running")]

    def test_an_inference_fills_what_no_machine_reports(self):
        assert told(build([make(30, "idle", source="inference")]))[-1] == (30, 120, "idle")


class TestIntervals:
    def test_overlapping_reports_are_united_never_summed(self):
        events = [make(0, "running", 60, event_id="a"), make(30, "running", 90, event_id="b")]
        assert told(build(events)) == [(0, 90, "running"), (90, 120, "unknown")]

    def test_a_stop_is_not_hidden_by_work_booked_over_it(self):
        events = [make(0, "running", 120), make(30, "down", 60), make(50, "setup", 80)]
        assert told(build(events)) == [(0, 30, "running"), (30, 60, "down"), (60, 80, "setup"), (80, 120, "running")]

    def test_an_interval_lies_over_the_state_in_force(self):
        assert told(build([make(0, "running"), make(30, "setup", 60)])) == [
            (0, 30, "running"),
            (30, 60, "setup"),
            (60, 120, "running"),
        ]

    def test_a_reason_change_splits_the_interval_but_not_the_stop(self):
        intervals = build([make(0, "down", reason=1), make(30, "down", reason=2), make(60, "running")])
        assert [[i.reason_id for i in stretch] for stretch in stretches(intervals)] == [[1, 2], [None]]


class TestNow:
    def test_an_open_state_counts_up_to_now_and_is_marked(self):
        last = build([make(10, "down")], now=60)[-1]
        assert last == Interval(moment(10), moment(60), "down", open=True)

    def test_a_state_that_has_ended_is_not_open(self):
        assert [i.open for i in build([make(10, "down", 20)], now=60)] == [False, False, False]

    def test_nothing_is_known_of_the_future(self):
        assert build([make(10, "down")], from_at=60, to_at=90, now=50) == []


@pytest.mark.usefixtures("small_plant")
class TestReading:
    def read(self, from_at, to_at, machine=None):
        return read_timeline(machine=machine or machine_of(), from_at=from_at, to_at=to_at, now=at(20))

    def test_it_brings_along_what_began_before(self):
        machine = machine_of()
        state(machine, at(5), "running")
        state(machine, at(6), "down", until=at(9))
        assert [(i.start, i.end, i.state) for i in self.read(at(8), at(10))] == [
            (at(8), at(9), "down"),
            (at(9), at(10), "running"),
        ]

    def test_any_event_proves_contact(self):
        machine = machine_of()
        state(machine, at(0), "running")
        count(machine, at(7), good=1)
        assert [(i.end, i.state) for i in self.read(at(8), at(18))] == [(at(15), "running"), (at(18), "unknown")]

    def test_it_leaves_other_machines_alone(self):
        state(machine_of("M2"), at(5), "running")
        assert [i.state for i in self.read(at(6), at(7))] == ["unknown"]

    def test_a_planned_reason_makes_a_planned_stop_of_a_stop(self):
        machine = machine_of()
        for hour, code in ((6, "break"), (7, "tool"), (8, "jam")):
            state(machine, at(hour), "down", reason=Reason.objects.get(code=code))
        assert [i.state for i in self.read(at(6), at(9))] == ["planned_stop", "setup", "down"]

    def test_it_reads_in_a_fixed_number_of_queries(self, django_assert_num_queries):
        machine = machine_of()
        for minute in range(40):
            state(machine, at(6, minute), random.Random(minute).choice(["running", "down"]))
        with django_assert_num_queries(6):
            self.read(at(6, 10), at(6, 30), machine)
