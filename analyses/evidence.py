"""Evidence: every figure that was sent, with what it is and where it stands, to hold an answer's numbers against."""

import bisect
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from analyses.reading import Kind, Said, read_text

TABLE_OPEN, TABLE_CLOSE, SEPARATOR = "<<<TABLE", "TABLE>>>", ";"
PERIOD = "Period: "
POINTS = "points"
# How many rows the table has: machines, shifts or whatever it is grouped by.
ROWS = "rows"
# A ratio may be well over 1 and still be one: performance is never capped.
NOT_A_RATIO = 20.0


class What(StrEnum):
    """What a figure measures: a ratio (1.0 is 100 %), seconds, or pieces, stops and all else that is counted."""

    RATIO = "ratio"
    SECONDS = "seconds"
    NUMBER = "number"


@dataclass(frozen=True)
class Figure:
    """A number that was sent. `fact` is "" outside the facts, `name` its value's name there; a change has a sign."""

    value: float
    what: What
    fact: str = ""
    name: str = ""

    @property
    def size(self) -> float:
        """How large it is: an answer says `fell by 2 points`, not `rose by -2`."""
        return abs(self.value)


@dataclass(frozen=True)
class Fact:
    """A fact as the guard needs it: whom it is about, and its figures."""

    id: str
    about: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Evidence:
    """All that was sent. `shares` etc. are sorted by size; `days` are the days that were named, `window` those of the
    period; `quoted` is the text in which times of day and numbers of the question are looked up."""

    facts: Mapping[str, Fact]
    figures: Mapping[What, Sequence[Figure]]
    quoted: Sequence[Said]
    clocks: frozenset[str]
    days: frozenset[dt.date]
    window: tuple[dt.date, dt.date] | None
    names: tuple[str, ...]
    _sizes: Mapping[What, Sequence[float]] = field(default_factory=dict)

    def near(self, what: What, size: float, within: float) -> Sequence[Figure]:
        """The figures of that kind whose size is within `within`."""
        sizes = self._sizes.get(what, ())
        return self.figures.get(what, ())[
            bisect.bisect_left(sizes, size - within) : bisect.bisect_right(sizes, size + within)
        ]


def gather_evidence(*, facts: Sequence[Mapping[str, Any]], given: str) -> Evidence:
    """The figures of `facts` ({"id", "text", "values"}) and of `given`, the rest of what was sent."""
    besides, table = _split_table(given)
    told = {str(fact["id"]): list(read_text(str(fact["text"]))) for fact in facts}
    known = {str(fact["id"]): _read_fact(fact, told[str(fact["id"])]) for fact in facts}
    figures = [figure for fact in known.values() for figure in fact.figures] + list(_read_table(table))
    figures.sort(key=lambda figure: figure.size)
    by_kind = {what: [figure for figure in figures if figure.what == what] for what in What}
    quoted = list(read_text(besides))
    said = [*quoted, *(one for sentence in told.values() for one in sentence)]
    days = {dt.date(year, month, day) for one in said for year, month, day in one.dates if year}
    return Evidence(
        facts=known,
        figures=by_kind,
        quoted=quoted,
        clocks=frozenset(one.text for one in said if one.kind == Kind.CLOCK),
        days=frozenset(days),
        window=_read_window(besides),
        names=_read_names(facts, table),
        _sizes={what: [figure.size for figure in some] for what, some in by_kind.items()},
    )


def _read_fact(fact: Mapping[str, Any], told: Sequence[Said]) -> Fact:
    """The fact's values in full precision, and the figures that its sentence shows."""
    number, values = str(fact["id"]), dict(fact.get("values") or {})
    figures = [
        Figure(float(value), what_is(name, float(value)), number, name)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    figures += _figures_told(told, number)
    return Fact(number, str(values.get("name") or values.get("reason") or ""), tuple(figures))


def what_is(name: str, value: float) -> What:
    """What a value measures, by its name in the facts."""
    if name.endswith(("_s", "seconds")):
        return What.SECONDS
    # Ratios bear the names of KPIs; what is counted is called by what is counted.
    stem = name.removesuffix("_change").removesuffix("_before")
    is_ratio = stem in {"oee", "availability", "performance", "quality", "teep", "share", "cumulative"}
    if is_ratio or stem.endswith(("_ratio", "_share")):
        return What.RATIO if abs(value) < NOT_A_RATIO else What.NUMBER
    return What.NUMBER


def _figures_told(told: Sequence[Said], fact: str) -> Iterator[Figure]:
    """The figures that a sentence shows: percentages and points as ratios, durations in seconds."""
    for said in told:
        # The portal's own sentences write 1,234.5: the first reading is the one that is meant.
        for meant in said.meant[:1]:
            if said.kind in {Kind.PERCENT, Kind.POINTS}:
                yield Figure(meant.value / 100, What.RATIO, fact, POINTS if said.kind == Kind.POINTS else "")
            elif said.kind == Kind.DURATION:
                yield Figure(meant.value, What.SECONDS, fact)
            else:
                yield Figure(meant.value, What.NUMBER, fact)


def _split_table(given: str) -> tuple[str, list[str]]:
    before, _, rest = given.partition(f"{TABLE_OPEN}\n")
    table, _, after = rest.partition(f"\n{TABLE_CLOSE}")
    return before + after, table.splitlines() if rest else []


def _read_table(lines: Sequence[str]) -> Iterator[Figure]:
    """The cells, as what their column's title says: `OEE %`, `down min`, `good`."""
    if not lines:
        return
    titles = lines[0].split(SEPARATOR)
    for line in lines[1:]:
        for title, cell in list(zip(titles, line.split(SEPARATOR), strict=False))[1:]:
            try:
                value = float(cell)
            except ValueError:
                continue
            if title.endswith("%"):
                yield Figure(value / 100, What.RATIO, name=title)
            elif title.endswith(" min"):
                yield Figure(value * 60, What.SECONDS, name=title)
            else:
                yield Figure(value, What.NUMBER, name=title)
    yield Figure(float(len(lines) - 1), What.NUMBER, name=ROWS)


def _read_window(text: str) -> tuple[dt.date, dt.date] | None:
    """The first and last day of the period, from its line."""
    for line in text.splitlines():
        if line.startswith(PERIOD):
            days = [dt.date(*day) for said in read_text(line) for day in said.dates if day[0]]  # type: ignore[arg-type]
            return (min(days), max(days)) if days else None
    return None


def _read_names(facts: Sequence[Mapping[str, Any]], table: Sequence[str]) -> tuple[str, ...]:
    """Names with digits in them (`Press 2`): their digits are no numbers. The longest first."""
    named = {str(fact.get("values", {}).get(key) or "") for fact in facts for key in ("name", "reason")}
    named |= {line.split(SEPARATOR)[0] for line in table[1:]}
    return tuple(sorted(filter(_has_digit, named), key=len, reverse=True))


def _has_digit(name: str) -> bool:
    return any(character.isdigit() for character in name)
