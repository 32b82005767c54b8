"""Figures for tests of pure steps: the two machines of DOMAIN.md 1 as SummaryData, and a plant with their events."""

import datetime as dt
from dataclasses import dataclass, field

from production.kpis import Elements, availability, oee, performance, quality, scrap_ratio
from production.models import Metric
from production.summaries import Figures, Freshness, Period, SummaryData, Warned

NOW = dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)
MINUTE = 60.0


@dataclass(frozen=True)
class Fact:
    """A fact as production.facts gives it."""

    id: str
    text: str
    values: dict = field(default_factory=dict)


def make_figures(name, elements):
    return Figures(
        key=name,
        name=name,
        elements=elements,
        oee=oee(elements),
        availability=availability(elements),
        performance=performance(elements),
        quality=quality(elements),
        scrap_ratio=scrap_ratio(elements),
    )


PRESS_1 = Elements(
    running_s=400 * MINUTE,
    idle_s=80 * MINUTE,
    good=990,
    scrap=10,
    ideal_produced_s=360 * MINUTE,
    ideal_good_s=356.4 * MINUTE,
)
PRESS_2 = Elements(
    running_s=60 * MINUTE,
    down_s=180 * MINUTE,
    good=10,
    scrap=10,
    ideal_produced_s=50 * MINUTE,
    ideal_good_s=25 * MINUTE,
    stops=14,
)


def make_data(*, groups=None, warnings=(), scope=(), title="Plant", label="today"):
    """SummaryData of those machines, or of others given as (name, elements)."""
    groups = groups or [("Press 1", PRESS_1), ("Press 2", PRESS_2)]
    totals = sum((elements for _, elements in groups), Elements())
    return SummaryData(
        title=title,
        period=Period(dt.datetime(2026, 3, 2, 5, tzinfo=dt.UTC), NOW, "Europe/Warsaw", label),
        freshness=Freshness(NOW - dt.timedelta(minutes=3), 180.0, NOW, True),
        scope=tuple(scope),
        metrics=tuple(Metric.values),
        group_by="machine",
        totals=make_figures("all", totals),
        compared=None,
        groups=tuple(make_figures(name, elements) for name, elements in groups),
        pareto=(),
        trend=(),
        warnings=tuple(Warned("w", text) for text in warnings),
        definitions=("OEE = availability x performance x quality.",),
        read_at=NOW,
    )


def make_facts(count=3):
    return tuple(
        Fact(f"F{number}", f"Press {number} was down for {number} h {number + 9} min.", {"down_s": number * 3600.0})
        for number in range(1, count + 1)
    )
