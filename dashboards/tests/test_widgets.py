"""Widgets: tiles, their arithmetic and their changes, from figures alone."""

import datetime as dt
from dataclasses import replace

import pytest

from dashboards.charts import pareto_chart, say_pareto, say_trend, shorten_pareto, tick_of, trend_chart
from dashboards.widgets import build_tiles, percent_of_width
from production import kpis
from production.kpis import Elements
from production.models import Metric
from production.summaries import Compared, Figures, Freshness, ParetoBar, Period, SummaryData

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
PERIOD = Period(NOON - dt.timedelta(hours=6), NOON, "Europe/Warsaw", "today")
# DOMAIN.md 1, machine 1, in seconds.
ELEMENTS = Elements(
    running_s=24_000, down_s=4_800, good=990, scrap=10, ideal_produced_s=21_600, ideal_good_s=21_384, stops=3
)


def figures(elements, key="all", name="all", not_recorded=()):
    ratios = [
        getattr(kpis, part)(elements) for part in ("oee", "availability", "performance", "quality", "scrap_ratio")
    ]
    return Figures(key, name, elements, *ratios, not_recorded)


def data(elements=ELEMENTS, before=None, **more):
    plain = {
        "title": "Plant", "period": PERIOD, "freshness": Freshness(NOON, 0, NOON, False), "scope": (),
        "metrics": tuple(Metric.values), "group_by": "machine", "totals": figures(elements),
        "compared": Compared("the day before", PERIOD, figures(before)) if before else None,
        "groups": (), "pareto": (), "trend": (), "warnings": (), "definitions": (), "read_at": NOON,
    }  # fmt: skip
    return SummaryData(**plain | more)


def tile(key, *args, **kwargs):
    return next(one for one in build_tiles(data(*args, **kwargs)) if one.key == key)


class TestTiles:
    def test_they_follow_the_metrics_of_the_summary(self):
        assert [one.key for one in build_tiles(data(metrics=("down", "oee")))] == ["oee", "down"]

    def test_oee_shows_its_formula_with_the_numbers_put_in(self):
        oee = tile("oee")
        assert (oee.value, oee.worked) == ("74.2 %", "5 h 56 min ÷ 8 h = 74.2 %")
        assert oee.product == "83.3 % × 90.0 % × 99.0 %"

    def test_what_cannot_be_said_is_said_in_words(self):
        oee = tile("oee", Elements())
        assert (oee.value, oee.known, oee.bar, oee.product) == (kpis.NOT_SCHEDULED, False, "", "")

    def test_over_100_percent_is_shown_as_it_is_and_flagged(self):
        performance = tile("performance", replace(ELEMENTS, ideal_produced_s=25_000))
        assert (performance.value, performance.bar) == ("104.2 %", "100.0%")
        assert performance.aside.startswith("Over 100 %")

    def test_pieces_that_nobody_records_are_not_0(self):
        totals = figures(ELEMENTS, not_recorded=("scrap", "rework"))
        scrap = tile("scrap", totals=totals)
        assert (scrap.value, scrap.known, scrap.aside) == ("not recorded", False, "")
        assert (
            tile("good", totals=totals).worked == "990 good + not recorded scrap + not recorded rework = 1,000 produced"
        )

    @pytest.mark.parametrize(
        ("key", "before", "text", "verdict"),
        [
            ("oee", replace(ELEMENTS, ideal_good_s=20_000), "+4.8 percentage points", "better"),
            ("good", replace(ELEMENTS, good=1100), "-10.0 %", "worse"),
            ("scrap", replace(ELEMENTS, scrap=5), "+100.0 %", "worse"),
            ("down", replace(ELEMENTS, down_s=7_200), "-40 min", "better"),
            ("down", ELEMENTS, "0 min", "same"),
        ],
    )
    def test_a_change_says_whether_it_is_better(self, key, before, text, verdict):
        delta = tile(key, before=before).delta
        assert (delta.text, delta.verdict, delta.against) == (text, verdict, "the day before")

    def test_without_a_comparison_there_is_no_change(self):
        assert [one.delta for one in build_tiles(data())] == [None] * 7

    @pytest.mark.parametrize(("share", "width"), [(None, ""), (0.5, "50.0%"), (1.4, "100.0%"), (-1.0, "0.0%")])
    def test_a_bar_ends_at_its_frame(self, share, width):
        assert percent_of_width(share) == width


def bars(*seconds):
    return tuple(ParetoBar(f"R{number}", "unplanned", value, 1, 0.05, 0.5) for number, value in enumerate(seconds))


class TestCharts:
    def test_the_trend_keeps_gaps_as_gaps(self):
        trend = (figures(ELEMENTS, "2026-03-01", "Sun 1 Mar 2026"), figures(Elements(), "2026-03-02", "Mon 2 Mar 2026"))
        chart = trend_chart(data(trend=trend))
        assert chart["ticks"] == ["1 Mar", "2 Mar"]
        assert chart["series"][0]["values"] == [kpis.oee(ELEMENTS).value, None]
        assert chart["series"][0]["texts"] == ["74.2 %", kpis.NOT_SCHEDULED]

    def test_an_hour_is_its_own_tick(self):
        assert tick_of(figures(ELEMENTS, "2026-03-02T07:00:00+00:00", "08:00")) == "08:00"

    @pytest.mark.parametrize(
        ("known", "said"),
        [
            (0, "No OEE can be given for this period."),
            (1, "OEE 74.2 % on D0."),
            (2, "OEE between 74.2 % (D0) and 74.2 % (D1)."),
        ],
    )
    def test_the_trend_is_also_a_sentence(self, known, said):
        assert say_trend(data(trend=tuple(figures(ELEMENTS, "", f"D{number}") for number in range(known)))) == said

    def test_many_reasons_become_one_bar_but_never_the_unclassified(self):
        many = (*bars(*range(20, 5, -1)), ParetoBar("Unclassified", "", 1, 1, 0.01, 1.0))
        short = shorten_pareto(many)
        assert [bar.reason for bar in short[-2:]] == ["Unclassified", "6 other reasons"]
        assert sum(bar.seconds for bar in short) == sum(bar.seconds for bar in many)
        assert len(short) == 11

    def test_few_reasons_stay_as_they_are(self):
        assert shorten_pareto(bars(3, 2, 1)) == bars(3, 2, 1)

    def test_the_pareto_is_also_a_sentence(self):
        assert say_pareto(data()) == "No down time in this period."
        assert say_pareto(data(pareto=bars(60))).startswith("Most time went to R0: 1 min, 5.0 %")

    def test_a_bar_says_its_time_stops_and_share(self):
        (bar,) = pareto_chart(data(pareto=bars(60)))["bars"]
        assert bar["said"] == "R0\n1 min, 1 stop\n5.0 % of all down time and micro-stops"
