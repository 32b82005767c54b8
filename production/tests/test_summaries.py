"""Summaries: figures of a small plant, by machine, line, shift, day and hour, with what must be said about them."""

import dataclasses
import datetime as dt
import zoneinfo

import pytest

from production import kpis
from production.models import Coverage, IdealCycle, Line, Machine, Product, Reason, Shift, Site, Summary
from production.rollups import fold_open_states
from production.summaries import SummarySpec, main_summary, read_strips, read_summary, spec_of
from production.tests.plant import MIDNIGHT, at, count, fold, machine_of, state

NOW = at(14)

pytestmark = pytest.mark.usefixtures("small_plant")


def read(window="today", now=NOW, **spec):
    return read_summary(spec=SummarySpec(title="Plant", window=window, **spec), now=now)


def codes(data):
    return [warning.code for warning in data.warnings]


def percent(ratio):
    return None if ratio.value is None else round(ratio.value * 100, 2)


def work(code, *states, made=0, scrap=0, at_hour=7, day=0):
    """Machine `code` in these (hour, state) from the first on; `made` good pieces and `scrap` at `at_hour`."""
    machine = machine_of(code)
    for hour, name in states:
        state(machine, at(hour, day=day), name)
    if made or scrap:
        count(machine, at(at_hour, day=day), good=made, scrap=scrap, product=Product.objects.get(code="P1"))
    return machine


def example():
    """The worked example of DOMAIN.md 1: 480 and 240 planned minutes, of which 400 and 60 were producing."""
    early = Shift.objects.get()
    IdealCycle.objects.filter(machine__code="M1").update(seconds=0.36 * 60)
    IdealCycle.objects.filter(machine__code="M2").update(seconds=2.5 * 60)
    first = work("M1", (6, "running"), made=990, scrap=10)
    state(first, at(12, 40), "idle")
    second = work("M2", (6, "running"), (7, "down"), made=10, scrap=10, at_hour=6)
    state(second, at(10), "planned_stop")
    for machine in (first, second):
        fold(machine, NOW)
    return early


class TestWorkedExample:
    def test_the_plants_oee_comes_from_sums(self):
        example()
        data = read()
        assert [percent(group.oee) for group in data.groups] == [74.25, 10.42]
        assert percent(data.totals.oee) == 52.97

    def test_oee_is_availability_times_performance_times_quality(self):
        example()
        totals = read().totals
        product = totals.availability.value * totals.performance.value * totals.quality.value
        assert totals.oee.value == pytest.approx(product)

    def test_every_grouping_has_the_same_total(self):
        example()
        found = {group_by: read(group_by=group_by) for group_by in ("machine", "line", "shift", "day")}
        assert len({data.totals for data in found.values()}) == 1
        for data in found.values():
            assert sum((group.elements for group in data.groups), kpis.Elements()) == data.totals.elements

    def test_the_trend_adds_up_to_the_total(self):
        example()
        data = read()
        assert sum((point.elements for point in data.trend), kpis.Elements()) == data.totals.elements
        assert [point.name for point in data.trend] == [f"{hour:02}:00" for hour in range(14)]


class TestEdges:
    def test_a_machine_out_of_contact_has_no_availability_rather_than_0(self):
        work("M1", (6, "unknown"), made=0)
        fold(machine_of(), NOW)
        assert read().groups[0].availability == kpis.Ratio(None, kpis.NO_DATA)

    def test_a_machine_without_events_has_no_data(self):
        fold(work("M1", (6, "running"), made=1), NOW)
        silent = read().groups[1]
        assert (silent.name, silent.oee) == ("Press 2", kpis.Ratio(None, kpis.NO_DATA))

    def test_pieces_that_are_not_recorded_are_not_0(self):
        fold(work("M1", (6, "running")), NOW)
        data = read()
        assert (data.totals.oee.why, data.totals.not_recorded) == ("pieces not recorded", ("good", "scrap", "rework"))
        assert (percent(data.totals.availability), data.totals.scrap_ratio.value) == (100.0, None)
        assert "not_recorded" in codes(data)

    def test_time_and_nothing_made_is_0_where_pieces_are_recorded(self):
        fold(work("M1", (6, "running"), made=5, day=-1), NOW, from_at=at(0, day=-1))
        machine = work("M1", (6, "down"))
        fold(machine, NOW)
        assert read().totals.oee == kpis.Ratio(0.0)

    def test_a_missing_ideal_cycle_leaves_no_oee(self):
        IdealCycle.objects.all().delete()
        fold(work("M1", (6, "running"), made=5), NOW)
        data = read()
        assert (data.totals.oee.why, "uncycled" in codes(data)) == (kpis.CYCLE_MISSING, True)

    def test_performance_over_100_percent_is_shown_and_warned_of(self):
        fold(work("M1", (6, "running"), made=4000), NOW)
        data = read(machines=(machine_of().pk,))
        assert (percent(data.totals.performance), "over_100" in codes(data)) == (138.89, True)


