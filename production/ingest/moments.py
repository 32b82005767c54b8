"""Moments: the stamps of a row become moments in UTC, by the clock of the zone that the import names."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from production.ingest.refusals import EventRefused
from production.ingest.stamps import read_stamp

# Spreadsheets count a time of day over 24 hours on from this day, which is how 25:05 becomes 1 January 1900, 01:05.
SPREADSHEET_DAY = dt.date(1899, 12, 31)
HALF_DAYS = ("%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%I:%M:%S%p")
# Says what is odd about a column: (column, code, detail).
Warn = Callable[[str, str, str], None]


@dataclass(frozen=True)
class Clock:
    """Reads the stamps of one import."""

    zone: ZoneInfo

    def read(
        self, *, column: str, cell: str, formats: tuple[str, ...], warn: Warn, not_before: dt.datetime | None = None
    ) -> dt.datetime:
        """The moment in UTC that the cell names; raises `EventRefused`."""
        stamp = read_stamp(cell=cell, formats=formats)
        if stamp is None:
            raise EventRefused("invalid_timestamp", f"{column} is {cell!r}; expected {' or '.join(formats)}.")
        return self.place(column=column, stamp=stamp, warn=warn, not_before=not_before)

    def place(
        self, *, column: str, stamp: dt.datetime, warn: Warn, not_before: dt.datetime | None = None
    ) -> dt.datetime:
        """The moment of a local time. One that happens twice is the first, unless that is before `not_before`."""
        if stamp.tzinfo is not None:
            return stamp.astimezone(dt.UTC)
        first, second = (stamp.replace(tzinfo=self.zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
        if first.astimezone(self.zone).replace(tzinfo=None) != stamp:
            raise EventRefused(
                "nonexistent_time",
                f"{column} is {str(stamp)!r}: the clocks of {self.zone.key} skip that hour. "
                "Correct the stamp, or import with the zone the stamps were made in.",
            )
        if first == second:
            return first
        chosen = second if not_before is not None and first < not_before else first
        which = "second" if chosen is second else "first"
        warn(column, "ambiguous_time", f"It happens twice in {self.zone.key}; taken as the {which}.")
        return chosen


def read_time_of_day(*, column: str, cell: str) -> tuple[dt.time, int]:
    """The time of day in the cell, and how many days later it is as spreadsheets write it; raises `EventRefused`."""
    stamp = read_stamp(cell=cell, formats=("iso",))
    if stamp is not None and stamp.year <= 1900:
        return stamp.time(), max(0, (stamp.date() - SPREADSHEET_DAY).days)
    try:
        return dt.time.fromisoformat(cell if cell[1:2] != ":" else f"0{cell}"), 0
    except ValueError:
        pass
    for pattern in HALF_DAYS:
        try:
            return dt.datetime.strptime(cell.upper(), pattern).time(), 0  # noqa: DTZ007 - a time of day has no zone
        except ValueError:
            continue
    raise EventRefused("invalid_timestamp", f"{column} is {cell!r}; expected a time of day such as 22:55.")
