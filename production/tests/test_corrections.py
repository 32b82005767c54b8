"""Corrections: what people say lies over what was reported, and is folded at once; ranks and trust likewise."""

import pytest

from production.corrections import CorrectionRefused, make_correction, rank_source, trust_reading, undo_correction
from production.models import DirtyRange, Event, Implausible, LossRollup, Product, Reason
from production.rollups import fold_dirty
from production.strips import draw_strips
from production.tests.plant import at, count, fold, machine_of, report, state
from production.tests.test_recount import recounted, stored
from production.tests.test_rollups import total
from production.timeline import read_timeline

NOW = at(12)

pytestmark = pytest.mark.usefixtures("small_plant")


@pytest.fixture
def press(small_plant):
    """Down from 08:00 to 09:00, running before and after; folded."""
    machine = machine_of()
    product = Product.objects.get(code="P1")
    for hour, name in ((6, "running"), (8, "down"), (9, "running")):
        state(machine, at(hour), name, product=product)
    fold(machine, NOW)
    return machine


def say(machine, by, start, end, name, reason=None, now=NOW):
    return make_correction(
        machine=machine, from_at=start, to_at=end, state=name, reason=reason, comment="I saw it", made_by=by, now=now
    )


def told(machine, start, end):
    return [(i.start, i.end, i.state) for i in read_timeline(machine=machine, from_at=start, to_at=end, now=NOW)]


def folded(machine):
    fold_dirty(now=NOW)
    assert stored(machine) == recounted(machine, NOW)


class TestMake:
    def test_it_lies_over_what_was_reported_in_timeline_strips_and_rollups(self, press, boris):
        say(press, boris, at(8, 15), at(8, 30), "running")
        folded(press)
        assert told(press, at(8), at(9)) == [
            (at(8), at(8, 15), "down"),
            (at(8, 15), at(8, 30), "running"),
            (at(8, 30), at(9), "down"),
        ]
        strip = draw_strips(machines=[press], from_at=at(8), to_at=at(9), now=NOW)[0]
        assert [(s.start, s.end, s.state) for s in strip.segments] == told(press, at(8), at(9))
        assert total("down_s", "stops") == (45 * 60, 2)
        assert Event.objects.count() == 3

    def test_it_marks_what_it_touches_and_no_more(self, press, boris):
        say(press, boris, at(8, 15), at(8, 30), "running")
        assert list(DirtyRange.objects.values_list("machine", "from_at", "to_at")) == [(press.pk, at(8, 15), at(8, 30))]

    def test_the_one_made_last_wins_where_two_overlap(self, press, boris):
        say(press, boris, at(8), at(8, 40), "setup", now=at(11))
        say(press, boris, at(8, 20), at(8, 50), "idle", now=at(11, 1))
        assert [(start, name) for start, _, name in told(press, at(8), at(9))] == [
            (at(8), "setup"),
            (at(8, 20), "idle"),
            (at(8, 50), "down"),
        ]

    def test_it_beats_reports_that_come_later(self, press, boris):
        say(press, boris, at(8), at(9), "planned_stop")
        product = Product.objects.get(code="P1")
        state(press, at(8, 10), "running", until=at(8, 50), source="manual:ana", product=product)
        assert told(press, at(8), at(9)) == [(at(8), at(9), "planned_stop")]

    def test_a_planned_reason_makes_a_planned_stop_of_it(self, press, boris):
        say(press, boris, at(8), at(9), "down", Reason.objects.get(code="break"))
        folded(press)
        assert total("down_s", "planned_stop_s") == (0, 3600)

    def test_without_a_reason_the_time_is_unclassified(self, press, boris):
        jam = Reason.objects.get(code="jam")
        say(press, boris, at(8), at(9), "down", jam)
        say(press, boris, at(8), at(8, 30), "down", now=at(12))
        folded(press)
        assert list(LossRollup.objects.order_by("bucket").values_list("reason__code", "seconds")) == [
            (None, 900),
            (None, 900),
            ("jam", 900),
            ("jam", 900),
        ]

    def test_what_was_made_meanwhile_stays_known(self, press, boris):
        count(press, at(8, 20), good=6)
        say(press, boris, at(8), at(9), "running")
        fold(press, NOW)
        assert total("ideal_good_s", "uncycled") == (60, 0)

    def test_it_fills_a_silence(self, press, boris):
        press.contact_timeout_s = 600
        press.save()
        say(press, boris, at(9, 30), at(10), "idle")
        assert told(press, at(9, 5), at(10, 10)) == [
            (at(9, 5), at(9, 10), "running"),
            (at(9, 10), at(9, 30), "unknown"),
            (at(9, 30), at(10), "idle"),
            (at(10), at(10, 10), "unknown"),
        ]

    def test_it_refuses_the_future_nothing_and_time_before_the_first_event(self, press, boris):
        for start, end in ((at(11), at(13)), (at(9), at(9)), (at(5), at(7))):
            with pytest.raises(CorrectionRefused):
                say(press, boris, start, end, "down")
        assert DirtyRange.objects.count() == 0


