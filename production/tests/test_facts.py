"""Facts: numbered sentences, each with its unit, and the same figures as JSON."""

import json
import re

import pytest

from production.facts import as_dict, number_facts
from production.formats import format_duration, format_ratio
from production.models import Line
from production.summaries import SummarySpec, read_summary
from production.tests.plant import at, fold, machine_of, state
from production.tests.test_summaries import NOW, example, read, work

pytestmark = pytest.mark.usefixtures("small_plant")

# CONTRACT.md 3, and what comes with it.
KEYS = {"window", "zone", "freshness", "totals", "groups", "pareto", "trend", "facts", "warnings"}


def texts(data):
    return [fact.text for fact in number_facts(data)]


class TestSentences:
    def test_they_are_numbered_from_f1_and_the_totals_come_first(self):
        example()
        facts = number_facts(read())
        assert [fact.id for fact in facts] == [f"F{n}" for n in range(1, len(facts) + 1)]
        assert facts[0].text == (
            "Today (Mon 2 Mar 2026, until 14:00): OEE was 53.0 %, from availability 63.9 %, performance 89.1 % and "
            "quality 93.0 %."
        )

    def test_values_carry_full_precision(self):
        example()
        data = read()
        assert number_facts(data)[0].values["oee"] == data.totals.oee.value != round(data.totals.oee.value, 3)

    def test_the_worst_machine_is_told_first(self):
        example()
        rows = [text for text in texts(read()) if text.startswith("Press")]
        assert [row.split(":")[0] for row in rows] == ["Press 2", "Press 1"]
        assert rows[0] == (
            "Press 2: OEE 10.4 %, availability 25.0 %, performance 83.3 %, quality 50.0 %, pieces good 10, scrap 10, "
            "down 3 h in 1 stop, set-up 0 min, 0 micro-stops."
        )

    def test_a_change_is_in_percentage_points(self):
        fold(work("M1", (6, "running"), made=144, day=-1), NOW, from_at=at(0, day=-1))
        fold(work("M1", (6, "running"), made=288), NOW)
        told = texts(read(machines=(machine_of().pk,)))
        assert "Against the day before: OEE +5.0 percentage points (was 5.0 %)" in told[1]

    def test_a_day_that_has_only_begun_is_not_the_worst(self):
        for day, made in ((-2, 288), (-1, 144), (0, 1)):
            fold(work("M1", (6, "running"), made=made, day=day), NOW, from_at=at(0, day=day))
        told = [text for text in texts(read(window="last_7_days", machines=(machine_of().pk,))) if "The day" in text]
        assert told == [
            "The day with the worst OEE was Sun 1 Mar 2026: 5.0 %.",
            "The day with the best OEE was Sat 28 Feb 2026: 10.0 %.",
        ]

    def test_what_is_not_recorded_is_never_0(self):
        fold(work("M1", (6, "running")), NOW)
        data = read(machines=(machine_of().pk,))
        assert "Pieces are not recorded." in texts(data)
        assert not any(re.search(r"(good|scrap|rework) 0", text) for text in texts(data))
        assert as_dict(data, ())["totals"]["good"] is None

    def test_without_shifts_it_says_so_and_gives_the_hours(self):
        Line.objects.get().site.shifts.all().delete()
        fold(work("M1", (6, "running"), made=5), NOW)
        told = texts(read())
        assert told[:2] == [
            "Today (Mon 2 Mar 2026, until 14:00): there is no OEE (not scheduled). Quality was 100.0 %.",
            "Machines ran for 8 h in all.",
        ]

    def test_of_an_empty_period_there_is_the_warning_alone(self):
        assert texts(read()) == ["Warning: No event has come from these machines yet. Check the sources under Data."]

    def test_down_time_of_a_stop_that_began_earlier_is_told_so(self):
        machine = work("M1", (6, "running"), made=5, day=-1)
        state(machine, at(23, day=-1), "down")
        state(machine, at(7), "running")
        fold(machine, NOW, from_at=at(0, day=-1))
        assert "Unplanned down time was 7 h of stops that began earlier, 6 h of it outside shifts." in texts(read())

    def test_each_ends_as_a_sentence_and_stands_alone(self):
        example()
        for text in texts(read(group_by="day")):
            assert text[0].isupper() or text[0].isdigit()
            assert text.endswith(".")


class TestAsDict:
    def test_it_is_json_and_has_the_keys_of_the_contract(self):
        example()
        data = read()
        found = json.loads(json.dumps(as_dict(data, number_facts(data))))
        assert set(found) == KEYS | {"title", "scope", "compared", "group_by", "metrics", "definitions", "read_at"}

    def test_times_are_utc_with_offset(self):
        example()
        data = as_dict(read(), ())
        assert (data["window"]["from"], data["zone"]) == ("2026-03-01T23:00:00+00:00", "Europe/Warsaw")

    def test_its_figures_are_those_of_the_facts(self):
        example()
        data = read()
        totals = as_dict(data, ())["totals"]
        assert format_ratio(data.totals.oee) == f"{totals['oee'] * 100:.1f} %"
        assert f"down time was {format_duration(totals['down_s'])}" in " ".join(texts(data))

    def test_it_says_why_a_ratio_is_missing(self):
        fold(work("M1", (6, "running")), NOW)
        totals = as_dict(read(), ())["totals"]
        assert (totals["oee"], totals["why"]["oee"]) == (None, "pieces not recorded")


class TestWindows:
    @pytest.mark.parametrize(
        "window", ["current_shift", "last_shift", "today", "yesterday", "last_7_days", "last_30_days"]
    )
    @pytest.mark.parametrize("group_by", ["machine", "line", "shift", "day"])
    def test_every_window_and_grouping_can_be_told(self, window, group_by):
        example()
        data = read_summary(spec=SummarySpec(title="x", window=window, group_by=group_by), now=NOW)
        assert json.dumps(as_dict(data, number_facts(data)))