class TestWithoutShifts:
    def test_times_are_there_and_ratios_are_not_scheduled(self):
        Shift.objects.all().delete()
        fold(work("M1", (6, "running"), (8, "setup"), (9, "down"), (10, "running"), made=5), NOW)
        data = read()
        e = data.totals.elements
        assert (e.all_running_s, e.all_setup_s, e.all_down_s, e.good) == (6 * 3600, 3600, 3600, 5)
        assert data.totals.availability == data.totals.oee == kpis.Ratio(None, kpis.NOT_SCHEDULED)
        assert codes(data)[0] == "unscheduled"

    def test_a_shift_window_falls_back_and_says_so(self):
        Shift.objects.all().delete()
        fold(work("M1", (6, "running"), made=5), NOW)
        assert codes(read("current_shift"))[:2] == ["no_shift", "unscheduled"]

    def test_time_outside_the_shifts_is_seen_and_never_planned(self):
        machine = work("M1", (6, "running"), (12, "running"), made=5)
        state(machine, at(16), "planned_stop")
        fold(machine, at(17))
        e = read(now=at(17)).totals.elements
        assert (e.planned_busy_s, e.unscheduled_running_s) == (8 * 3600, 2 * 3600)

    def test_pieces_made_outside_the_shifts_do_not_swell_oee(self):
        machine = work("M1", (6, "running"), made=100)
        count(machine, at(15), good=50, product=Product.objects.get(code="P1"))
        fold(machine, at(16))
        totals = read(now=at(16)).totals
        assert (totals.elements.good, percent(totals.oee)) == (150, round(100 * 10 / (8 * 36), 2))


class TestGroups:
    def test_a_line_is_as_good_as_its_counting_point(self):
        example()
        Line.objects.update(counting_point=machine_of("M2"))
        assert [percent(line.oee) for line in read(group_by="line").groups] == [10.42]

    def test_time_outside_every_shift_is_a_row_of_its_own(self):
        machine = work("M1", (6, "running"), (12, "running"), made=5)
        fold(machine, at(16))
        groups = read(now=at(16), group_by="shift").groups
        assert [(group.name, group.elements.all_running_s) for group in groups] == [
            ("Early", 8 * 3600),
            ("Outside shifts", 2 * 3600),
        ]

    def test_a_night_shifts_hours_belong_to_the_evening(self):
        Shift.objects.update(starts=dt.time(22), ends=dt.time(6))
        machine = work("M1", (22, "running"), made=5, at_hour=23)
        fold(machine, at(9, day=1))
        days = {day.key: day.elements.running_s for day in read("last_7_days", now=at(9, day=1), group_by="day").groups}
        assert (days["2026-03-02"], days["2026-03-03"], len(days)) == (8 * 3600, 0, 7)

    def test_a_scope_of_lines_and_machines_is_their_union(self):
        site = Site.objects.get()
        other = Line.objects.create(tenant=site.tenant, site=site, code="L2", name="Line 2")
        Machine.objects.create(tenant=site.tenant, line=other, code="M3", name="Saw")
        data = read(lines=(other.pk,), machines=(machine_of("M1").pk,))
        assert ([group.name for group in data.groups], data.scope) == (["Press 1", "Saw"], ("Line 2", "Press 1"))


