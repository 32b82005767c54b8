"""Reading: the numbers, durations, dates and weekdays of a text in five languages, each with its precision.

A number is kept in each way it may be meant: `1,234` is 1234, or 1.234 to whoever writes decimals with a comma.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from analyses.words import MONTHS, WEEKDAYS

SPACE = "\u00a0\u202f\u2009 "
DIGITS = rf"\d{{1,3}}(?:[{SPACE}'’]\d{{3}})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)*"
BLANKS = re.compile(rf"[{SPACE}'’]")
# A number begins where no word, and no other number, goes on: OP-20, M7 and 3D are names.
BEGIN = r"(?<![\w.,])(?<![^\W\d_]-)"
HOURS = r"h|hrs?|hours?|Std\.?|Stunden?|godz\.?|godzin\w*|ч\.?|час\w*|시간"
MINUTES = r"min\.?|mins|minutes?|Min\.?|Minuten?|minut\w*|мин\.?|минут\w*|분"
SECONDS = r"s|secs?|seconds?|Sek\.?|Sekunden?|sek\.?|sekund\w*|с|сек\.?|секунд\w*|초"
DAYS = r"days?|Tagen?|Tage|dni|dzień|дней|дня|день|일간"
WEEKS = r"weeks?|Wochen?|tygodni\w*|tydzień|недел\w+|주간"
MONTHS_LONG = r"months?|Monaten?|Monate?|miesi\w+|месяц\w*|개월"
YEARS = r"years?|Jahren?|Jahre?|lata|lat|rok|roku|лет|года?|년간"
POINTS = (
    r"percentage points?|pp\b|p\.p\.|%p|Prozentpunkt\w*|punkt\w* procentow\w*|процентн\w+ пункт\w*|п\.\s?п\."
    r"|퍼센트\s?포인트|%\s?포인트"
)
PERCENT = r"%|percent\b|per cent\b|Prozent\w*|procent\w*|процент\w*|퍼센트"
COUNTED = r"kg|pcs|mm|m|Stk|szt|шт|개|회|건|대"
AND = r"(?:and|und|i|и)\s"

# Korean hangs its endings on the word without a blank.
NO_LETTER = r"(?![^\W\d_가-힣])"
DURATION = (
    rf"(?P<hours>{DIGITS})[{SPACE}]?(?:{HOURS}){NO_LETTER}(?:[{SPACE}]?(?:{AND})?(?:(?P<rest>[0-5]?\d)[{SPACE}]?(?:{MINUTES}){NO_LETTER}"
    rf"|(?P<bare>[0-5]\d)(?![\d%]|[.,]\d|[{SPACE}]%)))?"
    rf"|(?P<minutes>{DIGITS})[{SPACE}]?(?:{MINUTES}){NO_LETTER}"
    rf"|(?P<seconds>{DIGITS})[{SPACE}]?(?:{SECONDS}){NO_LETTER}"
    rf"|(?P<days>{DIGITS})[{SPACE}]?(?:{DAYS}){NO_LETTER}"
    rf"|(?P<weeks>{DIGITS})[{SPACE}]?(?:{WEEKS}){NO_LETTER}"
    rf"|(?P<months>{DIGITS})[{SPACE}]?(?:{MONTHS_LONG}){NO_LETTER}"
    rf"|(?P<years>{DIGITS})[{SPACE}]?(?:{YEARS}){NO_LETTER}"
)
MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
DATE = (
    r"(?P<iso>\d{4}-\d{2}-\d{2})(?![^\W가-힣]|-)"
    r"|(?P<day>\d{1,2})(?P<sep>[./])(?P<month>\d{1,2})(?P=sep)(?P<year>\d{4})(?!\w)"
    rf"|(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\.?\s(?:of\s)?(?P<name>{MONTH})\b\.?(?:,?\s(?P<year2>\d{{4}})(?![\d%]))?"
    rf"|(?P<name3>{MONTH})\b\.?\s(?P<day3>\d{{1,2}})(?:st|nd|rd|th)?(?![\d.,]\d|\s?[%:])(?:,\s(?P<year3>\d{{4}})(?!\d))?"
    r"|(?:(?P<year4>\d{4})년\s?)?(?P<month4>\d{1,2})월\s?(?P<day4>\d{1,2})일"
)
CLOCK = r"(?P<clock>(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?)(?![\w:])"
WEEKDAY = r"(?P<weekday>(?<![^\W_])(?:" + "|".join(sorted(WEEKDAYS, key=len, reverse=True)) + rf")){NO_LETTER}"
# Atomic: where `1.5x` is a name, its `1` is no number either.
NUMBER = (
    rf"(?P<digits>(?>{DIGITS}))"
    rf"(?:[{SPACE}]?(?:(?P<points>{POINTS})|(?P<percent>{PERCENT}))|(?=(?:{COUNTED})(?![a-z]))|(?![^\W가-힣]))"
)
TOKEN = re.compile(rf"{BEGIN}(?:{DATE}|{CLOCK}|{DURATION})|{WEEKDAY}|{BEGIN}{NUMBER}")
# References to facts, numbers of list items and of headings say nothing about the plant.
IGNORED = re.compile(
    r"\[\s*F\d+[^\]\n]*\]|\bF\d+\b|^[ \t>]*(?:#+[ \t]*)?(?:\*\*)?\d{1,2}[.)](?=[ \t])|\btop[ -]\d{1,2}\b",
    re.MULTILINE | re.IGNORECASE,
)
FACTORS = {
    **{"hours": 3600.0, "minutes": 60.0, "seconds": 1.0, "days": 86_400.0},
    **{"weeks": 604_800.0, "months": 2_629_746.0, "years": 31_556_952.0},
}

# Year (None where it was not said), month and day.
Day = tuple[int | None, int, int]


class Kind(StrEnum):
    """What a number is said to be."""

    PLAIN = "plain"
    PERCENT = "percent"
    POINTS = "points"
    DURATION = "duration"
    DATE = "date"
    WEEKDAY = "weekday"
    CLOCK = "clock"


@dataclass(frozen=True)
class Meant:
    """One reading of a number: `within` is half a unit of its last place. Durations in s, percentages as 78.0."""

    value: float
    within: float


@dataclass(frozen=True)
class Said:
    """A number, duration, date, time of day or weekday: where it stands and what it may mean.

    `dates` are the days it may name ((None, month, day) without a year); `weekday` is ISO (1 is Monday).
    """

    text: str
    start: int
    end: int
    kind: Kind
    meant: tuple[Meant, ...] = ()
    dates: tuple[Day, ...] = ()
    weekday: int = 0


def read_text(text: str) -> Iterator[Said]:
    """All of a text in order; references to facts and the numbers of lists are left out."""
    # Blanked rather than cut out, so that positions stay those of the text.
    blanked = IGNORED.sub(lambda found: " " * len(found.group()), text)
    for found in TOKEN.finditer(blanked):
        yield _read(found)


def _read(found: re.Match[str]) -> Said:
    kind, weekday = Kind.PLAIN, 0
    meant: tuple[Meant, ...] = ()
    dates: tuple[Day, ...] = ()
    if found["weekday"]:
        kind, weekday = Kind.WEEKDAY, WEEKDAYS[found["weekday"]]
    elif found["clock"]:
        kind = Kind.CLOCK
    elif found["digits"]:
        kind = Kind.POINTS if found["points"] else Kind.PERCENT if found["percent"] else Kind.PLAIN
        meant = tuple(Meant(value, 0.5 * 10**-places) for value, places in read_digits(found["digits"]))
    elif unit := next((unit for unit in FACTORS if found[unit]), ""):
        kind, meant = Kind.DURATION, _read_duration(found, unit)
    else:
        kind, dates = Kind.DATE, tuple(_read_dates(found))
    return Said(found.group(), *found.span(), kind, meant, dates, weekday)


def _read_duration(found: re.Match[str], unit: str) -> tuple[Meant, ...]:
    factor = FACTORS[unit]
    if rest := found["rest"] or found["bare"]:
        return tuple(Meant(value * 3600 + int(rest) * 60, 30.0) for value, _ in read_digits(found["hours"]))
    return tuple(Meant(value * factor, 0.5 * 10**-places * factor) for value, places in read_digits(found[unit]))


def _read_dates(found: re.Match[str]) -> Iterator[Day]:
    """Each day that the date may name; none if there is no such day."""
    candidates: list[Day]
    if found["iso"]:
        year, month, day = found["iso"].split("-")
        candidates = [(int(year), int(month), int(day))]
    elif found["day"]:
        of, one, two = int(found["year"]), int(found["month"]), int(found["day"])
        # With dots the day comes first everywhere; with strokes either may.
        candidates = [(of, one, two), (of, two, one)] if found["sep"] == "/" else [(of, one, two)]
    elif found["month4"]:
        candidates = [(int(found["year4"]) if found["year4"] else None, int(found["month4"]), int(found["day4"]))]
    else:
        name, said = found["name"] or found["name3"], found["year2"] or found["year3"]
        candidates = [(int(said) if said else None, MONTHS[name], int(found["day2"] or found["day3"]))]
    for candidate in candidates:
        try:
            # 2024 is a leap year: without a year, 29 February is a day.
            dt.date(candidate[0] or 2024, *candidate[1:])
        except ValueError:
            continue
        yield candidate


def read_digits(digits: str) -> list[tuple[float, int]]:
    """Each way to read a written number, with its decimals: `1,234` is 1234 or 1.234, `1.234,5` only 1234.5."""
    if digits.isdecimal():
        return [(float(digits), 0)]
    packed = BLANKS.sub("", digits)
    separators = [character for character in packed if character in ".,"]
    if not separators:
        return [(float(packed), 0)]
    if len(separators) == 1 and separators[0] == "." and len(packed.partition(".")[2]) != 3:
        return [(float(packed), len(packed.partition(".")[2]))]
    whole, _, fraction = packed.rpartition(separators[-1])
    as_fraction = (float(f"{re.sub('[.,]', '', whole)}.{fraction}"), len(fraction))
    as_thousands = (float(re.sub("[.,]", "", packed)), 0)
    grouped = all(len(group) == 3 for group in re.split("[.,]", packed)[1:]) and not packed.startswith("0")
    if len(set(separators)) == 1 and len(separators) > 1:
        return [as_thousands]
    if len(separators) > 1 or not grouped:
        return [as_fraction]
    return [as_thousands, as_fraction]
