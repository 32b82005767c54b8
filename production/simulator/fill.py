"""Fill: a simulated plant's master data and events into the active tenant, up to now; later calls continue it."""

import datetime as dt
import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from django.db.models import Max, Min

from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import tenant_scope
from production.calendar import local_midnight, shift_occurrences
from production.ingest.contract import MachineEvent
from production.ingest.store import store_events
from production.models import Event, IdealCycle, Line, Machine, Product, Reason, Shift, Site
from production.rollups import fold_dirty
from production.simulator.engine import simulate
from production.simulator.plants import PlantPlan
from production.simulator.shifts import Slot, Story

SOURCE = "simulator"
FRESH_ENOUGH = dt.timedelta(hours=1)
# Shifts are asked for a little beyond both ends: the one under way, and whether there is a next one.
AROUND = dt.timedelta(days=4)
EVENTS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Filled:
    """What a filling added; `from_at` is None when the plant was fresh enough."""

    machines: int
    events: int
    from_at: dt.datetime | None
    to_at: dt.datetime


def fill_plant(*, tenant: Tenant, plan: PlantPlan, seed: int, weeks: int, now: dt.datetime) -> Filled:
    """Give `tenant` the plant of `plan` with `weeks` of past, or continue it from its last event to `now`.

    The same arguments give the same events. A plant whose last event is under an hour old is left as it is; one that
    rested for longer than `weeks` starts again `weeks` ago. The rollups are folded.
    """
    now = now.replace(microsecond=0)
    with tenant_scope(tenant):
        site = _write_master_data(tenant, plan)
        known = Event.objects.filter(source=SOURCE).aggregate(first=Min("at"), last=Max("at"))
        earliest = local_midnight((now - dt.timedelta(weeks=weeks)).date(), zone=plan.zone)
        from_at = max(earliest, known["last"] + dt.timedelta(seconds=1)) if known["last"] else earliest
        machines = Machine.objects.filter(line__site=site).count()
        if now - from_at < FRESH_ENOUGH:
            return Filled(machines, 0, None, now)
        begins = (known["first"] or earliest).astimezone(zoneinfo.ZoneInfo(plan.zone)).date()
        story = Story(begins=begins, ends=begins + dt.timedelta(weeks=weeks))
        slots = _slots(site, from_at - AROUND, now + AROUND)
        accepted = 0
        events = simulate(plan=plan, slots=slots, story=story, seed=seed, from_at=from_at, to_at=now)
        for batch in _batched(events):
            accepted += store_events(events=batch, source=SOURCE, now=now).accepted
        while fold_dirty(now=now):
            pass
    return Filled(machines, accepted, from_at, now)


def _batched(events: Iterator[MachineEvent]) -> Iterator[list[MachineEvent]]:
    while batch := list(islice(events, EVENTS_AT_ONCE)):
        yield batch


def _slots(site: Site, from_at: dt.datetime, to_at: dt.datetime) -> Sequence[Slot]:
    shifts = {shift.pk: shift for shift in Shift.objects.filter(site=site)}
    return [
        Slot(one.start, one.end, shifts[one.shift_id].name, one.production_day)
        for one in shift_occurrences(shifts=shifts.values(), zone=site.zone, from_at=from_at, to_at=to_at)
        if one.shift_id is not None and one.production_day is not None
    ]


# --- master data: what is there is left as people changed it -------------------------------------------


def _write_master_data(tenant: Tenant, plan: PlantPlan) -> Site:
    site, is_new = Site.objects.get_or_create(
        tenant=tenant, code=plan.site, defaults={"name": plan.name, "zone": plan.zone}
    )
    if not is_new:
        return site
    for name, starts, ends, weekdays in plan.shifts:
        Shift.objects.create(
            tenant=tenant, site=site, name=name, starts=dt.time(starts), ends=dt.time(ends), weekdays=list(weekdays)
        )
    Reason.objects.bulk_create(
        [
            Reason(tenant=tenant, code=reason.code, name=reason.name, loss_class=reason.loss_class)
            for reason in plan.reasons
        ],
        ignore_conflicts=True,
    )
    Product.objects.bulk_create(
        [Product(tenant=tenant, code=code, name=name, unit=plan.unit) for code, name in plan.products.items()],
        ignore_conflicts=True,
    )
    _write_lines(tenant, plan, site)
    return site


def _write_lines(tenant: Tenant, plan: PlantPlan, site: Site) -> None:
    products = dict(Product.objects.values_list("code", "pk"))
    for line in plan.lines:
        row = Line.objects.create(tenant=tenant, code=line.code, name=line.name, site=site)
        for machine in line.machines:
            made = Machine.objects.create(tenant=tenant, code=machine.code, name=machine.name, line=row)
            IdealCycle.objects.bulk_create(
                IdealCycle(tenant=tenant, machine=made, product_id=products[code], seconds=seconds)
                for code, seconds in machine.cycles.items()
            )
