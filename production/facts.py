"""Facts: SummaryData as numbered sentences F1..Fn, the most important first, and as the JSON of the API.

Each fact stands alone, with names and units. Its `values` carry full precision, its text the precision that people
are shown. What a source does not record is said to be "not recorded", never 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from production import kpis
from production.figures import Figures
from production.formats import (
    NOT_RECORDED,
    format_count,
    format_duration,
    format_moment,
    format_plural,
    format_points,
    format_ratio,
    format_share,
)
from production.kpis import Elements, Ratio
from production.snapshots import QUANTITIES, Values, describe_data, quantities_of, ratios_of, times_of
from production.summaries import SummaryData

# So many bars of the Pareto are facts of their own.
TOP_REASONS = 5


@dataclass(frozen=True)
class Fact:
    """A sentence with its number ("F1") and the figures in it: seconds, pieces, ratios (1.0 is 100 %), names."""

    id: str
    text: str
    values: Values


def number_facts(data: SummaryData) -> tuple[Fact, ...]:
    """The facts of the data, the most important first."""
    if any(warning.code == "no_events" for warning in data.warnings):
        found = [*_warnings(data)]
    else:
        found = [
            *_totals(data),
            *_comparison(data),
            *_pieces(data),
            *_down_time(data),
            *_pareto(data),
            *_groups(data),
            *_trend(data),
            *_other_times(data),
            *_contact(data),
            *_warnings(data),
        ]
    return tuple(Fact(f"F{number}", text, values) for number, (text, values) in enumerate(found, start=1))


def as_dict(data: SummaryData, facts: Sequence[Fact]) -> dict[str, Any]:
    """The data and its facts as JSON-ready values (CONTRACT.md 3, `summaries/{id}/data/`)."""
    told = [{"id": fact.id, "text": fact.text, "values": fact.values} for fact in facts]
    return {**describe_data(data), "facts": told}


Said = Iterator[tuple[str, Values]]


def _totals(data: SummaryData) -> Said:
    totals = data.totals
    if totals.oee.value is not None:
        yield (
            f"{_capital(data.period.label)}: OEE was {format_ratio(totals.oee)}, from "
            f"{_named('availability', totals.availability)}, {_named('performance', totals.performance)} and "
            f"{_named('quality', totals.quality)}.",
            ratios_of(totals),
        )
        return
    text = f"{_capital(data.period.label)}: there is no OEE ({totals.oee.why})."
    known = [f"{name} was {format_ratio(ratio)}" for name, ratio in _known_parts(totals)]
    yield text + (f" {_capital(', '.join(known))}." if known else ""), ratios_of(totals)
    if not totals.elements.planned_busy_s and totals.elements.all_running_s:
        yield (
            f"Machines ran for {format_duration(totals.elements.all_running_s)} in all.",
            {"running_s": totals.elements.all_running_s},
        )


def _named(name: str, ratio: Ratio) -> str:
    """`quality 98.0 %`, or `no quality (nothing produced)`."""
    return f"no {name} ({ratio.why})" if ratio.value is None else f"{name} {format_ratio(ratio)}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _known_parts(figures: Figures) -> Iterator[tuple[str, Ratio]]:
    for name in ("availability", "performance", "quality"):
        ratio = getattr(figures, name)
        if ratio.value is not None:
            yield name, ratio


def _comparison(data: SummaryData) -> Said:
    if data.compared is None:
        return
    now, before = data.totals, data.compared.totals
    changed = []
    values: Values = {}
    for name, label in (
        ("oee", "OEE"),
        ("availability", "availability"),
        ("performance", "performance"),
        ("quality", "quality"),
    ):
        new, old = getattr(now, name).value, getattr(before, name).value
        if new is not None and old is not None:
            changed.append(f"{label} {format_points(new - old)} (was {format_share(old)})")
            values |= {f"{name}_change": new - old, f"{name}_before": old}
    if changed:
        yield f"Against {data.compared.label}: {', '.join(changed)}.", values


def _pieces(data: SummaryData) -> Said:
    totals = data.totals
    if len(totals.not_recorded) == len(QUANTITIES):
        yield "Pieces are not recorded.", dict.fromkeys(QUANTITIES)
        return
    parts = [f"{name} {_quantity(totals, name)}" for name in QUANTITIES]
    scrap = (
        f" The scrap ratio was {format_ratio(totals.scrap_ratio)} of the pieces produced."
        if totals.scrap_ratio.value is not None
        else ""
    )
    yield (
        f"Pieces: {format_count(totals.elements.produced)} produced, {', '.join(parts)}.{scrap}",
        {**quantities_of(totals), "produced": totals.elements.produced, "scrap_ratio": totals.scrap_ratio.value},
    )


def _quantity(figures: Figures, name: str) -> str:
    return NOT_RECORDED if name in figures.not_recorded else format_count(getattr(figures.elements, name))


def _down_time(data: SummaryData) -> Said:
    e = data.totals.elements
    values: Values = {"down_s": e.all_down_s, "stops": e.stops}
    if not e.stops and not e.all_down_s:
        yield "No unplanned stop as long as the micro-stop threshold or longer was reported.", values
        return
    outside = (
        f", {format_duration(e.unscheduled_down_s)} of it outside shifts" if e.unscheduled_down_s and e.down_s else ""
    )
    yield (
        f"Unplanned down time was {format_duration(e.all_down_s)} {_in_stops(e.stops)}{outside}.",
        values,
    )
    between = kpis.mean_time_between_failures(e)
    if between.value is not None:
        yield (
            f"Machines ran for {format_duration(between.value)} between two unplanned stops on average (MTBF).",
            {"mtbf_s": between.value},
        )


def _in_stops(stops: int) -> str:
    """A stop is counted where it begins, so a period may hold down time and no stop."""
    return f"in {format_plural(stops, 'stop')}" if stops else "of stops that began earlier"


def _pareto(data: SummaryData) -> Said:
    for place, bar in enumerate([bar for bar in data.pareto if bar.seconds][:TOP_REASONS], start=1):
        yield (
            f"Down time by reason, place {place}: {bar.reason} with {format_duration(bar.seconds)} "
            f"{_in_stops(bar.stops)}, {format_share(bar.share)} of all down time and micro-stops "
            f"(together so far {format_share(bar.cumulative)}).",
            {
                "reason": bar.reason,
                "down_s": bar.seconds,
                "stops": bar.stops,
                "share": bar.share,
                "cumulative": bar.cumulative,
            },
        )


def _groups(data: SummaryData) -> Said:
    """The worst OEE first; rows without one after those, by name."""
    if len(data.groups) < 2:
        return
    order = sorted(data.groups, key=lambda g: (g.oee.value is None, g.oee.value or 0.0, g.name))
    for figures in order:
        e = figures.elements
        if figures.oee.why == kpis.NO_DATA and e == Elements():
            yield f"{figures.name}: nothing was reported.", {"name": figures.name, **ratios_of(figures)}
            continue
        made = ", ".join(f"{name} {_quantity(figures, name)}" for name in ("good", "scrap"))
        yield (
            f"{figures.name}: {_named('OEE', figures.oee)}, {_named('availability', figures.availability)}, "
            f"{_named('performance', figures.performance)}, {_named('quality', figures.quality)}, "
            f"pieces {made}, down {format_duration(e.all_down_s)} {_in_stops(e.stops)}, "
            f"set-up {format_duration(e.all_setup_s)}, {format_plural(e.micro_stops, 'micro-stop')}.",
            {"name": figures.name, **ratios_of(figures), **quantities_of(figures), **times_of(e)},
        )


def _trend(data: SummaryData) -> Said:
    # A day or hour that has only begun is neither the best nor the worst.
    is_going_on = data.period.to_at >= data.read_at
    ended = data.trend[:-1] if is_going_on else data.trend
    known = [point for point in ended if point.oee.value is not None]
    if len(known) < 2:
        return
    best = max(known, key=lambda point: point.oee.value or 0.0)
    worst = min(known, key=lambda point: point.oee.value or 0.0)
    step = "hour" if "T" in worst.key else "day"
    for word, point in (("worst", worst), ("best", best)):
        yield (
            f"The {step} with the {word} OEE was {point.name}: {format_ratio(point.oee)}.",
            {"at": point.name, "oee": point.oee.value},
        )


def _other_times(data: SummaryData) -> Said:
    e = data.totals.elements
    if e.setups or e.all_setup_s:
        yield (
            f"Set-up took {format_duration(e.all_setup_s)} in {format_plural(e.setups, 'set-up')}.",
            {"setup_s": e.all_setup_s, "setups": e.setups},
        )
    if e.micro_stops:
        yield (
            f"{format_plural(e.micro_stops, 'micro-stop')} took {format_duration(e.all_micro_stop_s)} in all.",
            {"micro_stops": e.micro_stops, "micro_stop_s": e.all_micro_stop_s},
        )
    for name, seconds in (("Idle time", e.idle_s), ("Planned stops", e.planned_stop_s)):
        if seconds:
            yield f"{name}: {format_duration(seconds)} in shift time.", {"seconds": seconds}
    if e.planned_busy_s and (e.unscheduled_running_s or e.unscheduled_setup_s):
        yield (
            f"Outside all shifts machines ran for {format_duration(e.unscheduled_running_s)} and were set up for "
            f"{format_duration(e.unscheduled_setup_s)}; no ratio counts that time.",
            {"unscheduled_running_s": e.unscheduled_running_s, "unscheduled_setup_s": e.unscheduled_setup_s},
        )


def _contact(data: SummaryData) -> Said:
    e, newest = data.totals.elements, data.freshness.newest_event_at
    share = kpis.unknown_share(e)
    if share.value:
        yield (
            f"{format_share(share.value)} of planned busy time ({format_duration(e.unknown_s)}) was without contact.",
            {"unknown_share": share.value, "unknown_s": e.unknown_s},
        )
    if newest is not None and data.freshness.age_s is not None:
        yield (
            f"The newest event is of {format_moment(newest, zone=data.period.zone)}, "
            f"{format_duration(data.freshness.age_s)} before these figures were read.",
            {"newest_event_at": newest.isoformat(), "age_s": data.freshness.age_s},
        )


def _warnings(data: SummaryData) -> Said:
    # Contact and pieces not recorded are facts already, with their figures.
    for warning in data.warnings:
        if warning.code != "unknown_share":
            yield f"Warning: {warning.text}", {"code": warning.code}
