"""The guard: what counts as a number, and when it is one of those that were sent."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyses.guard import check_numbers, read_digits

FACTS = [
    {"id": "F1", "text": "OEE was 78.0 % over 1,234 pieces.", "values": {"oee": 0.78031, "pieces": 1234.0}},
    {"id": "F2", "text": "Press 2 was down for 5 h 12 min in 14 stops.", "values": {"down_s": 18720.0, "stops": 14}},
]
GIVEN = "Period: 2026-03-02 06:00 to 2026-03-02 14:00\nmachine;OEE %;down min\nM4;66.6;95\nQuestion:\nWhy not 85 %?"


def marks(answer):
    return [
        (mark["text"], mark["verdict"], mark["fact"])
        for mark in check_numbers(answer=answer, facts=FACTS, given=GIVEN)["marks"]
    ]


class TestFound:
    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            ("OEE was 78.0 % [F1].", [("78.0 %", "found", "F1")]),
            ("OEE was 78 %.", [("78 %", "found", "F1")]),
            ("OEE lag bei 78,0 %.", [("78,0 %", "found", "F1")]),
            ("OEE was 78.03 percent.", [("78.03 percent", "found", "F1")]),
            ("OEE rose by 78.03 percentage points.", [("78.03 percentage", "found", "F1")]),
            ("It made 1,234 pieces.", [("1,234", "found", "F1")]),
            ("Es waren 1.234 Stück.", [("1.234", "found", "F1")]),
            ("Było 1 234 sztuk.", [("1 234", "found", "F1")]),
            ("down 5 h 12 min", [("5", "found", "F2"), ("12", "found", "F2")]),
            ("down for 312 min", [("312", "found", "F2")]),
            ("down for 5.2 h", [("5.2", "found", "F2")]),
            ("14 stops", [("14", "found", "F2")]),
            ("M4 had 66.6 %, 95 min down", [("66.6 %", "found", None), ("95", "found", None)]),
            ("from 2026-03-02 at 06:00", [("2026-03-02", "found", None), ("06:00", "found", None)]),
            ("you asked for 85 %", [("85 %", "found", None)]),
        ],
    )
    def test_it_finds(self, answer, expected):
        assert marks(answer) == expected


class TestUnknown:
    @pytest.mark.parametrize(
        "number", ["78.1 %", "79 %", "1,235", "77.9 %", "15", "2026-03-03", "07:30", "0.5", "1234 %", "14 %", "78.04 %"]
    )
    def test_it_does_not_find(self, number):
        assert marks(f"It was {number}.") == [(number, "unknown", None)]


class TestIgnored:
    @pytest.mark.parametrize(
        "answer",
        [
            "See [F1], [F12, F13] and F99.",
            "1. First\n2) Second\n  3. Third",
            "## 4. Heading",
            "Machine M7, OP-20 and 3D",
            "no numbers at all",
            "",
        ],
    )
    def test_it_is_no_number_of_the_plant(self, answer):
        assert marks(answer) == []


class TestCounts:
    def test_they_add_up(self):
        checked = check_numbers(answer="78 %, 99 % and 14", facts=FACTS, given=GIVEN)
        assert {name: checked[name] for name in ("found", "derived", "unknown", "contradicted")} == {
            "found": 2,
            "derived": 0,
            "unknown": 1,
            "contradicted": 0,
        }

    def test_positions_are_those_of_the_answer(self):
        answer = "[F1] OEE 78 % — 14 stops"
        for mark in check_numbers(answer=answer, facts=FACTS, given=GIVEN)["marks"]:
            assert answer[mark["start"] : mark["end"]] == mark["text"]


class TestDigits:
    @pytest.mark.parametrize(
        ("digits", "readings"),
        [
            ("7", [(7.0, 0)]),
            ("1,234", [(1234.0, 0), (1.234, 3)]),
            ("1.234,5", [(1234.5, 1)]),
            ("1,234.5", [(1234.5, 1)]),
            ("1.234.567", [(1234567.0, 0)]),
            ("0,123", [(0.123, 3)]),
            ("12,5", [(12.5, 1)]),
            ("1 234,5", [(1234.5, 1)]),
        ],
    )
    def test_each_reading(self, digits, readings):
        assert read_digits(digits) == readings


class TestProperties:
    @settings(deadline=None)
    @given(st.floats(min_value=0, max_value=1e7), st.integers(0, 3), st.sampled_from([",", "."]))
    def test_a_sent_value_is_found_however_it_is_rounded_and_written(self, value, decimals, separator):
        written = f"{value:.{decimals}f}".replace(".", separator)
        facts = [{"id": "F1", "text": "A figure.", "values": {"good": value}}]
        checked = check_numbers(answer=f"It was {written} pieces", facts=facts, given="")
        assert checked["unknown"] == 0
        assert checked["found"] == 1

    @settings(deadline=None)
    @given(st.integers(0, 10_000), st.integers(1, 10_000))
    def test_another_whole_number_is_never_found(self, sent, difference):
        facts = [{"id": "F1", "text": f"It made {sent} pieces.", "values": {}}]
        checked = check_numbers(answer=f"It made {sent + difference} pieces.", facts=facts, given="")
        assert (checked["found"], checked["unknown"]) == (0, 1)

    @settings(deadline=None)
    @given(st.text())
    def test_any_text_is_checked_and_every_mark_is_in_it(self, answer):
        checked = check_numbers(answer=answer, facts=FACTS, given=GIVEN)
        assert len(checked["marks"]) == checked["found"] + checked["unknown"]
        assert all(answer[mark["start"] : mark["end"]] == mark["text"] for mark in checked["marks"])
