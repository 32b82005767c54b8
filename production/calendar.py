"""Calendar: a site's shifts as stretches of UTC, exact through summer time, each with its production day."""

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from production.models import Shift

QUARTER = dt.timedelta(minutes=15)
DAY = dt.timedelta(days=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class ShiftSlice:
    """[start, end) in UTC of one shift; outside every shift both `shift_id` and `production_day` are None.

    The production day is the local day on which the shift starts: Friday's night shift is Friday all night.
    """

    start: dt.datetime
    end: dt.datetime
    shift_id: int | None
    production_day: dt.date | None

    @property
    def seconds(self) -> float:
        """Real length: both ends are UTC."""
        return (self.end - self.start).total_seconds()


def shift_slices(*, shifts: Iterable[Shift], zone: str, from_at: dt.datetime, to_at: dt.datetime) -> list[ShiftSlice]:
    """Slices that cover [from_at, to_at) exactly, in order; the time between shifts is a slice without a shift."""
    slices = []
    reached = from_at.astimezone(dt.UTC)
    for one in shift_occurrences(shifts=shifts, zone=zone, from_at=from_at, to_at=to_at):
        start, end = max(one.start, reached), min(one.end, to_at)
        if start > reached:
            slices.append(ShiftSlice(reached, start, None, None))
        slices.append(ShiftSlice(start, end, one.shift_id, one.production_day))
        reached = end
    if reached < to_at:
        slices.append(ShiftSlice(reached, to_at.astimezone(dt.UTC), None, None))
    return slices


def shift_occurrences(
    *, shifts: Iterable[Shift], zone: str, from_at: dt.datetime, to_at: dt.datetime
) -> list[ShiftSlice]:
    """The whole shifts (uncut) that touch [from_at, to_at), in order.

    Where shifts overlap, the one that began first keeps the time to its end: no second belongs to two shifts.
    """
    clock = zoneinfo.ZoneInfo(zone)
    # A shift lasts at most a day, so those that touch the stretch began at most two local days before it.
    first, last = (from_at - 2 * DAY).astimezone(clock).date(), (to_at + DAY).astimezone(clock).date()
    planned = sorted(_planned(shifts, clock, first, last), key=lambda one: (one.start, one.end, one.shift_id))
    return [one for one in _without_overlaps(planned) if one.start < to_at and one.end > from_at]


def utc_instant(*, day: dt.date, clock_time: dt.time, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """The UTC instant of a local wall-clock time.

    A time that happens twice means its first occurrence; one that is skipped means the first instant after the gap.
    """
    wall = dt.datetime.combine(day, clock_time)
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(dt.UTC)
    if instant.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return instant
    return _end_of_gap(wall.replace(tzinfo=zone, fold=1).astimezone(dt.UTC), instant, zone)


def shift_days(instant: dt.datetime, *, days: int, zone: str) -> dt.datetime:
    """The same wall-clock time some local days later (or earlier), as UTC: a day may have 23 or 25 hours."""
    clock = zoneinfo.ZoneInfo(zone)
    local = instant.astimezone(clock)
    return utc_instant(day=local.date() + days * DAY, clock_time=local.time(), zone=clock)


def local_midnight(day: dt.date, *, zone: str) -> dt.datetime:
    """When the local day begins, as UTC."""
    return utc_instant(day=day, clock_time=dt.time(), zone=zoneinfo.ZoneInfo(zone))


def quarter_before(instant: dt.datetime) -> dt.datetime:
    """The start of the quarter hour that holds the instant."""
    return instant - (instant - EPOCH) % QUARTER


def quarter_after(instant: dt.datetime) -> dt.datetime:
    """The first quarter hour that starts at or after the instant."""
    return instant + (EPOCH - instant) % QUARTER


def _planned(shifts: Iterable[Shift], clock: zoneinfo.ZoneInfo, first: dt.date, last: dt.date) -> Iterator[ShiftSlice]:
    """Every shift of every day as the plan says."""
    for shift in shifts:
        overnight = shift.ends <= shift.starts
        for offset in range((last - first).days + 1):
            day = first + offset * DAY
            if day.isoweekday() not in shift.weekdays:
                continue
            start = utc_instant(day=day, clock_time=shift.starts, zone=clock)
            end = utc_instant(day=day + overnight * DAY, clock_time=shift.ends, zone=clock)
            yield ShiftSlice(start, end, shift.pk, day)


def _without_overlaps(planned: Iterable[ShiftSlice]) -> Iterator[ShiftSlice]:
    taken: dt.datetime | None = None
    for one in planned:
        start = max(one.start, taken) if taken else one.start
        if start < one.end:
            yield ShiftSlice(start, one.end, one.shift_id, one.production_day)
            taken = one.end


def _end_of_gap(before: dt.datetime, after: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """Bisect to the second for the instant at which the zone's offset changes."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > dt.timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
