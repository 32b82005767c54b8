"""Stamps: how the times of a column are written, decided by all of its cells; and one cell read by what was decided."""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

# What a format may be besides a pattern of strptime.
SPECIAL = ("iso", "epoch_s", "epoch_ms", "epoch_us", "excel")
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# Excel's day 0: it believes in 29 February 1900, so that days from March 1900 on are counted from here.
EXCEL_ZERO = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet knows no zone
PER_SECOND = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}
# 2000-01-01 to 2100-01-01: a number outside is no stamp of a plant, whatever its unit.
EPOCH_FROM, EPOCH_TO = 946_684_800, 4_102_444_800
EXCEL_FROM, EXCEL_TO = 36_526, 73_051

ORDERS = {"ymd": "the year comes first", "ydm": "year, day, month", "dmy": "the day comes first"}
ORDERS["mdy"] = "the month comes first"
DATE = re.compile(
    r"(?P<a>\d{1,4})(?P<sep>[-./])(?P<b>\d{1,2})(?P=sep)(?P<c>\d{1,4})"
    r"(?:(?P<gap>, ?|[ T])(?P<time>\d{1,2}:\d{2}(?::\d{2}(?P<fraction>\.\d{1,6})?)?)(?P<half> ?[AaPp][Mm])?)?"
)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Reading:
    """One way to read a column: the formats to try in order, and what it means in words."""

    formats: tuple[str, ...]
    words: str


@dataclass(frozen=True)
class Verdict:
    """What a column's cells allow: the readings that fit every one of them, the likeliest first, and why.

    `certain`: one reading is left. No reading at all: the column holds no times, or they contradict one another.
    """

    readings: tuple[Reading, ...]
    evidence: str

    @property
    def certain(self) -> bool:
        """Whether nobody has to be asked."""
        return len(self.readings) == 1


@dataclass
class StampColumn:
    """Looks at a column cell by cell, and keeps the readings that are still possible."""

    alive: list[str] = field(default_factory=lambda: [*ORDERS, *SPECIAL])
    # By order of the date: the cell that ruled it out, in words.
    refuted: dict[str, str] = field(default_factory=dict)
    shapes: dict[tuple[str, str, str, str], None] = field(default_factory=dict)
    seen: int = 0
    last: str = ""

    def look_at(self, cell: str, line: int) -> None:
        """Take one filled cell into account."""
        if not self.alive:
            return
        self.seen += 1
        # The first cell of this shape has ruled out everything but the year in front: ISO 8601 goes on being just that.
        if "iso" in self.alive and len(self.last) == len(cell) and _is_iso(cell):
            self.last = cell
            return
        self.last = cell
        found = DATE.fullmatch(cell)
        for name in list(self.alive):
            problem = _problem(name, cell, found)
            if problem is not None:
                self.alive.remove(name)
                self.refuted[name] = f"{cell} in line {line}: {problem}"
        if found:
            a, c = len(found["a"]), len(found["c"])
            width = "4" if 4 in (a, c) else "2"
            self.shapes[found["sep"], width, found["gap"] or "", _time_pattern(found)] = None

    def decide(self) -> Verdict:
        """What all of the cells together allow."""
        if not self.seen or not self.alive:
            return Verdict((), "; ".join(list(self.refuted.values())[:2]) if self.shapes else "")
        orders = [name for name in ("dmy", "mdy", "ymd", "ydm") if name in self.alive]
        if "iso" in self.alive:
            return Verdict(
                (Reading(("iso",), "ISO 8601: year, month, day"),), f"every cell is ISO 8601, as {self.last}"
            )
        if orders:
            return self._decide_order(orders)
        numbers = [name for name in self.alive if name in SPECIAL]
        return Verdict(tuple(Reading((name,), _words(name)) for name in numbers), f"numbers such as {self.last}")

    def _decide_order(self, orders: Sequence[str]) -> Verdict:
        if "ymd" in orders and all(shape[1] == "4" for shape in self.shapes):
            # Nobody is known to write year, day, month; it stands only where a cell rules out the usual.
            orders = ["ymd"]
        readings = tuple(Reading(self._formats(name), ORDERS[name]) for name in orders)
        if len(readings) == 1:
            other = {"dmy": "mdy", "mdy": "dmy", "ymd": "ydm", "ydm": "ymd"}[orders[0]]
            evidence = self.refuted.get(other) or f"every cell begins with the year, as {self.last}"
            return Verdict(readings, evidence)
        words = " or ".join(reading.words for reading in readings)
        return Verdict(readings, f"{words}: no cell decides it (all {self.seen} can be read both ways, as {self.last})")

    def _formats(self, order: str) -> tuple[str, ...]:
        return tuple(_pattern(order, *shape) for shape in self.shapes)


