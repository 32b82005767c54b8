"""Codes: the machines, reasons, products and orders that a batch names, as rows; what is missing is created."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from mesassist.tenants.scope import current_tenant
from production.ingest.contract import CountEvent, MachineEvent, StateEvent
from production.models import ImportRun, Line, LossClass, Machine, Product, Reason, WorkOrder

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


# The rows stay as they are until the events that name them are committed: events carry no foreign keys, so this lock
# is what keeps a machine from being deleted between its look-up and its events.
TABLES = {
    "machines": "production_machine",
    "reasons": "production_reason",
    "products": "production_product",
    "orders": "production_workorder",
}
LOCK = (
    "SELECT '{0}', code, id FROM (SELECT code, id FROM {1} WHERE tenant_id = %(tenant)s AND code = ANY(%({0})s) "
    "ORDER BY id FOR KEY SHARE) AS {0}"
)
LOCK_RUN = "SELECT 'runs', '', id FROM (SELECT id FROM production_importrun WHERE id = %(run)s FOR KEY SHARE) AS run"
Codes = dict[str, dict[str, int]]
Wanted = Mapping[str, Mapping[str, Any]]


def resolve_codes(*, events: Iterable[MachineEvent], import_run: ImportRun | None = None) -> Ids:
    """Ids of every code that `events` name, locked against deletion to the end of the transaction; creates missing
    reasons, products and orders.

    Machines are created on the tenant's first line alone, and if the tenant wants that: a mistyped machine code would
    otherwise become a machine.
    """
    named = _collect(events)
    codes = _lock(named, import_run)
    created = _create_missing(named, codes)
    if created != Created():
        codes = _lock(named, import_run)
    return Ids(codes["machines"], codes["reasons"], codes["products"], codes["orders"], created)


def _lock(named: "_Named", import_run: ImportRun | None) -> Codes:
    """Ids of the codes that are there, in one query for all nouns that the batch names."""
    codes: Codes = {noun: {} for noun in (*TABLES, "runs")}
    wanted = {noun: list(getattr(named, noun)) for noun in TABLES}
    looks = [LOCK.format(noun, table) for noun, table in TABLES.items() if wanted[noun]]
    looks += [LOCK_RUN] if import_run else []
    if looks:
        values: dict[str, Any] = {"tenant": current_tenant().pk, "run": import_run.pk if import_run else None} | wanted
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(looks), values)
            for noun, code, pk in cursor.fetchall():
                codes[noun][code] = pk
    return codes


@dataclass
class _Named:
    machines: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)
    products: set[str] = field(default_factory=set)
    orders: dict[str, str | None] = field(default_factory=dict)


def _collect(events: Iterable[MachineEvent]) -> _Named:
    """Each code once; the class of a reason and the product of an order come from the first event that names it."""
    named = _Named()
    machines, reasons, products, orders = named.machines, named.reasons, named.products, named.orders
    for event in events:
        machines.add(event.machine)
        if type(event) is not StateEvent and type(event) is not CountEvent:
            continue
        if event.reason is not None and event.reason not in reasons:
            reasons[event.reason] = _class_of(event)
        if event.product is not None:
            products.add(event.product)
        if event.order is not None and orders.get(event.order) is None:
            orders[event.order] = event.product
    return named


def _class_of(event: StateEvent | CountEvent) -> str:
    if isinstance(event, CountEvent):
        return LossClass.QUALITY
    return CLASS_OF_STATE.get(event.state, LossClass.UNPLANNED)


def _create_missing(named: _Named, codes: Codes) -> Created:
    """Rows for the codes that are not there; nothing is asked of the database while all are."""
    machines: tuple[str, ...] = ()
    if named.machines - codes["machines"].keys() and current_tenant().creates_unknown_machines:
        line = Line.objects.order_by("pk").first()
        if line is not None:
            wanted: Wanted = {code: {"name": code, "line": line} for code in named.machines}
            machines = _create(Machine, codes["machines"], wanted)
    reasons = {code: {"name": code, "loss_class": loss_class} for code, loss_class in named.reasons.items()}
    products = _create(Product, codes["products"], {code: {"name": code} for code in named.products})
    orders: tuple[str, ...] = ()
    if named.orders.keys() - codes["orders"].keys():
        made = dict(Product.objects.filter(code__in=named.products).values_list("code", "pk"))
        wanted = {code: {"product_id": made.get(product or "")} for code, product in named.orders.items()}
        orders = _create(WorkOrder, codes["orders"], wanted)
    return Created(machines, _create(Reason, codes["reasons"], reasons), products, orders)


def _create(model: Any, known: Mapping[str, int], wanted: Wanted) -> tuple[str, ...]:
    """Create what of `wanted` ({code: values of a new row}) is not known; gives those codes, sorted."""
    # Sorted: two batches that create the same codes wait for each other instead of blocking one another.
    missing = tuple(sorted(set(wanted) - set(known)))
    if missing:
        tenant = current_tenant()
        model.objects.bulk_create(
            [model(tenant=tenant, code=code, **wanted[code]) for code in missing], ignore_conflicts=True
        )
    return missing
