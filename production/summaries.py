"""Summaries: the rollups of a window folded into SummaryData, the one source of tiles, charts, API and prompts."""

import datetime as dt
import zoneinfo
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mesassist.tenants.scope import current_tenant, tenant_tx
from production.calendar import DAY
from production.cautions import Warned, define_terms, find_warnings
from production.figures import (
    HOUR,
    Figures,
    LossRow,
    SumRow,
    figures_of,
    gather,
    hour_of,
    read_losses,
    read_sums,
)
from production.formats import format_clock, format_day
from production.models import GroupBy, LossClass, Summary
from production.scopes import Scope, SummarySpec, find_period, read_scope, spec_of
from production.strips import Strip, draw_strips
from production.windows import Period, compared_period, production_day_at

__all__ = [
    "Compared",
    "Figures",
    "Freshness",
    "ParetoBar",
    "Period",
    "Strip",
    "SummaryData",
    "SummarySpec",
    "Warned",
    "main_summary",
    "read_strips",
    "read_summary",
    "spec_of",
]

MAIN_NAME = "Plant"
UNCLASSIFIED = "Unclassified"
MICRO_STOPS = "Micro-stops"
OUTSIDE_SHIFTS = "Outside shifts"
# Up to this length the trend goes by hour, above it by day.
BY_HOUR = dt.timedelta(days=2)
LONGEST_STRIP = dt.timedelta(hours=48)
SHOWN_OF_LONGER = dt.timedelta(hours=24)


@dataclass(frozen=True)
class ParetoBar:
    """Down time of one reason: seconds, stops, its share of all down time and the shares so far (0..1)."""

    reason: str
    loss_class: str
    seconds: float
    stops: int
    share: float
    cumulative: float


@dataclass(frozen=True)
class Compared:
    """The totals of the stretch that the period is compared with."""

    label: str
    period: Period
    totals: Figures


@dataclass(frozen=True)
class Freshness:
    """How old the figures are. `provisional`: an open state was counted up to `folded_at`."""

    newest_event_at: dt.datetime | None
    age_s: float | None
    folded_at: dt.datetime | None
    provisional: bool


@dataclass(frozen=True)
class SummaryData:
    """The frozen numbers of one summary at one moment."""

    title: str
    period: Period
    freshness: Freshness
    scope: tuple[str, ...]
    metrics: tuple[str, ...]
    group_by: str
    totals: Figures
    compared: Compared | None
    groups: tuple[Figures, ...]
    pareto: tuple[ParetoBar, ...]
    trend: tuple[Figures, ...]
    warnings: tuple[Warned, ...]
    definitions: tuple[str, ...]
    read_at: dt.datetime


def main_summary() -> Summary:
    """The summary that the tenant's dashboard opens with; made on demand, with every metric of every machine."""
    found: Summary | None = Summary.objects.filter(is_main=True).first()
    if found is None:
        with tenant_tx():
            found, _made = Summary.objects.get_or_create(tenant=current_tenant(), name=MAIN_NAME)
            found.is_main = True
            found.save(update_fields=["is_main"])
    return found


def read_summary(*, spec: SummarySpec, now: dt.datetime) -> SummaryData:
    """The numbers of `spec` as they stand at `now`, from rollups alone; five queries, however many machines."""
    scope = read_scope(spec)
    period = find_period(spec, scope, now)
    by_hour = period.to_at - period.from_at <= BY_HOUR
    rows = read_sums(machine_ids=scope.machine_ids, period=period, by_hour=by_hour)
    totals = total_of(rows, scope)
    groups = _group(rows, spec, scope, period)
    freshness = _freshness(rows, scope, now)
    shifts = scope.own_shifts
    return SummaryData(
        title=spec.title,
        period=period,
        freshness=freshness,
        scope=scope.names,
        metrics=spec.metrics,
        group_by=spec.group_by,
        totals=totals,
        compared=_compare(spec, scope, period),
        groups=groups,
        pareto=build_pareto(read_losses(machine_ids=scope.machine_ids, period=period)),
        trend=_trend(rows, scope, period, by_hour=by_hour),
        warnings=find_warnings(
            period=period,
            totals=totals,
            groups=groups,
            machines=scope.machines,
            shifts=shifts,
            newest_event_at=freshness.newest_event_at,
            provisional=freshness.provisional,
            now=now,
        ),
        definitions=define_terms(machines=scope.machines, group_by=spec.group_by),
        read_at=now,
    )


def read_strips(*, spec: SummarySpec, now: dt.datetime) -> tuple[Strip, ...]:
    """Each machine's states in the window, exact from events; of a window over 48 h the last 24 h, and labelled so."""
    scope = read_scope(spec)
    period = find_period(spec, scope, now)
    from_at, label = period.from_at, period.label
    if period.to_at - period.from_at > LONGEST_STRIP:
        from_at, label = period.to_at - SHOWN_OF_LONGER, f"the last 24 h of: {period.label}"
    return draw_strips(machines=scope.machines, from_at=from_at, to_at=period.to_at, now=now, label=label)


