"""Figures: the rollups of a period summed by machine, shift, day and hour, and the ratios that the sums give."""

import datetime as dt
import zoneinfo
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from operator import add
from typing import Any, NamedTuple

from django.contrib.postgres.aggregates import BoolOr
from django.db.models import DateField, DateTimeField, F, Func, Max, Min, Model, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, TruncDate

from production import kpis
from production.calendar import QUARTER, quarter_before
from production.kpis import Elements, Ratio
from production.models import DailyLoss, DailyRollup, LossRollup, Rollup, State
from production.windows import Period

NOT_COUNTED = "pieces not recorded"
SCRAP_NOT_RECORDED = "scrap not recorded"
HOUR = dt.timedelta(hours=1)

Stretch = tuple[dt.datetime, dt.datetime]
# Which machines' whole days cover which stretch.
Wholes = dict[Stretch, list[int]]

ELEMENTS = tuple(column.name for column in fields(Elements))
# What a rollup's sums are called when it lies outside every shift: no planned busy time, and nothing set against it.
OUTSIDE = {
    "running_s": "unscheduled_running_s",
    "setup_s": "unscheduled_setup_s",
    "down_s": "unscheduled_down_s",
    "micro_stop_s": "unscheduled_micro_stop_s",
    **{name: name for name in ("good", "scrap", "rework", "stops", "micro_stops", "setups")},
}
SUMMED = tuple(name for name in ELEMENTS if not name.startswith("unscheduled_"))


@dataclass(frozen=True)
class Figures:
    """The elements of one row and the ratios they give. `key` is stable (id or date), `name` is for people.

    `not_recorded` names the quantities (good, scrap, rework) that no machine of the row reports: show them as
    "not recorded", never as 0.
    """

    key: str
    name: str
    elements: Elements
    oee: Ratio
    availability: Ratio
    performance: Ratio
    quality: Ratio
    scrap_ratio: Ratio
    not_recorded: tuple[str, ...] = ()


class SumRow(NamedTuple):
    """The sums of one machine, shift and point of time (`hour` only where hours were asked for)."""

    machine_id: int
    shift_id: int | None
    day: dt.date
    hour: dt.datetime | None
    provisional: bool
    elements: tuple[Any, ...]


class LossRow(NamedTuple):
    """Down time of one reason (None: unclassified), micro-stops apart."""

    reason: str | None
    loss_class: str | None
    micro: bool
    seconds: float
    stops: int


class Records(NamedTuple):
    """Which quantities a machine reports at all."""

    good: bool = False
    scrap: bool = False
    rework: bool = False


@dataclass
class Gathered:
    """Sums in the making: elements in the order of ELEMENTS, and what the machines behind them record."""

    values: tuple[Any, ...] = (0.0,) * len(ELEMENTS)
    records: set[str] = field(default_factory=set)
    complete: bool = True

    def take(self, row: SumRow, records: Records) -> None:
        """Add a row; planned busy time of a machine that counts no pieces leaves the pieces incomplete."""
        self.values = tuple(map(add, self.values, row.elements))
        self.records.update(name for name, recorded in zip(Records._fields, records, strict=True) if recorded)
        if row.shift_id is not None and not records.good:
            self.complete = False

    @property
    def elements(self) -> Elements:
        """The sums by name, to the microsecond: beyond it they would tell in which order they were added up."""
        return Elements(*(round(value, 6) for value in self.values))


def read_sums(*, machine_ids: Sequence[int], period: Period, by_hour: bool = False) -> list[SumRow]:
    """The rollups of the period, summed by machine, shift and production day (and local hour); two queries at most.

    Whole days come from the daily rollups, the edges from the quarter hours: add up rows that say the same.
    """
    days = [] if by_hour else list(_read_days(machine_ids, period))
    rows = [SumRow(row[0], row[1], row[2], None, row[3], _elements(row[1], row[4:-2])) for row in days]
    wholes = wholes_of((row[0], *row[-2:]) for row in days)
    rest = at_edges(in_period(Rollup, machine_ids, period), machine_ids, period, wholes)
    return rows if rest is None else rows + _sum_quarters(rest, period, by_hour=by_hour)


