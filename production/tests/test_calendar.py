"""Calendar: shifts through summer time, midnight and mistakes in the plan."""

import datetime as dt
import zoneinfo

from hypothesis import given
from hypothesis import strategies as st

from production.calendar import quarter_after, quarter_before, shift_days, shift_slices, utc_instant
from production.models import Shift

WARSAW = "Europe/Warsaw"
EVERY_DAY = [1, 2, 3, 4, 5, 6, 7]


def shift(pk, starts, ends, weekdays=None):
    return Shift(pk=pk, name=f"S{pk}", starts=dt.time(*starts), ends=dt.time(*ends), weekdays=weekdays or EVERY_DAY)


THREE = [shift(1, (6,), (14,)), shift(2, (14,), (22,)), shift(3, (22,), (6,))]


def utc(*when):
    return dt.datetime(*when, tzinfo=dt.UTC)


def night_of(year, month, day):
    """The slice of the night shift that starts on that local day."""
    noon = utc(year, month, day, 11)
    slices = shift_slices(shifts=THREE, zone=WARSAW, from_at=noon, to_at=noon + dt.timedelta(days=1))
    return next(part for part in slices if part.shift_id == 3)


class TestSummerTime:
    def test_the_night_in_which_clocks_go_forward_lasts_7_hours(self):
        assert night_of(2025, 3, 29).seconds == 7 * 3600

    def test_the_night_in_which_clocks_go_back_lasts_9_hours(self):
        assert night_of(2025, 10, 25).seconds == 9 * 3600

    def test_any_other_night_lasts_8_hours(self):
        assert night_of(2025, 6, 1).seconds == 8 * 3600

    def test_a_skipped_time_means_the_first_instant_after_the_gap(self):
        zone = zoneinfo.ZoneInfo(WARSAW)
        assert utc_instant(day=dt.date(2025, 3, 30), clock_time=dt.time(2, 30), zone=zone) == utc(2025, 3, 30, 1)

    def test_a_repeated_time_means_its_first_occurrence(self):
        zone = zoneinfo.ZoneInfo(WARSAW)
        assert utc_instant(day=dt.date(2025, 10, 26), clock_time=dt.time(2, 30), zone=zone) == utc(2025, 10, 26, 0, 30)

    def test_a_day_later_is_the_same_time_on_the_wall(self):
        assert shift_days(utc(2025, 3, 29, 11), days=1, zone=WARSAW) == utc(2025, 3, 30, 10)


class TestProductionDay:
    def test_the_night_shift_belongs_to_the_evening_on_which_it_starts(self):
        slices = shift_slices(shifts=THREE, zone=WARSAW, from_at=utc(2026, 3, 6, 23), to_at=utc(2026, 3, 7, 6))
        assert [(part.shift_id, part.production_day) for part in slices] == [
            (3, dt.date(2026, 3, 6)),
            (1, dt.date(2026, 3, 7)),
        ]

    def test_weekdays_are_those_of_the_start(self):
        friday_night = [shift(3, (22,), (6,), [5])]
        slices = shift_slices(shifts=friday_night, zone=WARSAW, from_at=utc(2026, 3, 6, 12), to_at=utc(2026, 3, 8, 12))
        assert [(part.shift_id, part.seconds / 3600) for part in slices] == [(None, 9), (3, 8), (None, 31)]


class TestSlices:
    def test_time_between_shifts_is_a_slice_without_one(self):
        slices = shift_slices(shifts=THREE[:1], zone=WARSAW, from_at=utc(2026, 3, 2, 4), to_at=utc(2026, 3, 2, 14))
        assert [(part.shift_id, part.production_day, part.seconds / 3600) for part in slices] == [
            (None, None, 1),
            (1, dt.date(2026, 3, 2), 8),
            (None, None, 1),
        ]

    def test_where_shifts_overlap_the_first_keeps_its_time(self):
        plan = [shift(1, (6,), (14,)), shift(2, (13,), (15,))]
        slices = shift_slices(shifts=plan, zone=WARSAW, from_at=utc(2026, 3, 2, 5), to_at=utc(2026, 3, 2, 14))
        assert [(part.shift_id, part.seconds / 3600) for part in slices] == [(1, 8), (2, 1)]

    @given(
        st.lists(st.tuples(st.integers(0, 95), st.integers(0, 95), st.sets(st.integers(1, 7), min_size=1)), max_size=4),
        st.datetimes(min_value=utc(2025, 1, 1).replace(tzinfo=None), max_value=utc(2025, 12, 31).replace(tzinfo=None)),
        st.integers(1, 4 * 24 * 4),
        st.sampled_from([WARSAW, "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    )
    def test_they_cover_any_stretch_exactly_whatever_the_plan(self, plan, start, quarters, zone):
        shifts = [
            shift(number, divmod(starts * 15, 60), divmod(ends * 15, 60), sorted(days))
            for number, (starts, ends, days) in enumerate(plan, start=1)
        ]
        from_at = start.replace(tzinfo=dt.UTC)
        to_at = from_at + quarters * dt.timedelta(minutes=15)
        slices = shift_slices(shifts=shifts, zone=zone, from_at=from_at, to_at=to_at)
        assert [part.start for part in slices] + [to_at] == [from_at] + [part.end for part in slices]
        assert all(part.seconds > 0 for part in slices)


class TestQuarters:
    def test_a_quarter_hour_holds_its_start_and_not_its_end(self):
        assert quarter_before(utc(2026, 3, 2, 6, 14, 59)) == utc(2026, 3, 2, 6)
        assert quarter_before(utc(2026, 3, 2, 6, 15)) == utc(2026, 3, 2, 6, 15) == quarter_after(utc(2026, 3, 2, 6, 1))
        assert quarter_after(utc(2026, 3, 2, 6, 15)) == utc(2026, 3, 2, 6, 15)
