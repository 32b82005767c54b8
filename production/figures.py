"""Figures: the rollups of a period summed by machine, shift, day and hour, and the ratios that the sums give."""

import datetime as dt
import zoneinfo
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from operator import add
from typing import Any, NamedTuple

from django.contrib.postgres.aggregates import BoolOr
from django.db.models import DateField, DateTimeField, F, Func, Model, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, TruncDate

from production import kpis
from production.calendar import QUARTER, quarter_before
from production.kpis import Elements, Ratio
from production.models import LossRollup, Rollup, State
from production.windows import Period

NOT_COUNTED = "pieces not recorded"
SCRAP_NOT_RECORDED = "scrap not recorded"
HOUR = dt.timedelta(hours=1)

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
        """The sums by name."""
        return Elements(*self.values)


def read_sums(*, machine_ids: Sequence[int], period: Period, by_hour: bool = False) -> list[SumRow]:
    """The rollups of the period, summed by machine, shift and production day (and local hour); one query."""
    zone = zoneinfo.ZoneInfo(period.zone)
    rows = in_period(Rollup, machine_ids, period).annotate(
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


def read_losses(*, machine_ids: Sequence[int], period: Period) -> list[LossRow]:
    """The down time of the period by reason, micro-stops apart; one query."""
    rows = in_period(LossRollup, machine_ids, period).filter(state=State.DOWN)
    sums = rows.values("reason__name", "reason__loss_class", "micro").annotate(time=Sum("seconds"), number=Sum("stops"))
    found = sums.order_by("reason__name", "micro")
    return [LossRow(*row) for row in found.values_list("reason__name", "reason__loss_class", "micro", "time", "number")]


def in_period(model: type[Model], machine_ids: Sequence[int], period: Period) -> QuerySet[Any]:
    """The rollup rows of the period.

    A quarter hour at the edge that the period shares with what lies before or after has a row for each: it gives
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
