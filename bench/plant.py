"""Plant: a tenant with 20 machines on four lines in three shifts, the ground on which every script measures."""

import datetime as dt
from dataclasses import dataclass

from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import tenant_scope
from production.models import IdealCycle, Line, LossClass, Machine, Product, Reason, Shift, Site

ZONE = "Europe/Warsaw"
SHIFTS = (("Early", 6, 14), ("Late", 14, 22), ("Night", 22, 6))
REASONS = (
    *((f"stop-{number}", f"Stop {number}", LossClass.UNPLANNED) for number in range(1, 11)),
    ("tool", "Tool change", LossClass.SETUP),
    ("break", "Break", LossClass.PLANNED),
)


@dataclass(frozen=True)
class Plant:
    """A tenant with its master data; machines, reasons and products in the order of their codes."""

    tenant: Tenant
    machines: tuple[Machine, ...]
    reasons: tuple[Reason, ...]
    products: tuple[Product, ...]

    @property
    def machine_codes(self) -> list[str]:
        """What events call the machines."""
        return [machine.code for machine in self.machines]


def make_plant(*, slug: str = "bench", machines: int = 20) -> Plant:
    """Make the tenant and its master data; three shifts every day, four products with a cycle each."""
    tenant = Tenant.objects.create(slug=slug, name=f"Plant {slug}")
    with tenant_scope(tenant):
        site = Site.objects.create(tenant=tenant, code="S1", name="Site 1", zone=ZONE)
        for name, starts, ends in SHIFTS:
            week = [1, 2, 3, 4, 5, 6, 7]
            Shift.objects.create(
                tenant=tenant, site=site, name=name, starts=dt.time(starts), ends=dt.time(ends), weekdays=week
            )
        lines = [Line.objects.create(tenant=tenant, site=site, code=f"L{n}", name=f"Line {n}") for n in range(1, 5)]
        made = tuple(
            Machine.objects.create(tenant=tenant, code=f"M{n + 1:03}", name=f"Machine {n + 1}", line=lines[n % 4])
            for n in range(machines)
        )
        products = tuple(Product.objects.create(tenant=tenant, code=f"P{n}", name=f"Product {n}") for n in range(1, 5))
        for machine in made:
            for number, product in enumerate(products):
                IdealCycle.objects.create(tenant=tenant, machine=machine, product=product, seconds=20 + 5 * number)
        reasons = tuple(
            Reason.objects.create(tenant=tenant, code=code, name=name, loss_class=loss) for code, name, loss in REASONS
        )
    return Plant(tenant, made, reasons, products)
