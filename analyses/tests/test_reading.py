"""Reading: what is a number in five languages, and what is not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyses.reading import Kind, read_text


def read(text):
    return [(said.text, said.kind, said.meant[0].value if said.meant else None) for said in read_text(text)]


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "seconds", "within"),
        [
            ("5 h 12 min", 18720, 30),
            ("5h12min", 18720, 30),
            ("5 hours and 12 minutes", 18720, 30),
            ("5 Std. 12 Min.", 18720, 30),
            ("5 godz. 12 min", 18720, 30),
            ("5 ч 12 мин", 18720, 30),
            ("5시간 12분", 18720, 30),
            ("1 h 20", 4800, 30),
            ("5.2 h", 18720, 180),
            ("5,2 Stunden", 18720, 180),
            ("312 minut", 18720, 30),
            ("45초", 45, 0.5),
            ("2 days", 172_800, 43_200),
        ],
    )
    def test_it_is_one_number_in_seconds(self, text, seconds, within):
        (said,) = read_text(f"Stand: {text}")
        assert (said.text, said.kind) == (text, Kind.DURATION)
        assert said.meant[0].value == pytest.approx(seconds)
        assert said.meant[0].within == pytest.approx(within)

    def test_pieces_after_hours_are_no_minutes(self):
        assert [text for text, _, _ in read("in 1 h 5 pieces")] == ["1 h", "5"]


class TestPercentages:
    @pytest.mark.parametrize(
        "text", ["78 %", "78%", "78 percent", "78 per cent", "78 Prozent", "78 procent", "78 процентов", "78퍼센트"]
    )
    def test_it_is_a_percentage(self, text):
        assert read(f"OEE: {text}.") == [(text, Kind.PERCENT, 78.0)]

    @pytest.mark.parametrize(
        "text",
        [
            *("2.3 percentage points", "2.3 pp", "2,3 Prozentpunkte", "2,3 punktu procentowego"),
            *("2,3 процентного пункта", "2,3 п.п.", "2.3%p", "2.3퍼센트포인트"),
        ],
    )
    def test_points_are_no_percentage(self, text):
        assert read(f"OEE: {text}") == [(text, Kind.POINTS, 2.3)]


class TestDates:
    @pytest.mark.parametrize(
        ("text", "dates"),
        [
            ("2026-03-02", [(2026, 3, 2)]),
            ("02.03.2026", [(2026, 3, 2)]),
            ("03/02/2026", [(2026, 2, 3), (2026, 3, 2)]),
            ("2 March 2026", [(2026, 3, 2)]),
            ("March 2, 2026", [(2026, 3, 2)]),
            ("2nd of March", [(None, 3, 2)]),
            ("2. März", [(None, 3, 2)]),
            ("2 marca 2026", [(2026, 3, 2)]),
            ("2 марта", [(None, 3, 2)]),
            ("2026년 3월 2일", [(2026, 3, 2)]),
            ("3월 2일", [(None, 3, 2)]),
        ],
    )
    def test_it_is_a_date(self, text, dates):
        (said,) = read_text(f"On {text} it ran")
        assert (said.text, said.kind, list(said.dates)) == (text, Kind.DATE, dates)

    def test_a_day_that_never_was_names_no_day(self):
        (said,) = read_text("on 2026-02-30")
        assert (said.kind, said.dates) == (Kind.DATE, ())

    @pytest.mark.parametrize(
        ("word", "weekday"),
        [("Monday", 1), ("Dienstag", 2), ("środę", 3), ("Czwartek", 4), ("пятницу", 5), ("토요일", 6), ("Sun", 7)],
    )
    def test_weekdays(self, word, weekday):
        (said,) = read_text(f"a {word}, then")
        assert (said.text, said.kind, said.weekday) == (word, Kind.WEEKDAY, weekday)

    @pytest.mark.parametrize("text", ["may stop", "it sat still", "the sun", "Monza", "Maintenance", "Marathon"])
    def test_other_words_are_none(self, text):
        assert read(text) == []


class TestNumbers:
    @pytest.mark.parametrize("text", ["M4", "OP-20", "3D", "1.5x", "F12", "[F3, F4]", "top 3", "v2.1b"])
    def test_names_are_none(self, text):
        assert read(f"see {text} again") == []

    @pytest.mark.parametrize(
        ("text", "value"),
        [("1,234", 1234), ("1.234,5", 1234.5), ("1 234", 1234), ("1\u202f234,5", 1234.5), ("0.78", 0.78), ("14회", 14)],
    )
    def test_each_way_of_writing(self, text, value):
        assert read(f"it was {text}")[0][2] == value

    @settings(deadline=None)
    @given(st.text(alphabet="0123456789.,:%-/ hmins\n|[]FMonпн월일", max_size=40))
    def test_every_part_stands_where_it_says(self, text):
        for said in read_text(text):
            assert text[said.start : said.end] == said.text