def read_losses(*, machine_ids: Sequence[int], period: Period) -> list[LossRow]:
    """The down time of the period by reason, micro-stops apart; two queries, whole days from the daily rollups."""
    days = whole_days(DailyRollup, machine_ids, period).values("machine_id")
    ends = days.annotate(first=Min("starts_at"), last=Max("ends_at")).values_list("machine_id", "first", "last")
    rest = at_edges(in_period(LossRollup, machine_ids, period), machine_ids, period, wholes_of(ends))
    parts = [whole_days(DailyLoss, machine_ids, period), *([] if rest is None else [rest])]
    columns = ("reason__name", "reason__loss_class", "micro")
    summed = [
        part.filter(state=State.DOWN)
        .values(*columns)
        .annotate(time=Sum("seconds"), number=Sum("stops"))
        .values_list(*columns, "time", "number")
        for part in parts
    ]
    found = summed[0].union(*summed[1:], all=True) if len(summed) > 1 else summed[0]
    return [LossRow(*row) for row in sorted(found, key=lambda row: (row[0] or "", row[2]))]


def whole_days(model: type[Model], machine_ids: Sequence[int], period: Period) -> QuerySet[Any]:
    """The daily rows that lie in the period, so that none of their quarter hours is at its edge."""
    rows: QuerySet[Any] = model.objects.filter(  # type: ignore[attr-defined]
        machine_id__in=machine_ids, starts_at__gte=period.from_at, ends_at__lte=period.to_at
    )
    return rows


def wholes_of(days: Iterable[tuple[int, dt.datetime, dt.datetime]]) -> Wholes:
    """The stretches that whole days (machine, start, end) cover: from a machine's first one to its last."""
    ends: dict[int, Stretch] = {}
    for machine_id, starts_at, ends_at in days:
        first, last = ends.get(machine_id, (starts_at, ends_at))
        ends[machine_id] = min(first, starts_at), max(last, ends_at)
    wholes: Wholes = {}
    for machine_id, stretch in ends.items():
        wholes.setdefault(stretch, []).append(machine_id)
    return wholes


def at_edges(rows: QuerySet[Any], machine_ids: Sequence[int], period: Period, wholes: Wholes) -> QuerySet[Any] | None:
    """The quarter hours of the period that no whole day holds; None if there cannot be any."""
    start, end = quarter_before(period.from_at), period.to_at
    known = {machine_id for machines in wholes.values() for machine_id in machines}
    edges = Q(machine_id__in=set(machine_ids) - known) if known.issuperset(machine_ids) is False else Q()
    for (first, last), machines in wholes.items():
        for from_at, to_at in ((start, first), (last, end)):
            if from_at < to_at:
                edges |= Q(machine_id__in=machines, bucket__gte=from_at, bucket__lt=to_at)
    return rows.filter(edges) if edges else None


def in_period(model: type[Model], machine_ids: Sequence[int], period: Period) -> QuerySet[Any]:
    """The quarter hours of the period.

    One at the edge that the period shares with what lies before or after has a row for each: it gives
    the row of the period's shift or of its production days alone.
    """
    rows: QuerySet[Any] = model.objects.filter(  # type: ignore[attr-defined]
        machine_id__in=machine_ids, bucket__gte=quarter_before(period.from_at), bucket__lt=period.to_at
    )
    if period.shift_id is not None:
        whole = Q(bucket__gte=period.from_at, bucket__lte=period.to_at - QUARTER)
        rows = rows.filter(whole | Q(shift_id=period.shift_id))
    if period.days is not None:
        rows = rows.exclude(bucket__lt=period.from_at, production_day__lt=period.days[0])
        rows = rows.exclude(bucket__gt=period.to_at - QUARTER, production_day__gt=period.days[1])
    return rows