class TestEdgesOfShifts:
    def test_a_shift_that_starts_inside_a_quarter_hour_takes_its_own_part(self):
        Shift.objects.update(starts=dt.time(6, 5))
        fold(work("M1", (5, "running"), made=5), NOW)
        data = read("current_shift", now=at(13, 59))
        assert (data.totals.elements.running_s, data.totals.elements.all_running_s) == (7 * 3600 + 55 * 60,) * 2


class TestPareto:
    def stop(self, machine, hour, minutes, code):
        reason = Reason.objects.get(code=code) if code else None
        state(machine, at(hour), "down", reason=reason)
        state(machine, at(hour, minutes), "running")

    def test_unclassified_and_micro_stops_have_bars_of_their_own(self):
        machine = work("M1", (6, "running"), made=1)
        for hour, minutes, code in ((7, 30, "jam"), (8, 10, None), (9, 2, "jam"), (10, 2, None)):
            self.stop(machine, hour, minutes, code)
        fold(machine, NOW)
        bars = read().pareto
        assert [(bar.reason, bar.seconds, bar.stops, round(bar.cumulative, 3)) for bar in bars] == [
            ("Jam", 1800, 1, 0.682),
            ("Unclassified", 600, 1, 0.909),
            ("Micro-stops", 240, 2, 1.0),
        ]

    def test_equal_bars_are_in_a_stable_order_and_unclassified_is_there_when_empty(self):
        machine = work("M1", (6, "running"), made=1)
        Reason.objects.create(tenant=machine.tenant, code="air", name="Air")
        self.stop(machine, 7, 10, "jam")
        self.stop(machine, 8, 10, "air")
        fold(machine, NOW)
        assert [(bar.reason, bar.seconds) for bar in read().pareto] == [("Air", 600), ("Jam", 600), ("Unclassified", 0)]

    def test_its_bars_add_up_to_the_down_time_and_micro_stops(self):
        example()
        data = read()
        e = data.totals.elements
        assert sum(bar.seconds for bar in data.pareto) == e.all_down_s + e.all_micro_stop_s
        assert sum(bar.stops for bar in data.pareto) == e.stops + e.micro_stops


class TestComparison:
    def test_totals_are_set_against_the_stretch_before(self):
        fold(work("M1", (6, "running"), made=100, day=-1), NOW, from_at=at(0, day=-1))
        fold(work("M1", (6, "running"), made=200), NOW)
        data = read(machines=(machine_of().pk,))
        assert (data.compared.label, data.compared.totals.elements.good) == ("the day before", 100)
        assert read(compare_to="").compared is None


class TestWarnings:
    def test_nothing_reported_is_said_first(self):
        assert codes(read()) == ["no_events"]

    def test_old_figures_are_called_stale(self):
        fold(work("M1", (6, "running"), made=5), at(13))
        data = read(now=at(13))
        assert ("stale" in codes(data), data.freshness.age_s) == (True, 6 * 3600)

    def test_a_night_without_shifts_makes_nothing_stale(self):
        machine = work("M1", (6, "running"), made=5)
        state(machine, at(14), "planned_stop")
        fold(machine, at(20))
        assert "stale" not in codes(read(now=at(20)))

    def test_lost_contact_is_said_with_its_share(self):
        machine = work("M1", (6, "running"), (10, "unknown"), made=5)
        fold(machine, NOW)
        assert next(w.text for w in read().warnings if w.code == "unknown_share").startswith(
            "50.0 % of planned busy time (4 h)"
        )

    def test_an_open_quarter_hour_is_provisional(self):
        fold(work("M1", (6, "running"), made=5), at(13, 5))
        assert read(now=at(13, 5)).freshness.provisional
        fold_open_states(now=at(13, 15))
        assert not read("custom", from_at=at(6), to_at=at(13), now=at(13, 15)).freshness.provisional


