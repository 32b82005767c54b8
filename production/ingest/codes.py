"""Codes: the machines, reasons, products and orders that a batch names, as rows; what is missing is created."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mesassist.tenants.scope import current_tenant
from production.ingest.contract import CountEvent, MachineEvent, StateEvent
from production.models import Line, LossClass, Machine, Product, Reason, WorkOrder

CLASS_OF_STATE = {"planned_stop": LossClass.PLANNED, "setup": LossClass.SETUP}


@dataclass(frozen=True)
class Created:
    """The codes that a batch brought with it."""

    machines: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()

    def __add__(self, other: "Created") -> "Created":
        return Created(
            self.machines + other.machines,
            self.reasons + other.reasons,
            self.products + other.products,
            self.orders + other.orders,
        )


@dataclass(frozen=True)
class Ids:
    """Ids by code. A machine that is not here is unknown; everything else of the batch is."""

    machines: Mapping[str, int]
    reasons: Mapping[str, int]
    products: Mapping[str, int]
    orders: Mapping[str, int]
    created: Created = field(default_factory=Created)


def resolve_codes(*, events: Sequence[MachineEvent]) -> Ids:
    """Ids of every code that `events` name, in one query per noun; creates missing reasons, products and orders.

    Machines are created on the tenant's first line alone, and if the tenant wants that: a mistyped machine code would
    otherwise become a machine.
    """
    named = _collect(events)
    machines, new_machines = _resolve_machines(named.machines)
    reasons, new_reasons = _resolve(
        Reason, {code: {"name": code, "loss_class": loss_class} for code, loss_class in named.reasons.items()}
    )
    products, new_products = _resolve(Product, {code: {"name": code} for code in named.products})
    orders, new_orders = _resolve(
        WorkOrder,
        {code: {"product_id": products.get(product or "")} for code, product in named.orders.items()},
    )
    created = Created(new_machines, new_reasons, new_products, new_orders)
    return Ids(machines, reasons, products, orders, created)


@dataclass
class _Named:
    machines: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)
    products: set[str] = field(default_factory=set)
    orders: dict[str, str | None] = field(default_factory=dict)


def _collect(events: Iterable[MachineEvent]) -> _Named:
    """Each code once; the class of a reason and the product of an order come from the first event that names it."""
    named = _Named()
    for event in events:
        named.machines.add(event.machine)
        if isinstance(event, StateEvent | CountEvent):
            if event.reason is not None and event.reason not in named.reasons:
                named.reasons[event.reason] = _class_of(event)
            if event.product is not None:
                named.products.add(event.product)
            if event.order is not None and named.orders.get(event.order) is None:
                named.orders[event.order] = event.product
    return named


def _class_of(event: StateEvent | CountEvent) -> str:
    if isinstance(event, CountEvent):
        return LossClass.QUALITY
    return CLASS_OF_STATE.get(event.state, LossClass.UNPLANNED)


def _resolve_machines(codes: set[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    known = dict(Machine.objects.filter(code__in=codes).values_list("code", "pk"))
    line = Line.objects.order_by("pk").first() if current_tenant().creates_unknown_machines else None
    if line is None or len(known) == len(codes):
        return known, ()
    return _resolve(Machine, {code: {"name": code, "line": line} for code in codes})


def _resolve(model: Any, wanted: Mapping[str, Mapping[str, object]]) -> tuple[dict[str, int], tuple[str, ...]]:
    """{code: id} of `wanted` ({code: values of a new row}), and the codes that were created, sorted."""
    if not wanted:
        return {}, ()
    rows = model.objects.filter(code__in=wanted)
    known = dict(rows.values_list("code", "pk"))
    # Sorted: two batches that create the same codes wait for each other instead of blocking one another.
    missing = tuple(sorted(set(wanted) - set(known)))
    if missing:
        tenant = current_tenant()
        model.objects.bulk_create(
            [model(tenant=tenant, code=code, **wanted[code]) for code in missing], ignore_conflicts=True
        )
        known = dict(rows.all().values_list("code", "pk"))
    return known, missing
