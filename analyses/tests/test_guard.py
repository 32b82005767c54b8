"""The guard: what counts as a number, and when it is one of those that were sent."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyses.guard import check_numbers
from analyses.reading import read_digits
from analyses.tests import sent
from analyses.verdicts import VERDICTS
from offline_analyst.distortions import change_numbers

FACTS = [
    {"id": "F1", "text": "OEE was 78.0 % over 1,234 pieces.", "values": {"oee": 0.78031, "pieces": 1234.0}},
    {"id": "F2", "text": "Press 2 was down for 5 h 12 min in 14 stops.", "values": {"down_s": 18720.0, "stops": 14}},
]
GIVEN = (
    "Period: 2026-03-02 06:00 to 2026-03-02 14:00\n"
    "<<<TABLE\nmachine;OEE %;down min\nM4;66.6;95\nTABLE>>>\n"
    "Question:\nWhy not 85 %?"
)


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
            ("It made 1,234 pieces.", [("1,234", "found", "F1")]),
            ("Es waren 1.234 Stück.", [("1.234", "found", "F1")]),
            ("Było 1 234 sztuk.", [("1 234", "found", "F1")]),
            ("down 5 h 12 min", [("5 h 12 min", "found", "F2")]),
            ("down for 312 min", [("312 min", "found", "F2")]),
            ("down for 5.2 h", [("5.2 h", "found", "F2")]),
            ("14 stops", [("14", "found", "F2")]),
            ("M4 had 66.6 %, 95 min down", [("66.6 %", "found", None), ("95 min", "found", None)]),
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
        assert len(checked["marks"]) == sum(checked[verdict] for verdict in VERDICTS)
        assert all(answer[mark["start"] : mark["end"]] == mark["text"] for mark in checked["marks"])


def verdict_of(answer, number):
    """(verdict, how) of that number of the answer, against the week of `sent`."""
    marks = check_numbers(answer=answer, facts=sent.FACTS, given=sent.GIVEN)["marks"]
    return next((mark["verdict"], mark["how"]) for mark in marks if mark["text"] == number)


class TestDerived:
    @pytest.mark.parametrize(
        ("answer", "number", "how"),
        [
            ("Press 1 was 17.5 percentage points ahead of Press 2 [F9, F10].", "17.5 percentage points", "F10 - F9"),
            ("With OEE at 78.0 % some 22.0 % were lost [F1].", "22.0 %", "100 % - F1"),
            ("Jam and tool break together took 3 h 34 min [F6][F7].", "3 h 34 min", "F6 + F7"),
            ("All three took 4 h 22 min [F6][F7][F8].", "4 h 22 min", "F6 + F7 + F8"),
            ("A stop took 22 min on average [F4].", "22 min", "down per stop of F4"),
            ("Of 45 scrapped and 1,203 good pieces, 3.7 % were bad.", "3.7 %", "F9 / F9"),
            ("Rework was 0.6 % of it [F3].", "0.6 %", "rework of F3"),
            ("It began on Friday 27 February 2026.", "27 February 2026", "in the period"),
        ],
    )
    def test_it_follows_from_what_the_sentence_names(self, answer, number, how):
        assert verdict_of(answer, number) == ("derived", how)

    def test_it_does_not_follow_from_figures_that_the_sentence_does_not_name(self):
        assert verdict_of("Press 1 was 17.5 percentage points ahead.", "17.5 percentage points")[0] == "unknown"


class TestContradicted:
    @pytest.mark.parametrize(
        ("answer", "number"),
        [
            ("OEE was 85 % [F1].", "85 %"),
            ("OEE was 66.6 % [F1].", "66.6 %"),
            ("Press 2 had an availability of 91 %.", "91 %"),
            ("Scrap was 182 [F3].", "182"),
            ("Down time was 6 h 12 min [F4].", "6 h 12 min"),
            ("OEE fell by 2.3 percentage points [F2].", "2.3 percentage points"),
            ("Die Verfügbarkeit stieg um 1,2 Prozentpunkte [F2].", "1,2 Prozentpunkte"),
            ("It was worst on Thursday, 25 February 2026.", "Thursday"),
            ("It was worst on Thursday, 25 February 2026.", "25 February 2026"),
            ("25 lutego 2026 (czwartek) było najgorzej.", "czwartek"),
        ],
    )
    def test_the_figures_say_otherwise(self, answer, number):
        assert verdict_of(answer, number)[0] == "contradicted"

    def test_two_figures_of_one_size_are_told_apart_by_their_names(self):
        facts = [{"id": "F1", "text": "Press 1: nothing.", "values": {"down_s": 0.0, "setup_s": 0.0, "scrap": 0.0}}]
        checked = check_numbers(answer="Set-up took 0 min, scrap was 0 [F1].", facts=facts, given="")
        assert (checked["found"], checked["contradicted"]) == (2, 0)

    @pytest.mark.parametrize(
        ("answer", "number"),
        [
            ("OEE rose by 2.3 percentage points [F2].", "2.3 percentage points"),
            ("OEE was 78 % [F1], against 66.6 % for Press 2.", "66.6 %"),
            ("It was worst on Wednesday, 25 February 2026.", "Wednesday"),
            ("Between Wed 25 Feb 2026 and Mon 2 Mar 2026 it rose.", "25 Feb 2026"),
        ],
    )
    def test_what_is_right_is_not(self, answer, number):
        assert verdict_of(answer, number)[0] == "found"


class TestPlantedErrors:
    def test_every_changed_number_of_an_honest_answer_is_noticed(self):
        honest = "\n".join(f"- {fact['text']} [{fact['id']}]" for fact in sent.FACTS)
        changed = change_numbers(honest)
        assert {m["verdict"] for m in check_numbers(answer=honest, facts=sent.FACTS, given=sent.GIVEN)["marks"]} == {
            "found"
        }
        planted = [place for place, (one, two) in enumerate(zip(honest, changed, strict=True)) if one != two]
        marks = check_numbers(answer=changed, facts=sent.FACTS, given=sent.GIVEN)["marks"]
        confirmed = [
            mark["text"]
            for mark in marks
            if mark["verdict"] in {"found", "derived"} and any(mark["start"] <= p < mark["end"] for p in planted)
        ]
        assert len(planted) > 20
        assert confirmed == []
