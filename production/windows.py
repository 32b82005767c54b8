"""Windows: "today", "last shift" or "last 7 days", seen from now, become a stretch of UTC with words for people.

Days here are **production days**: a day begins at local midnight, or when the night shift of the day before
ends, if that is later. So the hours after midnight belong to the evening before, as in the rollups, and a day's
window holds exactly its day's shifts. A plant without a night shift has plain calendar days.
`last_7_days` is today and the six days before; it ends now. Custom windows open up to whole quarter hours.
"""

import datetime as dt
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, replace

from production.calendar import (
    DAY,
    ShiftSlice,
    local_midnight,
    quarter_after,
    quarter_before,
    shift_days,
    shift_occurrences,
)
from production.formats import format_clock, format_day, format_moment
from production.models import Compare, Shift, Window

DAYS_BACK = {Window.TODAY: 0, Window.YESTERDAY: 1, Window.LAST_7_DAYS: 6, Window.LAST_30_DAYS: 29}
STRIDE = {Window.TODAY: 1, Window.YESTERDAY: 1, Window.LAST_7_DAYS: 7, Window.LAST_30_DAYS: 30}
SEARCHED = dt.timedelta(days=35)


@dataclass(frozen=True)
class Period:
    """A half-open stretch [from_at, to_at) in UTC, with the zone and the words people see.

    `window` is what it really is; `fallback` says why, when that is not what was asked for. `shift_id` is set
    when the period is one shift, `days` (first and last production day) when it is days: a quarter hour shared
    with a neighbour then counts for its own part.
    """

    from_at: dt.datetime
    to_at: dt.datetime
    zone: str
    label: str
    window: str = Window.CUSTOM.value
    shift_id: int | None = None
    days: tuple[dt.date, dt.date] | None = None
    fallback: str = ""

    @property
    def seconds(self) -> float:
        """Real length."""
        return (self.to_at - self.from_at).total_seconds()


def resolve_window(
    *,
    window: str,
    shifts: Sequence[Shift],
    zone: str,
    now: dt.datetime,
    from_at: dt.datetime | None = None,
    to_at: dt.datetime | None = None,
) -> Period:
    """The period that `window` means at `now`; it never reaches past `now`.

    `shifts` are those of the site. Without a current (or last) shift the next best period is given, with
    `fallback` saying so. Raises ValueError for "custom" without both ends or with the end not after the start.
    """
    now = now.astimezone(dt.UTC)
    if window == Window.CUSTOM:
        return _custom(from_at, to_at, zone, now)
    if window in (Window.CURRENT_SHIFT, Window.LAST_SHIFT):
        return _shift(Window(window), shifts, zone, now)
    return _days(Window(window), shifts, zone, now)


def compared_period(*, period: Period, compare_to: str, shifts: Sequence[Shift]) -> Period | None:
    """What the period is compared with, or None; as long as the period, so that a day half over meets half a day."""
    if compare_to == Compare.SAME_LAST_WEEK:
        return _moved(period, days=7, label="the same stretch a week earlier")
    if compare_to != Compare.PREVIOUS:
        return None
    if period.shift_id is not None:
        return _shift_before(period, shifts)
    if period.window in STRIDE:
        days = STRIDE[Window(period.window)]
        return _moved(period, days=days, label="the day before" if days == 1 else f"the {days} days before")
    length = period.to_at - period.from_at
    return replace(period, from_at=period.from_at - length, to_at=period.from_at, label="the stretch before")


def production_day_at(*, now: dt.datetime, shifts: Sequence[Shift], zone: str) -> dt.date:
    """The production day in force: on Saturday at 03:00 still Friday while Friday's night shift runs."""
    day = now.astimezone(zoneinfo.ZoneInfo(zone)).date()
    return day - DAY if now < day_start(day=day, shifts=shifts, zone=zone) else day


def day_start(*, day: dt.date, shifts: Sequence[Shift], zone: str) -> dt.datetime:
    """When a production day begins: local midnight, or the end of the last shift begun the day before."""
    midnight = local_midnight(day, zone=zone)
    overnight = shift_occurrences(shifts=shifts, zone=zone, from_at=midnight - DAY, to_at=midnight)
    return max([midnight, *(one.end for one in overnight if one.production_day == day - DAY)])


