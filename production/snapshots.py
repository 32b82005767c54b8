"""Snapshots: SummaryData as JSON-ready values, the form in which the figures leave the portal and are kept."""

from typing import Any

from production.figures import Figures
from production.kpis import Elements
from production.summaries import Freshness, ParetoBar, SummaryData
from production.windows import Period

RATIOS = ("oee", "availability", "performance", "quality", "scrap_ratio")
QUANTITIES = ("good", "scrap", "rework")

Values = dict[str, float | str | None]


def describe_data(data: SummaryData) -> dict[str, Any]:
    """The data without its facts; times are ISO 8601 in UTC with offset."""
    return {
        "title": data.title,
        "window": _period_as_dict(data.period),
        "zone": data.period.zone,
        "scope": list(data.scope),
        "freshness": _freshness_as_dict(data.freshness),
        "totals": _figures_as_dict(data.totals),
        "compared": {
            "label": data.compared.label,
            "window": _period_as_dict(data.compared.period),
            "totals": _figures_as_dict(data.compared.totals),
        }
        if data.compared
        else None,
        "group_by": data.group_by,
        "metrics": list(data.metrics),
        "groups": [_figures_as_dict(figures) for figures in data.groups],
        "pareto": [_bar_as_dict(bar) for bar in data.pareto],
        "trend": [_figures_as_dict(figures) for figures in data.trend],
        "warnings": [{"code": warning.code, "text": warning.text} for warning in data.warnings],
        "definitions": list(data.definitions),
        "read_at": data.read_at.isoformat(),
    }


def ratios_of(figures: Figures) -> Values:
    """The ratios by name, 1.0 is 100 %; None where there is none."""
    return {name: getattr(figures, name).value for name in RATIOS}


def quantities_of(figures: Figures) -> Values:
    """Pieces by name; None where they are not recorded."""
    return {name: None if name in figures.not_recorded else getattr(figures.elements, name) for name in QUANTITIES}


def times_of(e: Elements) -> Values:
    """Seconds and numbers of stops, in and outside shifts together."""
    return {
        "running_s": e.all_running_s,
        "setup_s": e.all_setup_s,
        "down_s": e.all_down_s,
        "micro_stop_s": e.all_micro_stop_s,
        "stops": e.stops,
        "micro_stops": e.micro_stops,
        "setups": e.setups,
    }


def _figures_as_dict(figures: Figures) -> dict[str, Any]:
    """Ratios (1.0 is 100 %) with the reason in `why` where one is null; times in and outside shifts together."""
    e = figures.elements
    return {
        "key": figures.key,
        "name": figures.name,
        **ratios_of(figures),
        "why": {name: getattr(figures, name).why for name in RATIOS if getattr(figures, name).value is None},
        **quantities_of(figures),
        "produced": None if len(figures.not_recorded) == len(QUANTITIES) else e.produced,
        **times_of(e),
        "idle_s": e.idle_s,
        "planned_stop_s": e.planned_stop_s,
        "unknown_s": e.unknown_s,
        "planned_busy_s": e.planned_busy_s,
        "actual_production_s": e.actual_production_s,
        "ideal_produced_s": e.ideal_produced_s,
        "ideal_good_s": e.ideal_good_s,
        "uncycled": e.uncycled,
        "unscheduled_running_s": e.unscheduled_running_s,
        "unscheduled_setup_s": e.unscheduled_setup_s,
        "unscheduled_down_s": e.unscheduled_down_s,
    }


def _bar_as_dict(bar: ParetoBar) -> dict[str, Any]:
    return {name: getattr(bar, name) for name in ("reason", "loss_class", "seconds", "stops", "share", "cumulative")}


def _period_as_dict(period: Period) -> dict[str, Any]:
    return {
        "window": period.window,
        "from": period.from_at.isoformat(),
        "to": period.to_at.isoformat(),
        "label": period.label,
    }


def _freshness_as_dict(freshness: Freshness) -> dict[str, Any]:
    return {
        "newest_event_at": freshness.newest_event_at.isoformat() if freshness.newest_event_at else None,
        "age_s": freshness.age_s,
        "folded_at": freshness.folded_at.isoformat() if freshness.folded_at else None,
        "provisional": freshness.provisional,
    }
