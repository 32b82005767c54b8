"""Measure: the arithmetic of ratios and the line that CONTRACT.md 1 promises."""

import json

import pytest

from bench.__main__ import scripts
from bench.measure import compare, measured, print_line, ratio_of, take_turns

KEYS = ["bench", "ours", "peer", "limit", "ratio_to_peer", "ratio_to_limit", "unit", "n", "samples"]


def told(*costs):
    """A candidate that tells these costs, one after the other."""
    left = list(costs)
    return lambda: left.pop(0)


class TestRatioOf:
    def test_more_throughput_is_better(self):
        assert ratio_of([300], [100], better="throughput") == 3

    def test_less_time_is_better(self):
        assert ratio_of([2], [10], better="time") == 5

    def test_it_is_the_median_of_the_rounds_ratios_not_the_ratio_of_medians(self):
        # The machine was busy in the second and third round, for both; the ratio of medians would be 40 / 80.
        assert ratio_of([10, 40, 90], [20, 80, 60], better="time") == 2
        assert ratio_of([10, 20, 30], [30, 20, 20], better="time") == 1

    def test_what_was_measured_once_meets_every_round(self):
        assert ratio_of([1, 2, 4], [8], better="time") == 4
        assert ratio_of([8], [1, 2, 4], better="throughput") == 4

    def test_it_refuses_rounds_that_do_not_pair(self):
        with pytest.raises(ValueError, match="argument 2"):
            ratio_of([1, 2], [1, 2, 3], better="time")


class TestCompare:
    def test_it_prints_one_line_with_exactly_the_keys_of_the_contract(self, capsys):
        compare(bench="click", unit="ms", n=1, ours=told(0.01, 0.02), limit=told(0.005, 0.01), samples=1, better="time")
        line = capsys.readouterr().out
        assert line.count("\n") == 1
        assert list(json.loads(line)) == KEYS
        assert json.loads(line) == {
            "bench": "click",
            "ours": 20.0,
            "peer": None,
            "limit": 10.0,
            "ratio_to_peer": None,
            "ratio_to_limit": 0.5,
            "unit": "ms",
            "n": 1,
            "samples": 1,
        }

    def test_throughput_is_n_per_second(self, capsys):
        line = compare(
            bench="ingest", unit="events/s", n=1000, ours=told(0.5, 0.25), peer=told(1, 1), samples=2, warm_ups=0
        )
        assert (line["ours"], line["peer"], line["ratio_to_peer"]) == (3000.0, 1000.0, 3.0)

    def test_a_unit_that_is_no_time_is_the_candidates_own_figure(self):
        line = compare(
            bench="prompt", unit="tokens", n=20, ours=told(300, 300), peer=told(900, 900), samples=1, better="time"
        )
        assert (line["ours"], line["ratio_to_peer"]) == (300.0, 3.0)

    def test_a_candidate_that_tells_nothing_is_timed(self):
        line = compare(bench="click", unit="us", n=1, ours=lambda: None, samples=3, better="time")
        assert 0 < line["ours"] < 1e6

    def test_it_refuses_another_direction(self):
        with pytest.raises(ValueError, match="throughput"):
            compare(bench="click", unit="ms", n=1, ours=told(1), better="more")


class TestTurns:
    def test_each_round_is_begun_by_another(self):
        order = []
        names = ("ours", "peer", "limit")
        take_turns({name: lambda name=name: order.append(name) for name in names}, samples=3)
        assert [order[n : n + 3] for n in (0, 3, 6)] == [
            ["ours", "peer", "limit"],
            ["peer", "limit", "ours"],
            ["limit", "ours", "peer"],
        ]


class TestLine:
    def test_figures_measured_elsewhere_make_the_same_line(self, capsys):
        figures = {"ours": measured([2.0, 4.0, 3.0]), "limit": measured([3.0])}
        line = print_line(bench="growth_summary", unit="ms", n=20, figures=figures, better="time")
        assert list(line) == KEYS
        assert (line["ours"], line["limit"], line["ratio_to_limit"], line["samples"]) == (3.0, 3.0, 1.0, 3)


class TestScripts:
    def test_a_script_is_a_module_with_a_main(self):
        assert "rollup" in scripts()
        assert not {"measure", "__main__", "plant"} & set(scripts())
