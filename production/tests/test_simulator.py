"""Simulator: the same seed gives the same plant, its figures are a plant's, and what is planted can be found."""

import datetime as dt
from collections import Counter
from dataclasses import replace

import pytest
from django.db.models import Sum

from mesassist.tenants.scope import tenant_scope
from production.kpis import Elements, oee, performance
from production.models import Event, LossRollup, Machine, Reason, Rollup, Shift
from production.simulator import ALFA, BETA, Slot, Story, fill_plant, simulate
from production.timeline import read_timeline

# A Thursday morning in Warsaw and Berlin, in the early shift.
NOW = dt.datetime(2026, 3, 5, 9, 41, 7, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def slots_of(days):
    """Three shifts a day, in UTC, up to the end of the day of NOW."""
    midnight = NOW.replace(hour=0, minute=0, second=0)
    hour = dt.timedelta(hours=1)
    return [
        Slot(day + start * hour, day + (start + 8) * hour, name, day.date())
        for day in (midnight - back * DAY for back in range(days, -1, -1))
        for name, start in (("Early", 6), ("Late", 14), ("Night", 22))
    ]


def told(plan, *, from_at, to_at=NOW, seed=1, days=4):
    story = Story(begins=(NOW - 56 * DAY).date(), ends=NOW.date())
    return list(simulate(plan=plan, slots=slots_of(days), story=story, seed=seed, from_at=from_at, to_at=to_at))


class TestSimulate:
    def test_the_same_seed_tells_the_same(self):
        assert told(ALFA, from_at=NOW - DAY) == told(ALFA, from_at=NOW - DAY)

    def test_another_seed_tells_something_else(self):
        assert told(ALFA, from_at=NOW - DAY) != told(ALFA, from_at=NOW - DAY, seed=2)

    def test_two_plants_share_no_machine(self):
        alfa, beta = ({event.machine for event in told(plan, from_at=NOW - DAY)} for plan in (ALFA, BETA))
        assert (len(alfa), len(beta), alfa & beta) == (9, 8, set())

    @pytest.mark.parametrize("plan", [ALFA, BETA], ids=["alfa", "beta"])
    def test_it_stays_in_its_time_and_its_words(self, plan):
        events = told(plan, from_at=NOW - 2 * DAY)
        assert all(NOW - 2 * DAY <= event.at < NOW for event in events)
        assert max(Counter((event.event_id) for event in events).values()) == 1
        reasons = {getattr(event, "reason", None) for event in events} - {None}
        assert reasons <= {reason.code for reason in plan.reasons}

    @pytest.mark.parametrize("plan", [ALFA, BETA], ids=["alfa", "beta"])
    def test_its_end_looks_alive(self, plan):
        events = told(plan, from_at=NOW - DAY)
        last = {}
        for event in sorted((e for e in events if e.__struct_config__.tag == "state"), key=lambda e: e.at):
            last[event.machine] = event
        assert (last[plan.down_now].state, last[plan.down_now].reason) == ("down", plan.down_now_reason)
        assert NOW - last[plan.jammed_now].at == dt.timedelta(seconds=35)
        assert last[plan.jammed_now].state == "down"
        assert NOW - max(event.at for event in events) < dt.timedelta(minutes=1)

    def test_scrap_bursts_on_two_working_days_of_the_last_week(self):
        story = Story(begins=dt.date(2026, 1, 8), ends=dt.date(2026, 3, 5))
        assert story.burst_days == (dt.date(2026, 3, 3), dt.date(2026, 3, 2))
        assert replace(story, ends=dt.date(2026, 3, 2)).burst_days == (dt.date(2026, 2, 27), dt.date(2026, 2, 26))


@pytest.fixture(scope="class")
def short_plan():
    """Alfa's first line with the planted machines alone, so that weeks take seconds."""
    line = ALFA.lines[0]
    machines = tuple(machine for machine in line.machines if machine.code in ("LB1", "FI1"))
    return replace(
        ALFA,
        lines=(replace(line, machines=machines),),
        planted=replace(ALFA.planted, burst_machine="FI1"),
        down_now="LB1",
        down_now_reason="label-roll",
    )


@pytest.mark.django_db
class TestFillPlant:
    @pytest.fixture
    def fill(self, alfa, short_plan):
        def fill(now=NOW, weeks=2):
            return fill_plant(tenant=alfa, plan=short_plan, seed=3, weeks=weeks, now=now)

        return fill

    def elements(self, **where):
        names = ("running_s", "idle_s", "setup_s", "planned_stop_s", "down_s", "micro_stop_s", "unknown_s", "good")
        names += ("scrap", "rework", "ideal_produced_s", "ideal_good_s", "uncycled")
        rows = Rollup.objects.filter(shift__isnull=False, **where)
        return Elements(**{name: value or 0 for name, value in rows.aggregate(**{n: Sum(n) for n in names}).items()})

    def test_the_figures_are_those_of_a_plant(self, fill, alfa):
        filled = fill()
        with tenant_scope(alfa):
            assert Event.objects.count() == filled.events
            assert {reason.loss_class for reason in Reason.objects.all()} == {
                "planned", "unplanned", "setup", "micro_stop", "quality",
            }  # fmt: skip
            assert Shift.objects.count() == 3
            for machine in Machine.objects.all():
                sums = self.elements(machine=machine)
                assert 0.55 < oee(sums).value < 0.80
                assert performance(sums).value < 1
                assert sums.unknown_s == 0

    def test_what_is_planted_can_be_found(self, fill, alfa, short_plan):
        fill()
        with tenant_scope(alfa):
            edges = (NOW - 9 * DAY, NOW - 5 * DAY)
            before = performance(self.elements(machine__code="LB1", bucket__lt=edges[0])).value
            after = performance(self.elements(machine__code="LB1", bucket__gte=edges[1])).value
            assert after < before - 0.05
            changes = LossRollup.objects.filter(state="setup")
            lasts = {
                name: sum(changes.filter(shift__name=name).values_list("seconds", flat=True))
                / sum(changes.filter(shift__name=name).values_list("stops", flat=True))
                for name in ("Early", "Late", "Night")
            }
            assert lasts["Night"] > 1.5 * max(lasts["Early"], lasts["Late"])
            bursts = Event.objects.filter(reason__code=short_plan.planted.burst_reason)
            assert set(bursts.values_list("machine__code", "product__code")) == {("FI1", "LEM-05")}

    def test_the_same_again_adds_nothing(self, fill):
        fill(weeks=1)
        assert fill(now=NOW + dt.timedelta(minutes=30), weeks=1).events == 0

    def test_a_day_later_it_goes_on(self, fill, alfa):
        fill(weeks=1)
        later = NOW + DAY
        filled = fill(now=later, weeks=1)
        assert NOW - dt.timedelta(minutes=1) < filled.from_at <= NOW
        with tenant_scope(alfa):
            assert Event.objects.filter(at__gte=filled.from_at).count() == filled.events > 300
            machine = Machine.objects.get(code="LB1")
            intervals = read_timeline(machine=machine, from_at=NOW - DAY, to_at=later, now=later)
            assert {interval.state for interval in intervals} <= {"running", "idle", "setup", "planned_stop", "down"}
            shortly_before = NOW - dt.timedelta(minutes=5)
            stops = [interval for interval in intervals if interval.start < shortly_before < interval.end]
            assert [(stop.state, stop.seconds < 3600) for stop in stops] == [("down", True)]

    def test_a_plant_that_rested_for_long_starts_again(self, fill):
        fill(weeks=1)
        later = NOW + 30 * DAY
        assert fill(now=later, weeks=1).from_at > later - 8 * DAY
