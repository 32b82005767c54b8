"""KPIs: the worked examples, the edge answers and the identities of DOMAIN.md 1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from production import kpis
from production.kpis import Elements

MINUTE = 60.0
MACHINE_1 = Elements(
    running_s=400 * MINUTE,
    idle_s=80 * MINUTE,
    good=990,
    scrap=10,
    ideal_produced_s=360 * MINUTE,
    ideal_good_s=990 * 0.36 * MINUTE,
)
MACHINE_2 = Elements(
    running_s=60 * MINUTE,
    down_s=180 * MINUTE,
    good=10,
    scrap=10,
    ideal_produced_s=50 * MINUTE,
    ideal_good_s=25 * MINUTE,
)

# To the microsecond, as events have them.
seconds = st.integers(0, 10**12).map(lambda microseconds: microseconds / 1e6)
pieces = st.integers(0, 100_000)


@st.composite
def worked(draw):
    """Elements of a machine with one ideal cycle."""
    cycle = draw(st.floats(0.001, 1000))
    good, scrap, rework = draw(pieces), draw(pieces), draw(pieces)
    names = ("running_s", "idle_s", "setup_s", "down_s", "micro_stop_s", "unknown_s", "planned_stop_s")
    times = draw(st.fixed_dictionaries(dict.fromkeys(names, seconds)))
    return Elements(
        **times,
        good=good,
        scrap=scrap,
        rework=rework,
        ideal_produced_s=cycle * (good + scrap + rework),
        ideal_good_s=cycle * good,
    )


def percent(ratio):
    return round(ratio.value * 100, 2)


class TestWorkedExample:
    def test_it_gives_each_machine_its_oee(self):
        assert (percent(kpis.oee(MACHINE_1)), percent(kpis.oee(MACHINE_2))) == (74.25, 10.42)

    def test_it_adds_sums_and_never_averages_percentages(self):
        assert percent(kpis.oee(MACHINE_1 + MACHINE_2)) == 52.97

    def test_it_weighs_quality_by_time(self):
        assert percent(kpis.quality(MACHINE_1 + MACHINE_2)) == round(381.4 / 410 * 100, 2)


class TestIdentities:
    @given(worked())
    def test_oee_is_availability_times_performance_times_quality(self, elements):
        parts = [kpis.availability(elements), kpis.performance(elements), kpis.quality(elements)]
        if all(part.value is not None for part in parts):
            product = parts[0].value * parts[1].value * parts[2].value
            assert kpis.oee(elements).value == pytest.approx(product)

    @given(worked(), st.floats(1, 10))
    def test_teep_is_never_above_oee(self, elements, factor):
        oee = kpis.oee(elements)
        teep = kpis.teep(elements, calendar_s=elements.planned_busy_s * factor)
        assert (oee.value is None) == (teep.value is None)
        if oee.value is not None:
            assert teep.value <= oee.value * (1 + 1e-9)

    @given(worked(), worked())
    def test_sums_do_not_care_about_the_order(self, one, other):
        assert one + other == other + one


class TestEdges:
    def test_it_says_not_scheduled_without_planned_busy_time(self):
        elements = Elements(planned_stop_s=3600, unscheduled_running_s=100, good=5)
        answers = {f(elements) for f in (kpis.availability, kpis.performance, kpis.oee)}
        assert answers == {kpis.Ratio(None, kpis.NOT_SCHEDULED)}

    def test_it_gives_0_when_there_was_time_and_nothing_was_made(self):
        assert kpis.oee(Elements(down_s=3600)) == kpis.Ratio(0.0)

    def test_it_says_no_data_when_there_was_no_contact_at_all(self):
        elements = Elements(unknown_s=3600)
        assert kpis.availability(elements) == kpis.oee(elements) == kpis.Ratio(None, kpis.NO_DATA)

    def test_it_counts_pieces_though_the_states_are_unknown(self):
        assert kpis.oee(Elements(unknown_s=100, good=5, ideal_produced_s=50, ideal_good_s=50)) == kpis.Ratio(0.5)

    def test_it_says_nothing_ran_without_producing_time(self):
        assert kpis.performance(Elements(down_s=3600)) == kpis.Ratio(None, kpis.NOTHING_RAN)

    def test_it_refuses_performance_where_an_ideal_cycle_is_missing(self):
        elements = Elements(running_s=3600, good=10, ideal_produced_s=50, ideal_good_s=50, uncycled=5)
        assert kpis.performance(elements) == kpis.oee(elements) == kpis.Ratio(None, kpis.CYCLE_MISSING)

    def test_it_still_knows_quality_without_ideal_cycles(self):
        assert kpis.quality(Elements(running_s=3600, good=9, scrap=1, uncycled=10)) == kpis.Ratio(0.9)

    def test_it_says_nothing_produced_for_quality_and_scrap_of_nothing(self):
        assert (
            kpis.quality(Elements(running_s=1)) == kpis.scrap_ratio(Elements()) == kpis.Ratio(None, kpis.NOTHING_MADE)
        )

    def test_it_shows_and_flags_performance_over_100_percent(self):
        ratio = kpis.performance(Elements(running_s=100, good=20, ideal_produced_s=200, ideal_good_s=200))
        assert (ratio.value, ratio.flagged) == (2.0, True)

    def test_it_says_no_failure_for_mtbf_without_a_stop(self):
        assert kpis.mean_time_between_failures(Elements(running_s=100)) == kpis.Ratio(None, kpis.NO_FAILURE)

    def test_rework_is_produced_but_not_good(self):
        elements = Elements(running_s=100, good=8, scrap=1, rework=1, ideal_produced_s=10, ideal_good_s=8)
        assert (kpis.quality(elements).value, kpis.rework_ratio(elements).value) == (0.8, 0.1)
