"""Derivations: what can be worked out of the figures that a sentence names or cites, and nothing beyond.

The operands are few on purpose: out of all figures that were sent nearly any number could be made by chance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from analyses.evidence import POINTS, ROWS, Fact, Figure, What

TINY = 1e-9
# A quotient of two counts in the same sentence is a share of something, or how many times as many.
PIECES = ("good", "scrap", "rework", "produced")
EVENTS = ("stops", "micro_stops", "setups")
TIMES = {"stops": ("down_s",), "micro_stops": ("micro_stop_s",), "setups": ("setup_s",)}
HOUR = 3600.0


@dataclass(frozen=True)
class Derived:
    """A value that follows from others, and how: `F2 - F3`. A share is also a ratio."""

    value: float
    what: What
    how: str
    is_points: bool = False


def derive(*, said: Sequence[Figure], cited: Sequence[Fact]) -> Iterator[Derived]:
    """All that follows from the figures found in a sentence (`said`) and from like figures of the facts it cites."""
    yield from _from_pairs(said)
    for fact in cited:
        yield from _within_fact(fact)
    yield from _across_facts(cited)
    for figure in said:
        yield from _complement(figure)


def _complement(figure: Figure) -> Iterator[Derived]:
    """22 % were lost where OEE was 78 %."""
    if figure.what == What.RATIO and 0 <= figure.value <= 1:
        yield Derived(1 - figure.value, What.RATIO, f"100 % - {_name(figure)}")


def _from_pairs(figures: Sequence[Figure]) -> Iterator[Derived]:
    """Sum, difference, ratio and percent change of every two figures of one kind."""
    for one, two in permutations(figures, 2):
        if one.what != two.what or ROWS in {one.name, two.name}:
            continue
        names = _name(one), _name(two)
        if one.size >= two.size:
            yield Derived(one.size + two.size, one.what, " + ".join(names))
            yield Derived(one.size - two.size, one.what, " - ".join(names), one.what == What.RATIO)
        if two.size > TINY:
            # A plain `1.5 times` and a percentage alike.
            yield Derived(one.size / two.size, What.NUMBER, " / ".join(names))
            if one.size <= two.size:
                yield Derived(one.size / two.size, What.RATIO, " / ".join(names))
            yield Derived(abs(one.size - two.size) / two.size, What.RATIO, f"({' - '.join(names)}) / {names[1]}")


def _within_fact(fact: Fact) -> Iterator[Derived]:
    """Shares, rates and means of what one fact tells, and the rest to 100 % of its ratios."""
    named = {figure.name: figure for figure in fact.figures if figure.name}
    made = [named[name].size for name in PIECES if name in named]
    total = named["produced"].size if "produced" in named else sum(made)
    for name in PIECES:
        if name in named and total > TINY:
            yield Derived(named[name].size / total, What.RATIO, f"{name} of {fact.id}")
    for name in EVENTS:
        for time in TIMES[name]:
            if name in named and time in named and named[name].size > TINY:
                mean = named[time].size / named[name].size
                yield Derived(mean, What.SECONDS, f"{time.removesuffix('_s')} per {name.rstrip('s')} of {fact.id}")
    running = named.get("running_s")
    if running is not None and running.size > TINY and total > TINY:
        yield Derived(total / running.size * HOUR, What.NUMBER, f"pieces per hour of {fact.id}")
    if total > TINY and "produced" not in named and len(made) > 1:
        yield Derived(total, What.NUMBER, f"all pieces of {fact.id}")
    for figure in named.values():
        yield from _complement(figure)


def _across_facts(facts: Sequence[Fact]) -> Iterator[Derived]:
    """What like figures of several facts come to: OEE of one machine and of another, the time of three reasons."""
    by_name: dict[str, list[Figure]] = {}
    for fact in facts:
        for figure in fact.figures:
            if figure.name and figure.name != POINTS:
                by_name.setdefault(figure.name, []).append(figure)
    for figures in by_name.values():
        yield from _from_pairs(figures)
        if len(figures) > 2:
            how = " + ".join(_name(figure) for figure in figures)
            yield Derived(sum(figure.size for figure in figures), figures[0].what, how)


def _name(figure: Figure) -> str:
    return figure.fact or figure.name or f"{figure.value:g}"
