"""Dailies: whole days and edges together say exactly what the quarter hours say, in any zone and window."""

import datetime as dt
import random
from collections import Counter
from itertools import pairwise

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from production.calendar import QUARTER, quarter_after
from production.dailies import cut_days, rewrite_days
from production.figures import read_losses, read_sums, wholes_of
from production.models import DailyLoss, DailyRollup, LossRollup, Reason, Rollup, Shift, Site
from production.rollups import fold_machine
from production.tests.plant import at, count, machine_of, state
from production.windows import Period, resolve_window

pytestmark = pytest.mark.usefixtures("small_plant")

# Summer time begins and ends, at midnight, by half an hour, and not at all.
ZONES = [
    ("Europe/Warsaw", dt.date(2026, 3, 29)),
    ("Europe/Warsaw", dt.date(2025, 10, 26)),
    ("America/Havana", dt.date(2026, 3, 8)),
    ("Asia/Beirut", dt.date(2025, 10, 26)),
    ("Australia/Lord_Howe", dt.date(2026, 4, 5)),
    ("Asia/Kathmandu", dt.date(2026, 1, 7)),
    ("UTC", dt.date(2026, 2, 28)),
]
PLANS = [
    [],
    [((6, 0), (14, 0))],
    [((6, 0), (14, 0)), ((14, 0), (22, 0)), ((22, 0), (6, 0))],
    [((22, 10), (6, 10)), ((6, 10), (14, 5))],
    [((0, 0), (0, 0))],
]
DAYS = 6


def make_life(machine, zone, first, plan, seed):
    """Six days of quarter hours with sums that add up exactly, some missing; as the fold would write them."""
    Shift.objects.all().delete()
    site = machine.line.site
    Site.objects.filter(pk=site.pk).update(zone=zone)
    site.zone = zone
    shifts = [
        Shift.objects.create(
            tenant=machine.tenant,
            site=site,
            name=f"S{n}",
            starts=dt.time(*starts),
            ends=dt.time(*ends),
            weekdays=[1, 2, 3, 4, 5, 7],
        )
        for n, (starts, ends) in enumerate(plan)
    ]
    dice = random.Random(seed)
    start = dt.datetime.combine(first, dt.time(3), dt.UTC) - 3 * dt.timedelta(days=1)
    moment, written = start, []
    while moment < start + dt.timedelta(days=DAYS):
        length = QUARTER * dice.randint(1, 9)
        state(machine, moment, dice.choice(["running", "down", "down", "setup", "idle"]), until=moment + length)
        if dice.random() < 0.3:
            count(machine, moment, good=dice.randint(0, 9), scrap=1)
        moment += length + QUARTER * dice.choice([0, 0, 0, 5])
        written.append(moment)
    fold_machine(machine=machine, from_at=start, to_at=moment, now=moment + dt.timedelta(hours=1))
    # Late news, so that days are rewritten, and cut by other shifts than before.
    late = dice.choice(written)
    state(machine, late, "down", reason=Reason.objects.get(code="jam"), until=late + QUARTER)
    if dice.random() < 0.5 and shifts:
        Shift.objects.filter(pk=shifts[0].pk).update(ends=dt.time(5, 45))
    fold_machine(machine=machine, from_at=late, to_at=late, now=moment + dt.timedelta(hours=1))
    return start, moment