def _read_days(machine_ids: Sequence[int], period: Period) -> Iterable[tuple[Any, ...]]:
    """Daily rows: machine, shift, day, provisional, the sums, start and end.

    Days of another clock name the time outside shifts otherwise than the period does: their machines are left out.
    """
    columns = ("machine_id", "shift_id", "day", "provisional", *SUMMED, "starts_at", "ends_at", "zone")
    rows = list(whole_days(DailyRollup, machine_ids, period).values_list(*columns))
    others = {row[0] for row in rows if row[-1] != period.zone}
    return [row[:-1] for row in rows if row[0] not in others]


def _sum_quarters(rows: QuerySet[Any], period: Period, *, by_hour: bool) -> list[SumRow]:
    zone = zoneinfo.ZoneInfo(period.zone)
    rows = rows.annotate(
        # Time outside every shift has no production day; it is shown with the calendar day.
        day=Coalesce("production_day", TruncDate("bucket", tzinfo=zone), output_field=DateField()),
        hour=_hour(period) if by_hour else Value(None, output_field=DateTimeField()),
    )
    sums = rows.values("machine_id", "shift_id", "day", "hour").annotate(
        some_provisional=BoolOr("provisional"), **{f"sum_{name}": Sum(name) for name in SUMMED}
    )
    columns = [f"sum_{name}" for name in SUMMED]
    order = ("machine_id", "shift_id", "day", "hour")
    found = sums.order_by(*order).values_list(*order, "some_provisional", *columns)
    return [
        SumRow(machine_id, shift_id, day, hour, provisional, _elements(shift_id, sums))
        for machine_id, shift_id, day, hour, provisional, *sums in found
    ]


def gather(
    rows: Iterable[SumRow], *, by: Callable[[SumRow], Hashable], records: dict[int, Records]
) -> dict[Any, Gathered]:
    """Sum the rows that `by` gives the same key."""
    gathered: dict[Hashable, Gathered] = {}
    for row in rows:
        gathered.setdefault(by(row), Gathered()).take(row, records.get(row.machine_id, Records()))
    return gathered


def figures_of(*, key: str, name: str, gathered: Gathered | None) -> Figures:
    """The ratios of sums; without any row there is no data, which is neither 0 nor "not scheduled"."""
    if gathered is None:
        none = Ratio(None, kpis.NO_DATA)
        return Figures(key, name, Elements(), none, none, none, none, none, Records._fields)
    elements = gathered.elements
    missing = tuple(name for name in Records._fields if name not in gathered.records)
    oee, performance, quality = kpis.oee(elements), kpis.performance(elements), kpis.quality(elements)
    if not gathered.complete or "good" in missing:
        oee, performance, quality = (Ratio(None, ratio.why or NOT_COUNTED) for ratio in (oee, performance, quality))
    scrap = Ratio(None, SCRAP_NOT_RECORDED) if "scrap" in missing else kpis.scrap_ratio(elements)
    return Figures(key, name, elements, oee, kpis.availability(elements), performance, quality, scrap, missing)


def hour_of(instant: dt.datetime, *, zone: str) -> dt.datetime:
    """The start of the site's hour that holds the instant, as UTC: some zones are half an hour apart from it."""
    local = instant.astimezone(zoneinfo.ZoneInfo(zone))
    past = dt.timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return instant.astimezone(dt.UTC) - past


def _hour(period: Period) -> Func:
    origin = hour_of(period.from_at, zone=period.zone)
    return Func(Value(HOUR), F("bucket"), Value(origin), function="date_bin", output_field=DateTimeField())


def _elements(shift_id: int | None, sums: Sequence[float]) -> tuple[float, ...]:
    """A row's sums in the order of ELEMENTS, under the names they have in or outside shift time."""
    named = dict(zip(SUMMED, sums, strict=True))
    if shift_id is None:
        named = {OUTSIDE[name]: value for name, value in named.items() if name in OUTSIDE}
    return tuple(named.get(name, 0.0) for name in ELEMENTS)
