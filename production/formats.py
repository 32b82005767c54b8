"""Formats: how numbers are written for people, in one place for facts, tiles and tables."""

import datetime as dt
import zoneinfo

from production.kpis import Ratio

NOT_RECORDED = "not recorded"


def format_ratio(ratio: Ratio) -> str:
    """`78.0 %`, or in words why there is none; never capped, so 104.2 % is possible and flagged elsewhere."""
    return ratio.why if ratio.value is None else format_share(ratio.value)


def format_share(share: float) -> str:
    """0.78 -> `78.0 %`."""
    return f"{_plain(share * 100, 1)} %"


def format_points(difference: float) -> str:
    """A difference of two ratios, 0.023 -> `+2.3 percentage points`."""
    text = _plain(difference * 100, 1)
    sign = "+" if not text.startswith("-") and text != "0.0" else ""
    return f"{sign}{text} percentage points"


def format_duration(seconds: float) -> str:
    """`45 s`, `5 min`, `1 h 20 min`, `312 h`: from a minute on, to the minute."""
    if seconds < 0.5:
        return "0 min"
    if seconds < 59.5:
        return f"{round(seconds)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def format_count(number: float | None) -> str:
    """`1,234`; a fraction keeps two places at most; None is "not recorded", never 0."""
    if number is None:
        return NOT_RECORDED
    return f"{number:,.0f}" if abs(number - round(number)) < 0.005 else f"{number:,.2f}".rstrip("0")


def format_moment(instant: dt.datetime, *, zone: str) -> str:
    """`Mon 2 Mar 2026 09:30` in the site's zone."""
    day = instant.astimezone(zoneinfo.ZoneInfo(zone)).date()
    return f"{format_day(day)} {format_clock(instant, zone=zone)}"


def format_clock(instant: dt.datetime, *, zone: str) -> str:
    """`09:30` in the site's zone."""
    return f"{instant.astimezone(zoneinfo.ZoneInfo(zone)):%H:%M}"


def format_day(day: dt.date) -> str:
    """`Mon 2 Mar 2026`."""
    return f"{day:%a} {day.day} {day:%b %Y}"


def format_plural(number: float, noun: str) -> str:
    """`1 stop`, `14 stops`."""
    return f"{format_count(number)} {noun}" if number == 1 else f"{format_count(number)} {noun}s"


def _plain(number: float, places: int) -> str:
    """Rounded, with thousands; a rounded-away minus is dropped: -0.0 says nothing."""
    text = f"{number:,.{places}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text