def _days(window: Window, shifts: Sequence[Shift], zone: str, now: dt.datetime) -> Period:
    today = production_day_at(now=now, shifts=shifts, zone=zone)
    first = today - DAYS_BACK[window] * DAY
    from_at = day_start(day=first, shifts=shifts, zone=zone)
    if window == Window.YESTERDAY:
        to_at, label = day_start(day=today, shifts=shifts, zone=zone), f"yesterday ({format_day(first)})"
    elif window == Window.TODAY:
        to_at, label = now, f"today ({format_day(first)}, until {format_clock(now, zone=zone)})"
    else:
        to_at, label = now, f"{window.label} ({format_day(first)} to {format_day(today)})"
    days = (first, first if window == Window.YESTERDAY else today)
    return Period(from_at, to_at, zone, label, window.value, days=days)


def _custom(from_at: dt.datetime | None, to_at: dt.datetime | None, zone: str, now: dt.datetime) -> Period:
    if from_at is None or to_at is None or from_at >= to_at:
        raise ValueError("A custom window needs a start and a later end. Give both.")
    start, end = quarter_before(from_at.astimezone(dt.UTC)), quarter_after(to_at.astimezone(dt.UTC))
    end = max(start, min(end, now))
    return Period(start, end, zone, f"{format_moment(start, zone=zone)} to {format_moment(end, zone=zone)}")


def _shift(window: Window, shifts: Sequence[Shift], zone: str, now: dt.datetime) -> Period:
    known = shift_occurrences(shifts=shifts, zone=zone, from_at=now - SEARCHED, to_at=now + dt.timedelta(seconds=1))
    running = [one for one in known if one.start <= now < one.end]
    if window == Window.CURRENT_SHIFT and running:
        return _of_shift(running[0], window, shifts, zone, now)
    ended = [one for one in known if one.end <= now]
    if not ended:
        why = "No shift is defined for this site" if not shifts else "No shift has ended yet"
        return replace(_days(Window.TODAY, shifts, zone, now), fallback=f"{why}, so today is shown instead.")
    period = _of_shift(ended[-1], Window.LAST_SHIFT, shifts, zone, now)
    if window == Window.CURRENT_SHIFT:
        return replace(period, fallback="No shift is running now, so the last one is shown.")
    return period


def _of_shift(one: ShiftSlice, window: Window, shifts: Sequence[Shift], zone: str, now: dt.datetime) -> Period:
    to_at = min(one.end, now)
    name = next(shift.name for shift in shifts if shift.pk == one.shift_id)
    label = f"{window.label} ({name}, {format_moment(one.start, zone=zone)} to {format_clock(to_at, zone=zone)})"
    return Period(one.start, to_at, zone, label, window.value, one.shift_id)


def _shift_before(period: Period, shifts: Sequence[Shift]) -> Period | None:
    """The shift before, as far into it as this one has come."""
    known = shift_occurrences(shifts=shifts, zone=period.zone, from_at=period.from_at - SEARCHED, to_at=period.from_at)
    ended = [one for one in known if one.end <= period.from_at]
    if not ended:
        return None
    one = ended[-1]
    name = next(shift.name for shift in shifts if shift.pk == one.shift_id)
    to_at = min(one.end, one.start + (period.to_at - period.from_at))
    label = f"the shift before ({name}, {format_moment(one.start, zone=period.zone)})"
    return replace(period, from_at=one.start, to_at=to_at, label=label, shift_id=one.shift_id)


def _moved(period: Period, *, days: int, label: str) -> Period:
    from_at = shift_days(period.from_at, days=-days, zone=period.zone)
    to_at = shift_days(period.to_at, days=-days, zone=period.zone)
    moved = (period.days[0] - days * DAY, period.days[1] - days * DAY) if period.days else None
    return replace(period, from_at=from_at, to_at=to_at, label=label, days=moved)
