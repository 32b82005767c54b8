"""Guard: every number of an answer looked up among the figures that were sent; what is not there is marked unknown.

A number is found when it equals a sent figure within the rounding that the number itself shows: "78 %" is found where
78.0 % was sent, "78.4 %" is not. Percentages are only found among percentages. Seconds may be said in minutes or hours.
"""

import bisect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FOUND = "found"
UNKNOWN = "unknown"

SPACE = "\u00a0\u202f\u2009 "
# Dates and times of day are compared as they are written.
STAMP = r"\d{4}-\d{2}-\d{2}|\d{1,2}:\d{2}(?::\d{2})?"
DIGITS = rf"\d{{1,3}}(?:[{SPACE}']\d{{3}})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)*"
UNITS = "h|min|s|ms|kg|pcs|mm|m|Std|Min|Stk|godz|szt|ч|мин|шт|시간|분|초|개"
# With the rest of the word: "percentage points", "Prozentpunkte", "процентов".
PERCENT = rf"[{SPACE}]?(?:%|(?:percent|per cent|Prozent|procent|процент|퍼센트)\w*)"
NUMBER = re.compile(
    rf"(?P<stamp>(?<![\w.,-])(?:{STAMP})(?![\w:]))"
    rf"|(?<![\w.,])(?<![^\W\d_]-)(?P<digits>{DIGITS})(?:(?P<percent>{PERCENT})|(?=(?:{UNITS})\b)|(?!\w))"
)
# References to facts, numbers of list items and of headings say nothing about the plant.
IGNORED = re.compile(r"\[\s*F\d+[^\]\n]*\]|\bF\d+\b|^[ \t>]*(?:#+[ \t]*)?\d{1,2}[.)](?=[ \t])", re.MULTILINE)
INVISIBLE_SECONDS = (1, 60, 3600)
TINY = 1e-9


@dataclass(frozen=True, order=True)
class Figure:
    """A number that was sent. `percent` None: it may be either, as in a table's cell. `fact` "": not in a fact."""

    value: float
    percent: bool | None
    fact: str


def check_numbers(*, answer: str, facts: Sequence[Mapping[str, Any]], given: str) -> dict[str, Any]:
    """The `numbers` object of an analysis: counts, and a mark for each number of the answer.

    `facts` are {"id", "text", "values"}; `given` is the rest of what was sent (period, table, question).
    """
    figures = sorted(
        [*(figure for fact in facts for figure in figures_of_fact(fact)), *figures_of_text(given, fact="")],
        key=lambda figure: figure.value,
    )
    values = [figure.value for figure in figures]
    sent = "\n".join([given, *(str(fact["text"]) for fact in facts)])
    marks = [_mark(number, figures=figures, values=values, sent=sent) for number in _numbers(answer)]
    found = sum(mark["verdict"] == FOUND for mark in marks)
    return {"found": found, "derived": 0, "unknown": len(marks) - found, "contradicted": 0, "marks": marks}


def figures_of_fact(fact: Mapping[str, Any]) -> Iterator[Figure]:
    """What a fact shows in its text, and its values in full precision; a ratio also as a percentage."""
    yield from figures_of_text(str(fact["text"]), fact=str(fact["id"]), strict=True)
    for name, value in dict(fact.get("values") or {}).items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        for divisor in INVISIBLE_SECONDS if name.endswith(("_s", "seconds")) else (1,):
            yield Figure(abs(value) / divisor, False, str(fact["id"]))
        if abs(value) <= 10:
            yield Figure(abs(value) * 100, True, str(fact["id"]))


def figures_of_text(text: str, *, fact: str, strict: bool = False) -> Iterator[Figure]:
    """The numbers that a text shows. `strict`: a number without a percent sign is no percentage."""
    for number in NUMBER.finditer(text):
        if number["digits"]:
            percent = True if number["percent"] else (False if strict else None)
            yield from (Figure(value, percent, fact) for value, _ in read_digits(number["digits"]))


def read_digits(digits: str) -> list[tuple[float, int]]:
    """Each way to read a written number, with its decimals: `1,234` is 1234 or 1.234, `1.234,5` only 1234.5."""
    packed = re.sub(rf"[{SPACE}']", "", digits)
    separators = [character for character in packed if character in ".,"]
    if not separators:
        return [(float(packed), 0)]
    whole, _, fraction = packed.rpartition(separators[-1])
    as_fraction = (float(f"{re.sub('[.,]', '', whole)}.{fraction}"), len(fraction))
    as_thousands = (float(re.sub("[.,]", "", packed)), 0)
    grouped = all(len(group) == 3 for group in re.split("[.,]", packed)[1:]) and not packed.startswith("0")
    if len(set(separators)) == 1 and len(separators) > 1:
        return [as_thousands]
    if len(separators) > 1 or not grouped:
        return [as_fraction]
    return [as_thousands, as_fraction]


def _numbers(answer: str) -> Iterator[re.Match[str]]:
    # The ignored parts are blanked rather than cut out, so that positions stay those of the answer.
    blanked = IGNORED.sub(lambda found: " " * len(found.group()), answer)
    return NUMBER.finditer(blanked)


def _mark(number: re.Match[str], *, figures: Sequence[Figure], values: Sequence[float], sent: str) -> dict[str, Any]:
    text = number.group()
    if number["stamp"]:
        verdict, fact = (FOUND if text in sent else UNKNOWN), ""
    else:
        figure = _find(number["digits"], bool(number["percent"]), figures, values)
        verdict, fact = (FOUND, figure.fact) if figure else (UNKNOWN, "")
    start, end = number.span()
    return {"text": text, "start": start, "end": end, "verdict": verdict, "fact": fact or None}


def _find(digits: str, percent: bool, figures: Sequence[Figure], values: Sequence[float]) -> Figure | None:
    fitting = [
        figure
        for value, decimals in read_digits(digits)
        for figure in _near(value, 0.5 * 10**-decimals + TINY, figures, values)
        if not percent or figure.percent is not False
    ]
    # A fact is the better witness than a cell of the table.
    return max(fitting, key=lambda figure: bool(figure.fact), default=None)


def _near(value: float, tolerance: float, figures: Sequence[Figure], values: Sequence[float]) -> Iterable[Figure]:
    low = bisect.bisect_left(values, value - tolerance)
    high = bisect.bisect_right(values, value + tolerance)
    return figures[low:high]
