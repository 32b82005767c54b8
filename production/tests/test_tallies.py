"""Tallies: the counters of DOMAIN.md 4, and readings that nobody can believe."""

import datetime as dt

import pytest

from production.entries import CounterReading
from production.models import Product
from production.rollups import fold_machine
from production.tallies import Pace, counter_steps
from production.tests.plant import at, fold, machine_of, report, state
from production.tests.test_recount import recounted, stored
from production.tests.test_rollups import total

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
NOW = at(20)


def read(*told, maximum=None):
    """Readings of (second, value)."""
    return [
        CounterReading(START + dt.timedelta(seconds=second), "plc", f"e{number}", None, "parts", value, maximum)
        for number, (second, value) in enumerate(told)
    ]


def steps(readings, *, cycle=10, factor=3, trusted=(), contact=lambda last, this: True):
    """(what counts, whether it is plausible) of each reading."""
    cycles = {None: cycle} if cycle else {}
    found = counter_steps(readings=readings, in_contact=contact, pace=Pace(cycles, factor), trusted=set(trusted))
    return [(step.delta, step.plausible) for step in found]


def counted(readings, **what):
    return sum(delta for delta, plausible in steps(readings, **what) if plausible)


class TestPlausible:
    def test_as_much_as_the_pace_allows_is_plausible_and_no_more(self):
        # (10 s / 10 s + 1) x 3
        assert steps(read((0, 0), (10, 6))) == [(0, True), (6, True)]
        assert steps(read((0, 0), (10, 7))) == [(0, True), (7, False)]

    def test_without_a_cycle_nothing_is_implausible(self):
        assert counted(read((0, 0), (1, 10**6)), cycle=None) == 10**6

    def test_a_spike_is_passed_over(self):
        assert steps(read((0, 100), (1, 10**6), (2, 101), (3, 102)))[1:] == [(10**6 - 100, False), (1, True), (1, True)]

    def test_a_true_jump_is_gone_on_from(self):
        assert counted(read((0, 100), (1, 10**6), (2, 10**6 + 1), (3, 10**6 + 3))) == 3

    def test_a_spike_that_lasts_is_no_reset_when_it_ends(self):
        assert counted(read((0, 100), (1, 10**6), (2, 10**6), (3, 101), (4, 102))) == 1

    def test_a_dip_to_nothing_is_passed_over(self):
        assert counted(read((0, 100), (1, 0), (2, 101), (3, 102))) == 2

    def test_a_counter_that_is_restored_does_not_count_all_it_ever_made(self):
        assert counted(read((0, 5000), (1, 4990), (2, 4991))) == 1

    def test_leaps_are_measured_since_the_counter_moved_last(self):
        shots = [(second, 8 * (second // 80)) for second in range(0, 400)]
        assert counted(read(*shots)) == 32

    def test_standing_still_saves_up_for_a_quarter_hour_at_most(self):
        still = [(second, 0) for second in range(0, 7200, 60)]
        assert steps(read(*still, (7200, 273)))[-1] == (273, True)
        assert steps(read(*still, (7200, 274)))[-1] == (274, False)

    def test_time_between_two_readings_counts_in_full(self):
        assert steps(read((0, 0), (36_000, 3600)))[-1] == (3600, True)

    def test_a_trusted_reading_is_gone_on_from(self):
        assert steps(read((0, 100), (1, 10**6), (2, 101)), trusted=[("plc", "e1")])[-1] == (101, False)

    def test_a_baseline_is_never_implausible(self):
        assert steps(read((0, 5), (1, 10**6)), contact=lambda last, this: False) == [(0, True), (0, True)]


@pytest.mark.usefixtures("small_plant")
class TestCounters:
    def tell(self, *told, machine=None, name="parts", **what):
        for minute, value in told:
            report(machine or machine_of(), at(8, minute), "counter", name=name, value=value, **what)

    def test_processed_and_defective_pieces_add_up(self):
        self.tell((0, 0), (5, 10), name="processed.26")
        self.tell((0, 0), (5, 8), name="processed.27")
        self.tell((0, 0), (6, 3), name="defective.26")
        fold(machine_of(), NOW)
        assert total("good", "scrap", "rework") == (15, 3, 0)

    def test_a_counter_of_something_else_counts_no_pieces(self):
        self.tell((0, 0), (5, 10), name="strokes")
        fold(machine_of(), NOW)
        assert total("good") == (0,)

    def test_a_loss_of_contact_and_a_reading_of_one_moment_stand_in_their_order(self):
        machine = machine_of()
        self.tell((0, 100), sequence=1)
        self.tell((1, 101), sequence=2)
        state(machine, at(8, 1), "unknown", sequence=3)
        self.tell((1, 110), sequence=4)
        self.tell((2, 112), sequence=5)
        fold(machine, NOW)
        assert total("good") == (3,)

    def test_a_step_back_of_the_clock_is_no_reset(self):
        self.tell((0, 100), sequence=1)
        self.tell((4, 105), sequence=2)
        self.tell((2, 103), sequence=3)
        self.tell((5, 107), sequence=4)
        fold(machine_of(), NOW)
        assert total("good") == (7,)

    def test_a_reset_while_the_clock_steps_back_counts_from_0(self):
        self.tell((0, 100), sequence=1)
        self.tell((4, 105), sequence=2)
        self.tell((2, 0), sequence=3)
        self.tell((5, 2), sequence=4)
        fold(machine_of(), NOW)
        assert total("good") == (7,)

    def test_the_cycle_of_the_product_that_is_named_decides(self):
        product = Product.objects.get(code="P1")
        self.tell((0, 0), (1, 22), product=product)
        fold(machine_of(), NOW)
        assert total("good") == (0,)

    def test_late_readings_leave_what_a_recount_finds(self):
        machine = machine_of()
        told = [(minute, 10**6 if minute % 7 == 3 else minute) for minute in range(0, 59, 2)]
        for number in (*range(0, len(told), 3), *range(2, len(told), 3), *range(1, len(told), 3)):
            minute, value = told[number]
            self.tell((minute, value), machine=machine)
            fold_machine(machine=machine, from_at=at(8, minute), to_at=at(8, minute), now=at(10))
        assert stored(machine) == recounted(machine, at(10))