def fine_only(machine, period, **options):
    """The same sums from the quarter hours alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("production.figures.whole_days", lambda model, ids, period: model.objects.none())
        return summed(machine, period, **options), losses(machine, period)


def summed(machine, period, **options):
    """Sums by shift and day (and hour); rows that say the same are added up."""
    sums = {}
    for row in read_sums(machine_ids=[machine.pk], period=period, **options):
        key = (row.shift_id, row.day, row.hour)
        before = sums.get(key, (False, [0] * len(row.elements)))
        sums[key] = (before[0] or row.provisional, [a + b for a, b in zip(before[1], row.elements, strict=True)])
    return sums


def losses(machine, period):
    found = Counter()
    for row in read_losses(machine_ids=[machine.pk], period=period):
        found[row.reason, row.loss_class, row.micro, "seconds"] += row.seconds
        found[row.reason, row.loss_class, row.micro, "stops"] += row.stops
    return found


class TestExactness:
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.sampled_from(ZONES), st.sampled_from(PLANS), st.integers(0, 10**6), st.data())
    def test_days_and_edges_are_the_sums_of_the_quarter_hours(self, place, plan, seed, data):
        with transaction.atomic():
            zone, first = place
            machine = machine_of()
            start, end = make_life(machine, zone, first, plan, seed)
            assert DailyRollup.objects.count() > 0
            shifts = list(Shift.objects.all())
            quarters = st.integers(-8, int((end - start) / QUARTER) + 8)
            for _ in range(4):
                one, other = sorted((data.draw(quarters), data.draw(quarters)))
                custom = Period(start + one * QUARTER, start + (other + 1) * QUARTER, zone, "custom")
                now = start + data.draw(quarters) * QUARTER + dt.timedelta(minutes=data.draw(st.integers(0, 14)))
                for period in (
                    custom,
                    Period(custom.from_at, custom.to_at, "Asia/Tokyo", "somebody else's clock"),
                    resolve_window(window="last_7_days", shifts=shifts, zone=zone, now=now),
                    resolve_window(window="yesterday", shifts=shifts, zone=zone, now=now),
                    resolve_window(window="last_shift", shifts=shifts, zone=zone, now=now),
                ):
                    assert (summed(machine, period), losses(machine, period)) == fine_only(machine, period)
            transaction.set_rollback(True)

    def test_a_window_of_whole_days_reads_no_quarter_hour(self, django_assert_num_queries):
        machine = machine_of()
        state(machine, at(6), "running", until=at(14))
        state(machine, at(6, day=2), "running", until=at(14, day=2))
        fold_machine(machine=machine, from_at=at(6), to_at=at(14, day=2), now=at(20, day=2))
        period = Period(at(0), at(0, day=3), "Europe/Warsaw", "three days")
        with django_assert_num_queries(1):
            rows = read_sums(machine_ids=[machine.pk], period=period)
        assert [(row.day, row.elements[0]) for row in sorted(rows) if row.elements[0]] == [
            (dt.date(2026, 3, 2), 8 * 3600.0),
            (dt.date(2026, 3, 4), 8 * 3600.0),
        ]

    def test_the_days_of_a_machine_without_history_are_read_beside_those_of_another(self):
        one, other = machine_of("M1"), machine_of("M2")
        state(one, at(6), "running", until=at(14))
        fold_machine(machine=one, from_at=at(6), to_at=at(14), now=at(20, day=4))
        state(other, at(6, day=3), "running", until=at(7, day=3))
        fold_machine(machine=other, from_at=at(6, day=3), to_at=at(7, day=3), now=at(7, 30, day=3))
        period = Period(at(0), at(8, day=3), "Europe/Warsaw", "custom")
        rows = read_sums(machine_ids=[one.pk, other.pk], period=period)
        assert sum(row.elements[0] for row in rows) == 9 * 3600


class TestRewriting:
    def test_a_fold_recounts_the_days_it_touched(self):
        machine = machine_of()
        state(machine, at(6), "running", until=at(14))
        fold_machine(machine=machine, from_at=at(6), to_at=at(14), now=at(20))
        DailyRollup.objects.update(running_s=-1)
        state(machine, at(7), "down", until=at(8))
        fold_machine(machine=machine, from_at=at(7), to_at=at(8), now=at(20))
        sums = DailyRollup.objects.filter(shift__name="Early").values_list("running_s", "down_s", "stops", "day")
        assert list(sums) == [(7 * 3600, 3600, 1, dt.date(2026, 3, 2))]
        assert list(DailyLoss.objects.values_list("state", "seconds", "stops")) == [("down", 3600, 1)]

    def test_days_that_were_cut_otherwise_are_taken_apart(self):
        machine = machine_of()
        Shift.objects.all().delete()
        state(machine, at(6), "running", until=at(14, day=2))
        fold_machine(machine=machine, from_at=at(6), to_at=at(14, day=2), now=at(14, day=2))
        Shift.objects.create(
            tenant=machine.tenant,
            site=machine.line.site,
            name="Night",
            starts=dt.time(22),
            ends=dt.time(6),
            weekdays=[1, 2, 3, 4, 5, 6, 7],
        )
        state(machine, at(23), "down", until=at(23, 30))
        fold_machine(machine=machine, from_at=at(23), to_at=at(23, 30), now=at(14, day=2))
        blocks = list(DailyRollup.objects.order_by("starts_at").values_list("starts_at", "ends_at").distinct())
        assert all(one[1] <= other[0] for one, other in pairwise(blocks))
        assert sum(DailyRollup.objects.values_list("running_s", flat=True)) == 55.5 * 3600
        assert sum(DailyLoss.objects.values_list("seconds", flat=True)) == 1800

    def test_nothing_is_left_of_days_without_quarter_hours(self):
        machine = machine_of()
        state(machine, at(6), "running", until=at(14))
        fold_machine(machine=machine, from_at=at(6), to_at=at(14), now=at(20))
        Rollup.objects.all().delete()
        LossRollup.objects.all().delete()
        rewrite_days(machine=machine, shifts=[], zone="Europe/Warsaw", from_at=at(6), to_at=at(14))
        assert DailyRollup.objects.count() == 0


class TestCutting:
    def test_a_day_ends_with_its_night_shift(self):
        site = Site.objects.get()
        Shift.objects.create(
            tenant=site.tenant, site=site, name="N", starts=dt.time(22), ends=dt.time(6, 10), weekdays=[1, 2, 3, 4, 5]
        )
        edges = cut_days(shifts=list(Shift.objects.all()), zone=site.zone, from_at=at(12), to_at=at(7, day=1))
        assert edges == [at(0), at(6, 15, day=1), at(6, 15, day=2)]

    @pytest.mark.parametrize(("zone", "day"), ZONES)
    def test_every_edge_is_a_whole_quarter_hour(self, zone, day):
        from_at = dt.datetime.combine(day, dt.time(), dt.UTC) - 2 * dt.timedelta(days=1)
        edges = cut_days(shifts=[], zone=zone, from_at=from_at, to_at=from_at + 5 * dt.timedelta(days=1))
        assert edges == sorted(set(edges))
        assert [quarter_after(edge) for edge in edges] == edges
        assert edges[0] <= from_at < edges[1]


class TestWholes:
    def test_machines_with_the_same_days_are_read_together(self):
        days = [(1, at(0), at(0, day=1)), (2, at(0), at(0, day=1)), (1, at(0, day=1), at(0, day=2)), (3, at(5), at(6))]
        days.append((2, at(0, day=1), at(0, day=2)))
        assert wholes_of(days) == {(at(0), at(0, day=2)): [1, 2], (at(5), at(6)): [3]}
