"""Formats: numbers as people read them."""

import pytest

from production.formats import format_count, format_duration, format_moment, format_points, format_ratio, format_share
from production.kpis import Ratio
from production.tests.plant import at


class TestDuration:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (0, "0 min"),
            (45, "45 s"),
            (59.6, "1 min"),
            (300, "5 min"),
            (3600, "1 h"),
            (4800, "1 h 20 min"),
            (18720, "5 h 12 min"),
            (3599.9, "1 h"),
            (4_500_000, "1,250 h"),
        ],
    )
    def test_it_is_said_in_hours_and_minutes(self, seconds, text):
        assert format_duration(seconds) == text


class TestRatio:
    def test_it_has_one_place(self):
        assert (format_share(0.78), format_ratio(Ratio(1.0423))) == ("78.0 %", "104.2 %")

    def test_it_says_why_there_is_none(self):
        assert format_ratio(Ratio(None, "not scheduled")) == "not scheduled"

    @pytest.mark.parametrize(
        ("difference", "text"), [(0.0234, "+2.3"), (-0.0116, "-1.2"), (-0.0001, "0.0"), (0, "0.0")]
    )
    def test_a_difference_is_in_percentage_points(self, difference, text):
        assert format_points(difference) == f"{text} percentage points"


class TestCount:
    @pytest.mark.parametrize(
        ("number", "text"), [(1234, "1,234"), (0, "0"), (2.5, "2.5"), (1234.567, "1,234.57"), (None, "not recorded")]
    )
    def test_it_separates_thousands_and_never_makes_0_of_nothing(self, number, text):
        assert format_count(number) == text


class TestMoment:
    def test_it_is_told_by_the_sites_clock(self):
        assert format_moment(at(9, 30), zone="Europe/Warsaw") == "Mon 2 Mar 2026 09:30"