class TestSpecs:
    def test_the_main_summary_is_made_once(self):
        assert main_summary() == main_summary()
        assert list(Summary.objects.values_list("name", "is_main")) == [("Plant", True)]

    def test_a_summary_that_has_the_name_becomes_the_main_one(self):
        summary = Summary.objects.create(tenant=machine_of().tenant, name="Plant", window="today")
        assert (main_summary().pk, main_summary().window) == (summary.pk, "today")

    def test_a_choice_on_the_page_takes_the_place_of_the_definition(self):
        summary = main_summary()
        summary.machines.add(machine_of())
        line = Line.objects.get()
        chosen = spec_of(summary, window="custom", from_at=at(6), to_at=at(7), line_id=line.pk)
        own = spec_of(summary)
        assert (chosen.window, chosen.from_at, chosen.lines, chosen.machines) == ("custom", at(6), (line.pk,), ())
        assert (own.window, own.from_at, own.lines, own.machines) == ("last_7_days", None, (), (machine_of().pk,))


class TestCost:
    @pytest.mark.parametrize("machines", [1, 3])
    def test_it_reads_in_eight_queries_at_most_however_many_machines(self, machines, django_assert_num_queries):
        site = Site.objects.get()
        Machine.objects.exclude(code="M1").delete()
        for number in range(1, machines):
            Machine.objects.create(tenant=site.tenant, line=Line.objects.get(), code=f"N{number}", name=f"N{number}")
        for machine in Machine.objects.all():
            fold(work(machine.code, (6, "running"), (8, "down"), (9, "running")), NOW)
        with django_assert_num_queries(8):
            data = read("last_7_days")
        assert len(data.groups) == machines

    @pytest.mark.parametrize("machines", [1, 2])
    def test_strips_are_read_in_nine_queries_however_many_machines(self, machines, django_assert_num_queries):
        codes = ["M1", "M2"][:machines]
        for code in codes:
            work(code, (6, "running"), (8, "down"), (9, "running"))
        spec = SummarySpec(title="x", window="today", machines=tuple(machine_of(code).pk for code in codes))
        with django_assert_num_queries(9):
            strips = read_strips(spec=spec, now=NOW)
        assert [strip.machine_name for strip in strips] == ["Press 1", "Press 2"][:machines]


class TestStrips:
    def segments(self, window="today", now=NOW, **spec):
        strip = read_strips(spec=SummarySpec(title="x", window=window, **spec), now=now)[0]
        return strip, [(s.start, s.end, s.state, s.reason) for s in strip.segments]

    def test_they_show_the_states_as_they_were(self):
        machine = work("M1", (7, "running"), day=-1)
        count(machine, at(23, day=-1), good=1)
        state(machine, at(5), "down", until=at(8), reason=Reason.objects.get(code="jam"))
        state(machine, at(9), "running")
        _, segments = self.segments(now=at(10))
        assert segments == [
            (at(0), at(5), "running", ""),
            (at(5), at(8), "down", "Jam"),
            (at(8), at(10), "running", ""),
        ]

    def test_silence_is_shown_as_unknown(self):
        work("M1", (7, "running"), day=-1)
        work("M1", (12, "running"))
        _, segments = self.segments()
        assert segments == [(at(0), at(12), "unknown", ""), (at(12), at(14), "running", "")]

    def test_they_agree_with_the_rollups(self):
        example()
        strips = read_strips(spec=SummarySpec(title="x", window="current_shift"), now=NOW - dt.timedelta(minutes=1))
        running = sum((s.end - s.start).total_seconds() for t in strips for s in t.segments if s.state == "running")
        assert running == read().totals.elements.running_s

    def test_of_a_long_window_the_last_24_hours_are_shown_and_said_to_be(self):
        strip, _ = self.segments("last_7_days")
        assert (strip.from_at, strip.to_at) == (at(14, day=-1), NOW)
        assert strip.label.startswith("the last 24 h of: last 7 days")

    def test_the_open_state_is_marked(self):
        work("M1", (7, "down"))
        strip, _ = self.segments(now=at(9))
        assert [s.open for s in strip.segments] == [False, True]


class TestFrozen:
    def test_what_leaves_the_room_cannot_be_changed(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            read().title = "x"

    def test_its_zone_is_the_sites(self):
        data = read()
        assert data.period.from_at.astimezone(zoneinfo.ZoneInfo(data.period.zone)).hour == 0
        assert (data.period.zone, data.period.from_at, Coverage.objects.count()) == ("Europe/Warsaw", MIDNIGHT, 0)