class TestUndo:
    def test_what_was_reported_counts_again(self, press, boris):
        before = stored(press)
        correction = say(press, boris, at(8, 15), at(8, 30), "running")
        folded(press)
        assert undo_correction(correction=correction, undone_by=boris, now=NOW)
        folded(press)
        assert stored(press) == before
        assert (correction.undone_by, correction.undone_at) == (boris, NOW)

    def test_it_can_be_undone_once(self, press, boris, ana):
        correction = say(press, boris, at(8, 15), at(8, 30), "running")
        undo_correction(correction=correction, undone_by=boris, now=NOW)
        assert not undo_correction(correction=correction, undone_by=ana, now=at(13))
        correction.refresh_from_db()
        assert correction.undone_by == boris


class TestTrust:
    @pytest.fixture
    def spike(self, press):
        """A counter that leaps from 100 to a million and goes on from there."""
        for minute, value in ((0, 100), (1, 1_000_000), (2, 1_000_002)):
            report(press, at(10, minute), "counter", name="parts", value=value)
        fold(press, NOW)
        return Implausible.objects.get()

    def test_what_cannot_be_is_listed_and_does_not_count(self, press, spike):
        assert (total("good"), spike.value, spike.delta) == ((2,), 1_000_000, 999_900)
        # 60 s of 10 s each and the piece under way, times 3.
        assert spike.most == 21

    def test_a_trusted_reading_counts_and_stays_listed(self, press, spike, boris):
        assert trust_reading(reading=spike, trusted_by=boris, now=NOW)
        folded(press)
        assert total("good") == (999_902,)
        fold(press, NOW)
        assert Implausible.objects.values_list("pk", "trusted_by").get() == (spike.pk, boris.pk)
        assert not trust_reading(reading=spike, trusted_by=boris, now=NOW)

    def test_folding_again_keeps_the_row(self, press, spike):
        fold(press, NOW)
        assert Implausible.objects.get().pk == spike.pk

    def test_what_late_data_explains_is_listed_no_longer(self, press, spike):
        report(press, at(10, 0, 30), "counter", name="parts", value=999_999)
        fold(press, NOW, from_at=at(10, 0, 30), to_at=at(10, 0, 30))
        assert list(Implausible.objects.values_list("value", flat=True)) == [999_999]
        assert total("good") == (3,)
        assert stored(press) == recounted(press, NOW)


class TestRank:
    @pytest.fixture
    def two(self, small_plant):
        """A PLC says running from 06:00 on, a terminal down from 07:00 to 08:00."""
        machine = machine_of()
        machine.contact_timeout_s = 3600
        machine.save()
        for minute in range(0, 240, 30):
            state(machine, at(6, minute), "running", source="plc")
        for when, name in ((at(7), "down"), (at(7, 10), "down"), (at(8), "setup")):
            state(machine, when, name, source="terminal")
        return machine

    def test_of_equal_ranks_each_report_ends_the_one_before(self, two):
        assert told(two, at(7, 5), at(8, 40)) == [
            (at(7, 5), at(7, 30), "down"),
            (at(7, 30), at(8), "running"),
            (at(8), at(8, 30), "setup"),
            (at(8, 30), at(8, 40), "running"),
        ]

    def test_the_higher_rank_is_believed_while_it_is_in_contact(self, two):
        rank_source(source="terminal", rank=5)
        fold_dirty(now=NOW)
        assert told(two, at(6, 30), at(9, 30)) == [
            (at(6, 30), at(7), "running"),
            (at(7), at(8), "down"),
            (at(8), at(9), "setup"),
            (at(9), at(9, 30), "running"),
        ]
        assert stored(two) == recounted(two, NOW)
        strip = draw_strips(machines=[two], from_at=at(6, 30), to_at=at(9, 30), now=NOW)[0]
        assert [(s.start, s.end, s.state) for s in strip.segments] == told(two, at(6, 30), at(9, 30))

    def test_who_says_that_contact_is_lost_leaves_the_word_to_the_next(self, two):
        rank_source(source="terminal", rank=5)
        state(two, at(7, 20), "unknown", source="terminal")
        assert told(two, at(7), at(8)) == [(at(7), at(7, 20), "down"), (at(7, 20), at(8), "running")]

    def test_a_lower_rank_is_believed_where_nobody_else_speaks(self, two):
        rank_source(source="terminal", rank=-5)
        assert told(two, at(7), at(8)) == [(at(7), at(8), "running")]

    def test_it_marks_the_machines_that_the_source_speaks_of(self, two):
        assert (rank_source(source="terminal", rank=5), rank_source(source="terminal", rank=5)) == (1, 0)
        assert list(DirtyRange.objects.values_list("machine", "from_at", "to_at")) == [(two.pk, at(7), at(9))]

    def test_what_was_folded_before_follows(self, two):
        fold(two, NOW)
        rank_source(source="terminal", rank=5)
        folded(two)
        rank_source(source="terminal", rank=0)
        folded(two)
