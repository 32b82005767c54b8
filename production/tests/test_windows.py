"""Windows: what "today" or "last shift" means, seen from a moment, and what it is compared with."""

import datetime as dt

import pytest

from production.tests.plant import at
from production.tests.test_calendar import THREE, WARSAW, shift, utc
from production.windows import compared_period, resolve_window

NOW = at(9, 37)
DAY_SHIFT = [shift(1, (6,), (14,))]


def resolve(window, shifts=THREE, now=NOW, **ends):
    return resolve_window(window=window, shifts=shifts, zone=WARSAW, now=now, **ends)


def ends(period):
    return period.from_at, period.to_at


class TestDays:
    def test_today_begins_at_local_midnight_and_ends_now(self):
        assert ends(resolve("today", DAY_SHIFT)) == (at(0), NOW)

    def test_a_day_begins_when_the_night_shift_of_the_day_before_ends(self):
        assert ends(resolve("today")) == (at(6), NOW)

    def test_after_midnight_it_is_still_the_day_of_the_running_night_shift(self):
        period = resolve("today", now=at(3, day=1))
        assert (ends(period), period.label) == ((at(6), at(3, day=1)), "today (Mon 2 Mar 2026, until 03:00)")

    def test_yesterday_is_a_whole_day(self):
        assert ends(resolve("yesterday", DAY_SHIFT)) == (at(0, day=-1), at(0))

    def test_the_last_7_days_are_today_and_the_six_before(self):
        period = resolve("last_7_days", DAY_SHIFT)
        assert ends(period) == (at(0, day=-6), NOW)
        assert period.label == "last 7 days (Tue 24 Feb 2026 to Mon 2 Mar 2026)"

    def test_the_last_30_days_hold_30_days(self):
        assert resolve("last_30_days", DAY_SHIFT).days == (dt.date(2026, 2, 1), dt.date(2026, 3, 2))

    def test_a_day_of_the_clock_change_has_23_hours(self):
        period = resolve("yesterday", DAY_SHIFT, now=utc(2026, 3, 30, 8))
        assert period.seconds == 23 * 3600


class TestShifts:
    def test_the_current_shift_ends_now(self):
        period = resolve("current_shift")
        assert (ends(period), period.shift_id, period.fallback) == ((at(6), NOW), 1, "")

    def test_the_last_shift_is_whole(self):
        period = resolve("last_shift")
        assert (ends(period), period.shift_id) == ((at(22, day=-1), at(6)), 3)

    def test_without_a_running_shift_the_last_one_is_shown_and_said_to_be(self):
        period = resolve("current_shift", DAY_SHIFT, now=at(20))
        assert (ends(period), period.window) == ((at(6), at(14)), "last_shift")
        assert period.fallback == "No shift is running now, so the last one is shown."

    def test_without_any_shift_today_is_shown_and_said_to_be(self):
        period = resolve("last_shift", [])
        assert (ends(period), period.window) == ((at(0), NOW), "today")
        assert period.fallback == "No shift is defined for this site, so today is shown instead."


class TestCustom:
    def test_it_opens_up_to_whole_quarter_hours(self):
        assert ends(resolve("custom", from_at=at(7, 5), to_at=at(8, 1))) == (at(7), at(8, 15))

    def test_it_never_reaches_past_now(self):
        assert ends(resolve("custom", from_at=at(7), to_at=at(23))) == (at(7), NOW)

    @pytest.mark.parametrize("given", [{}, {"from_at": at(7)}, {"from_at": at(8), "to_at": at(7)}])
    def test_it_needs_both_ends_in_order(self, given):
        with pytest.raises(ValueError, match="later end"):
            resolve("custom", **given)


class TestComparison:
    def compared(self, window, compare_to="previous", shifts=THREE, **given):
        period = resolve(window, shifts, **given)
        return compared_period(period=period, compare_to=compare_to, shifts=shifts)

    def test_half_a_day_meets_half_a_day(self):
        assert ends(self.compared("today")) == (at(6, day=-1), at(9, 37, day=-1))

    def test_7_days_meet_the_7_before(self):
        period = self.compared("last_7_days", shifts=DAY_SHIFT)
        assert (ends(period), period.label) == ((at(0, day=-13), at(9, 37, day=-7)), "the 7 days before")

    def test_a_shift_meets_the_shift_before_as_far_as_it_has_come(self):
        period = self.compared("current_shift")
        assert (ends(period), period.shift_id) == ((at(22, day=-1), at(1, 37)), 3)

    def test_the_same_shift_a_week_earlier(self):
        period = self.compared("current_shift", "same_last_week")
        assert (ends(period), period.shift_id) == ((at(6, day=-7), at(9, 37, day=-7)), 1)

    def test_a_week_earlier_is_the_same_time_on_the_wall(self):
        period = self.compared("yesterday", "same_last_week", shifts=DAY_SHIFT, now=utc(2026, 4, 1, 8))
        assert period.from_at == utc(2026, 3, 23, 23)

    def test_a_custom_stretch_meets_one_as_long(self):
        assert ends(self.compared("custom", from_at=at(7), to_at=at(9))) == (at(5), at(7))

    def test_nothing_is_compared_with_nothing(self):
        assert self.compared("today", "") is None
