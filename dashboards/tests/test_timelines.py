"""Time lines: where the rectangles and the hours stand."""

import datetime as dt

from dashboards.timelines import draw_axis, draw_track
from production.strips import Segment, Strip


def strip(from_at, hours, *cuts):
    """A strip of `hours` from `from_at`, cut into (hour, state, reason)."""
    ends = [*(cut[0] for cut in cuts[1:]), hours]
    segments = tuple(
        Segment(from_at + dt.timedelta(hours=start), from_at + dt.timedelta(hours=end), state, reason)
        for (start, state, reason), end in zip(cuts, ends, strict=True)
    )
    return Strip(1, "Press 1", from_at, from_at + dt.timedelta(hours=hours), segments)


MORNING = dt.datetime(2026, 3, 2, 5, tzinfo=dt.UTC)


class TestTrack:
    def test_a_state_stands_where_it_was_and_says_so_in_local_time(self):
        track = draw_track(strip(MORNING, 8, (0, "running", ""), (2, "down", "Jam")), zone="Europe/Warsaw")
        down = track.stretches[1]
        assert (down.x, down.width, down.state) == ("25.000%", "75.000%", "down")
        assert down.said == "Down, Mon 2 Mar 2026 08:00 to 14:00, 6 h, Jam"

    def test_it_sums_each_state(self):
        track = draw_track(strip(MORNING, 8, (0, "running", ""), (2, "down", ""), (3, "running", "")), zone="UTC")
        assert track.spoken.lower() == "running 7 h, down 1 h"
        assert track.totals == ("7 h", "–", "–", "–", "1 h", "–")


class TestAxis:
    def test_it_has_whole_local_hours(self):
        ticks = draw_axis([strip(MORNING, 8, (0, "running", ""))], zone="Europe/Warsaw")
        assert [tick.text for tick in ticks] == [
            "06:00",
            "07:00",
            "08:00",
            "09:00",
            "10:00",
            "11:00",
            "12:00",
            "13:00",
            "14:00",
        ]
        assert (ticks[0].x, ticks[-1].x) == ("0.000%", "100.000%")

    def test_a_day_has_no_more_than_nine(self):
        ticks = draw_axis([strip(MORNING, 24, (0, "running", ""))], zone="Europe/Warsaw")
        assert [tick.text for tick in ticks] == [
            "06:00",
            "09:00",
            "12:00",
            "15:00",
            "18:00",
            "21:00",
            "00:00",
            "03:00",
            "06:00",
        ]

    def test_the_night_the_clocks_go_back_shows_the_hour_twice(self):
        night = dt.datetime(2025, 10, 25, 22, tzinfo=dt.UTC)
        ticks = draw_axis([strip(night, 5, (0, "running", ""))], zone="Europe/Warsaw")
        assert [tick.text for tick in ticks] == ["00:00", "01:00", "02:00", "02:00", "03:00", "04:00"]

    def test_there_is_none_without_machines(self):
        assert draw_axis([], zone="UTC") == ()
