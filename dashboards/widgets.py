"""Widgets: SummaryData as tiles: each figure with its change and the arithmetic behind it.

Every number is written by `production.formats`, so that tiles, API and prompts agree to the last digit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from production.formats import (
    NOT_RECORDED,
    format_count,
    format_duration,
    format_plural,
    format_points,
    format_ratio,
    format_share,
)
from production.kpis import Elements, Ratio
from production.summaries import Figures, SummaryData

RATIO_NAMES = {
    "oee": gettext_lazy("OEE"),
    "availability": gettext_lazy("Availability"),
    "performance": gettext_lazy("Performance"),
    "quality": gettext_lazy("Quality"),
}


@dataclass(frozen=True)
class Delta:
    """A change against the comparison: `verdict` is better, worse or same; the sign says it without colour."""

    text: str
    verdict: str
    against: str


@dataclass(frozen=True)
class Tile:
    """One figure for people: its value, its change, and how it comes about, in words and with the numbers put in."""

    key: str
    label: str
    value: str
    known: bool
    aside: str
    bar: str
    delta: Delta | None
    formula: str
    worked: str
    note: str
    product: str = ""


def build_tiles(data: SummaryData) -> tuple[Tile, ...]:
    """The tiles of the metrics that the summary shows, OEE first."""
    return tuple(build(data) for metric, build in TILES.items() if metric in data.metrics)


# --- ratios ----------------------------------------------------------------------------------------


def _ratio_tile(key: str, formula: Any, worked: Callable[[Elements], str], note: Any) -> Callable[[SummaryData], Tile]:
    def build(data: SummaryData) -> Tile:
        ratio: Ratio = getattr(data.totals, key)
        over = _("Over 100 %: an ideal cycle is too long, or a count is wrong.") if ratio.flagged else ""
        return Tile(
            key=key,
            label=str(RATIO_NAMES[key]),
            value=format_ratio(ratio),
            known=ratio.value is not None,
            aside=over,
            bar=percent_of_width(ratio.value),
            delta=_ratio_delta(data, key),
            formula=str(formula),
            worked=f"{worked(data.totals.elements)} = {format_ratio(ratio)}",
            product=_as_product(data.totals) if key == "oee" else "",
            note=str(note),
        )

    return build


def _ratio_delta(data: SummaryData, key: str) -> Delta | None:
    now = getattr(data.totals, key).value
    before = getattr(data.compared.totals, key).value if data.compared else None
    if data.compared is None or now is None or before is None:
        return None
    return Delta(format_points(now - before), _verdict(now - before, 0.0005, more_is_better=True), data.compared.label)


def _as_product(totals: Figures) -> str:
    """`85.4 % × 88.6 % × 99.1 %`, where each factor is known: the identity that people check by hand."""
    factors = (totals.availability, totals.performance, totals.quality)
    return " × ".join(map(format_ratio, factors)) if all(factor.value is not None for factor in factors) else ""


def _oee_numbers(e: Elements) -> str:
    return f"{format_duration(e.ideal_good_s)} ÷ {format_duration(e.planned_busy_s)}"


def _availability_numbers(e: Elements) -> str:
    return f"{format_duration(e.actual_production_s)} ÷ {format_duration(e.planned_busy_s)}"


def _performance_numbers(e: Elements) -> str:
    return f"{format_duration(e.ideal_produced_s)} ÷ {format_duration(e.actual_production_s)}"


def _quality_numbers(e: Elements) -> str:
    if e.uncycled > 0 or e.ideal_produced_s == 0:
        return f"{format_count(e.good)} ÷ {format_count(e.produced)}"
    return f"{format_duration(e.ideal_good_s)} ÷ {format_duration(e.ideal_produced_s)}"


# --- amounts ----------------------------------------------------------------------------------------


def _good_tile(data: SummaryData) -> Tile:
    e = data.totals.elements
    known = "good" not in data.totals.not_recorded
    return Tile(
        key="good",
        label=_("Good pieces"),
        value=format_quantity(data.totals, "good"),
        known=known,
        aside=_("of %(produced)s produced") % {"produced": format_count(e.produced)} if known else "",
        bar="",
        delta=_amount_delta(data, "good", more_is_better=True),
        formula=_("Pieces that were right the first time; rework is counted apart."),
        worked=_("%(good)s good + %(scrap)s scrap + %(rework)s rework = %(produced)s produced")
        % {"produced": format_count(e.produced), **_pieces(data.totals)},
        note="",
    )


def _pieces(figures: Figures) -> dict[str, str]:
    return {name: format_quantity(figures, name) for name in ("good", "scrap", "rework")}


def _scrap_tile(data: SummaryData) -> Tile:
    e = data.totals.elements
    known = "scrap" not in data.totals.not_recorded
    ratio = format_ratio(data.totals.scrap_ratio)
    share = _("%(share)s of produced") % {"share": ratio}
    return Tile(
        key="scrap",
        label=_("Scrap"),
        value=format_quantity(data.totals, "scrap"),
        known=known,
        aside=share if known and data.totals.scrap_ratio.value is not None else "",
        bar="",
        delta=_amount_delta(data, "scrap", more_is_better=False),
        formula=_("Scrap ratio = scrap ÷ produced (good + scrap + rework)"),
        worked=f"{format_quantity(data.totals, 'scrap')} ÷ {format_count(e.produced)} = {ratio}",
        note=_("Scrap is booked where it is found, which need not be where it was made."),
    )


def _down_tile(data: SummaryData) -> Tile:
    e = data.totals.elements
    return Tile(
        key="down",
        label=_("Down time"),
        value=format_duration(e.all_down_s),
        known=True,
        aside=format_plural(e.stops, "stop"),
        bar="",
        delta=_down_delta(data),
        formula=_("Unplanned stops as long as the machine's micro-stop threshold or longer, all machines together"),
        worked=_("%(inside)s in shifts + %(outside)s outside shifts = %(all)s")
        % {
            "inside": format_duration(e.down_s),
            "outside": format_duration(e.unscheduled_down_s),
            "all": format_duration(e.all_down_s),
        },
        note=_("Shorter stops are micro-stops: %(count)s of them, %(time)s, a performance loss.")
        % {"count": format_count(e.micro_stops), "time": format_duration(e.all_micro_stop_s)},
    )


def format_quantity(figures: Figures, name: str) -> str:
    """`1,234`; what no machine of the row reports is "not recorded", never 0."""
    return NOT_RECORDED if name in figures.not_recorded else format_count(getattr(figures.elements, name))


def _amount_delta(data: SummaryData, name: str, *, more_is_better: bool) -> Delta | None:
    if data.compared is None or name in (*data.totals.not_recorded, *data.compared.totals.not_recorded):
        return None
    now, before = (getattr(one.elements, name) for one in (data.totals, data.compared.totals))
    if not before:
        return None
    change = now / before - 1
    text = f"{'+' if change > 0 else ''}{format_share(change)}"
    return Delta(text, _verdict(change, 0.0005, more_is_better=more_is_better), data.compared.label)


def _down_delta(data: SummaryData) -> Delta | None:
    if data.compared is None:
        return None
    change = data.totals.elements.all_down_s - data.compared.totals.elements.all_down_s
    text = f"{'+' if change > 0 else '-' if change < 0 else ''}{format_duration(abs(change))}"
    return Delta(text, _verdict(change, 30, more_is_better=False), data.compared.label)


def _verdict(change: float, least: float, *, more_is_better: bool) -> str:
    if abs(change) < least:
        return "same"
    return "better" if (change > 0) == more_is_better else "worse"


TILES: dict[str, Callable[[SummaryData], Tile]] = {
    "oee": _ratio_tile(
        "oee",
        gettext_lazy("OEE = ideal time of the good pieces ÷ planned busy time, the same as A × P × Q"),
        _oee_numbers,
        gettext_lazy("Added up over all machines first, divided last: never the mean of percentages."),
    ),
    "availability": _ratio_tile(
        "availability",
        gettext_lazy("Availability = producing time ÷ planned busy time"),
        _availability_numbers,
        gettext_lazy("Down time, idle time and set-up count as availability losses; micro-stops do not."),
    ),
    "performance": _ratio_tile(
        "performance",
        gettext_lazy("Performance = ideal time of all pieces ÷ producing time"),
        _performance_numbers,
        gettext_lazy("Micro-stops and running below the ideal cycle are the losses. Never capped at 100 %."),
    ),
    "quality": _ratio_tile(
        "quality",
        gettext_lazy("Quality = ideal time of the good pieces ÷ ideal time of all pieces"),
        _quality_numbers,
        gettext_lazy("Weighted with the ideal cycle, so that slow and fast products count fairly; rework is not good."),
    ),
    "good": _good_tile,
    "scrap": _scrap_tile,
    "down": _down_tile,
}


def percent_of_width(share: float | None) -> str:
    """A share as an SVG width, `78.0%`; what is over is drawn full, the number beside it says the truth."""
    return "" if share is None else f"{min(max(share, 0.0), 1.0) * 100:.1f}%"