def build_pareto(losses: Iterable[LossRow]) -> tuple[ParetoBar, ...]:
    """Bars by down time, the longest first (ties by stops, then name).

    All micro-stops are one bar; what has no reason is always a bar of its own, also when it is empty.
    """
    bars: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0])
    for loss in losses:
        name, loss_class = loss.reason or UNCLASSIFIED, loss.loss_class or LossClass.UNPLANNED.value
        bar = bars[(MICRO_STOPS, LossClass.MICRO_STOP.value) if loss.micro else (name, loss_class)]
        bar[0] += loss.seconds
        bar[1] += loss.stops
    if not bars:
        return ()
    bars[UNCLASSIFIED, LossClass.UNPLANNED.value]  # a defaultdict: now it is there
    total = sum(seconds for seconds, _ in bars.values())
    ranked = sorted(bars.items(), key=lambda item: (-item[1][0], -item[1][1], item[0]))
    so_far, pareto = 0.0, []
    for (name, loss_class), (seconds, stops) in ranked:
        so_far += seconds
        pareto.append(ParetoBar(name, loss_class, seconds, int(stops), seconds / total, so_far / total))
    return tuple(pareto)


def total_of(rows: Iterable[SumRow], scope: Scope) -> Figures:
    """All rows together."""
    gathered = gather(rows, by=lambda row: "all", records=scope.records)
    return figures_of(key="all", name="All", gathered=gathered.get("all"))


def _group(rows: Sequence[SumRow], spec: SummarySpec, scope: Scope, period: Period) -> tuple[Figures, ...]:
    """One row per machine, line, shift or day, those without data included."""
    if spec.group_by == GroupBy.DAY:
        return _by_day(rows, scope, period)
    by, names = _grouping(spec.group_by, scope)
    if spec.group_by == GroupBy.LINE:
        # A line is as good as its counting point, never the mean (nor the sum) of its stations.
        rows = [row for row in rows if row.machine_id not in _beside_counting_point(scope)]
    gathered = gather(rows, by=by, records=scope.records)
    return tuple(
        figures_of(key="" if key is None else str(key), name=name, gathered=gathered.get(key))
        for key, name in names.items()
        if key is not None or key in gathered
    )


def _beside_counting_point(scope: Scope) -> set[int]:
    """The machines whose line has another machine in scope to speak for it."""
    ids = set(scope.machine_ids)
    points = {machine.pk: machine.line.counting_point_id for machine in scope.machines}
    return {pk for pk, point in points.items() if point in ids and point != pk}


def _grouping(group_by: str, scope: Scope) -> tuple:
    """How to find a row's group, and the groups with their names."""
    if group_by == GroupBy.SHIFT:
        names = {shift.pk: shift.name for shift in scope.shifts} | {None: OUTSIDE_SHIFTS}
        return (lambda row: row.shift_id), names
    if group_by == GroupBy.LINE:
        line_of = {machine.pk: machine.line_id for machine in scope.machines}
        return (lambda row: line_of[row.machine_id]), {m.line_id: m.line.name for m in scope.machines}
    return (lambda row: row.machine_id), {machine.pk: machine.name for machine in scope.machines}


def _by_day(rows: Sequence[SumRow], scope: Scope, period: Period) -> tuple[Figures, ...]:
    gathered = gather(rows, by=lambda row: row.day, records=scope.records)
    days = sorted({*gathered, *_days_of(period, scope)})
    return tuple(figures_of(key=day.isoformat(), name=format_day(day), gathered=gathered.get(day)) for day in days)


def _days_of(period: Period, scope: Scope) -> list[dt.date]:
    """The production days of the period."""
    if period.to_at <= period.from_at:
        return []
    ends = (period.from_at, period.to_at - dt.timedelta(microseconds=1))
    first, last = (production_day_at(now=end, shifts=scope.own_shifts, zone=period.zone) for end in ends)
    return [first + number * DAY for number in range((last - first).days + 1)]


def _trend(rows: Sequence[SumRow], scope: Scope, period: Period, *, by_hour: bool) -> tuple[Figures, ...]:
    """Every hour or day of the period, those without data too: a gap must be seen as one."""
    if not by_hour:
        return _by_day(rows, scope, period)
    gathered = gather(rows, by=lambda row: row.hour, records=scope.records)
    zone = zoneinfo.ZoneInfo(period.zone)
    first = hour_of(period.from_at, zone=period.zone)
    hours = [first + number * HOUR for number in range(-((first - period.to_at) // HOUR))]
    several_days = len({hour.astimezone(zone).date() for hour in hours}) > 1
    return tuple(
        figures_of(
            key=hour.isoformat(),
            name=f"{hour.astimezone(zone):%a} {format_clock(hour, zone=period.zone)}"
            if several_days
            else format_clock(hour, zone=period.zone),
            gathered=gathered.get(hour),
        )
        for hour in hours
    )


def _compare(spec: SummarySpec, scope: Scope, period: Period) -> Compared | None:
    other = compared_period(period=period, compare_to=spec.compare_to, shifts=scope.own_shifts)
    if other is None:
        return None
    return Compared(other.label, other, total_of(read_sums(machine_ids=scope.machine_ids, period=other), scope))


def _freshness(rows: Sequence[SumRow], scope: Scope, now: dt.datetime) -> Freshness:
    covered = [machine.coverage for machine in scope.machines if hasattr(machine, "coverage")]
    newest = max((coverage.newest_event_at for coverage in covered), default=None)
    return Freshness(
        newest_event_at=newest,
        # An event may be some minutes ahead of our clock.
        age_s=max(0.0, (now - newest).total_seconds()) if newest else None,
        folded_at=max((coverage.folded_at for coverage in covered), default=None),
        provisional=any(row.provisional for row in rows),
    )
