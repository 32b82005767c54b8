"""Places: where machines go that a file names for the first time, and the reasons that a mapping lists."""

from mesassist.tenants.scope import current_tenant
from production.ingest.codes import Created
from production.ingest.mapping import MappingSpec, Placement
from production.models import Line, LossClass, Machine, Reason, Site

CLASSES = {"planned_stop": LossClass.PLANNED, "setup": LossClass.SETUP}


def create_machines(*, codes: set[str], place: Placement, zone: str) -> Created:
    """Create those of `codes` that the tenant does not know, on the line of `place` at a site of that zone."""
    missing = sorted(codes - set(Machine.objects.filter(code__in=codes).values_list("code", flat=True)))
    if not missing or not place.create:
        return Created()
    line = _find_line(place.site, place.line, zone)
    Machine.objects.bulk_create(Machine(tenant=line.tenant, code=code, name=code, line=line) for code in missing)
    return Created(machines=tuple(missing))


def create_reasons(*, spec: MappingSpec) -> None:
    """Create the reasons that columns of the file stand for: one that never occurred is listed all the same."""
    if spec.losses is None:
        return
    loss_class = CLASSES.get(spec.losses.state, LossClass.UNPLANNED)
    Reason.objects.bulk_create(
        (
            Reason(tenant=current_tenant(), code=code, name=code, loss_class=loss_class)
            for code in sorted(set(spec.losses.columns.values()))
        ),
        ignore_conflicts=True,
    )


def _find_line(site_code: str, line_code: str, zone: str) -> Line:
    """The line, created at need. A site has one zone: a file from another zone gets a site of its own."""
    tenant = current_tenant()
    site, _ = Site.objects.get_or_create(
        tenant=tenant, code=site_code, defaults={"name": site_code.capitalize(), "zone": zone}
    )
    if site.zone != zone:
        site_code, line_code = f"{site_code} {zone}", f"{line_code} {zone}"
        site, _ = Site.objects.get_or_create(tenant=tenant, code=site_code, defaults={"name": site_code, "zone": zone})
    line, _ = Line.objects.get_or_create(
        tenant=tenant, code=line_code, defaults={"name": line_code.capitalize(), "site": site}
    )
    return line