def read_stamp(*, cell: str, formats: Iterable[str]) -> dt.datetime | None:
    """The time in `cell` by the first format that fits, naive where the cell names no offset; None where none fits."""
    for pattern in formats:
        try:
            stamp = _read(cell, pattern)
        except (ValueError, OverflowError):
            continue
        if 1 < stamp.year < 9999:  # the first and last year have moments that UTC cannot name
            return stamp
    return None


def contradict(formats: Sequence[str]) -> bool:
    """Whether two of the formats read the same text as different days."""
    swapped = {pattern.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m") for pattern in formats}
    return any("%d" in pattern and pattern in swapped for pattern in formats)


def _read(cell: str, pattern: str) -> dt.datetime:
    if pattern == "iso":
        return dt.datetime.fromisoformat(cell)
    if pattern in PER_SECOND:
        whole, _, part = cell.partition(".")
        return EPOCH + dt.timedelta(seconds=int(whole) / PER_SECOND[pattern] + float(f"0.{part or 0}"))
    if pattern == "excel":
        # To the millisecond: a day's fraction as a float holds no more.
        return EXCEL_ZERO + dt.timedelta(milliseconds=round(float(cell) * 86_400_000))
    return dt.datetime.strptime(cell, pattern)  # noqa: DTZ007 - the zone comes from the import


def _problem(name: str, cell: str, found: re.Match[str] | None) -> str | None:
    """Why the cell cannot be read so; None if it can."""
    if name == "iso":
        return None if _is_iso(cell) else "it is not ISO 8601"
    if name in SPECIAL:
        return _number_problem(name, cell)
    if not found:
        return "it is no date"
    return _order_problem(name, found)


def _order_problem(order: str, found: re.Match[str]) -> str | None:
    numbers = dict(zip(order, (found["a"], found["b"], found["c"]), strict=True))
    year, month, day = numbers["y"], int(numbers["m"]), int(numbers["d"])
    if len(year) not in (2, 4) or any(len(numbers[part]) > 2 for part in "md"):
        return "the year stands elsewhere"
    if month > 12:
        return f"there is no month {month}"
    try:
        dt.date(int(year) if len(year) == 4 else 2000 + int(year), month, day)
    except ValueError:
        return f"there is no day {day} in month {month}"
    return None


def _number_problem(name: str, cell: str) -> str | None:
    if not NUMBER.fullmatch(cell):
        return "it is not a number"
    value = float(cell)
    if name == "excel":
        return None if EXCEL_FROM <= value < EXCEL_TO else "it is no day of this century"
    per_second = PER_SECOND[name]
    return None if EPOCH_FROM <= value / per_second < EPOCH_TO else "it is no time of this century"


def _is_iso(cell: str) -> bool:
    # The basic form (20250304) and week dates are numbers or codes more often than dates.
    if not re.match(r"\d{4}-\d{2}-\d{2}", cell):
        return False
    try:
        dt.datetime.fromisoformat(cell)
    except ValueError:
        return False
    return True


def _pattern(order: str, separator: str, width: str, gap: str, time: str) -> str:
    names = {"y": "%Y" if width == "4" else "%y", "m": "%m", "d": "%d"}
    return separator.join(names[part] for part in order) + gap + time


def _time_pattern(found: re.Match[str]) -> str:
    if not found["time"]:
        return ""
    half = found["half"] or ""
    pattern = ["%I:%M" if half else "%H:%M", ":%S" if found["time"].count(":") == 2 else ""]
    return (
        "".join(pattern) + (".%f" if found["fraction"] else "") + half.lower().replace("am", "%p").replace("pm", "%p")
    )


def _words(name: str) -> str:
    units = {"epoch_s": "seconds", "epoch_ms": "milliseconds", "epoch_us": "microseconds"}
    return f"{units[name]} since 1970" if name in units else "days since 1900, as spreadsheets count"
