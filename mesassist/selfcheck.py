"""Self-check: every room's invariants of every tenant, asked for by the command and by the timetable each night."""

import datetime as dt
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import structlog
from celery import shared_task
from django.utils import timezone

from analyses.selfchecks import CHECKS as OF_ANALYSES
from mesassist.audit.chain import find_breaks
from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import current_tenant, tenant_scope
from mesassist.tenants.tasks import TenantTask
from mesassist.tenants.unsealed import find_unsealed
from production.models import SelfCheck
from production.selfchecks import CHECKS as OF_PRODUCTION
from production.selfchecks import Asked, Check

log = structlog.get_logger(__name__)

CHECKS: dict[str, Check] = {
    **OF_PRODUCTION,
    **OF_ANALYSES,
    "the audit trail is unbroken": find_breaks,
    "secrets are sealed": find_unsealed,
}


class Broken(NamedTuple):
    """An invariant that does not hold: a sentence per offending row, and whether there are more than were asked for."""

    name: str
    rows: list[str]
    more: bool


def find_broken(*, asked: Asked) -> Iterator[Broken]:
    """The invariants that do not hold in the active tenant, each with the rows that offend."""
    for name, check in CHECKS.items():
        rows = list(islice(check(asked), asked.at_most + 1))
        if rows:
            yield Broken(name, rows[: asked.at_most], len(rows) > asked.at_most)


def check_tenant(*, now: dt.datetime) -> int:
    """Check the active tenant and keep the result for the metrics; gives the number of offending rows."""
    broken = list(find_broken(asked=Asked(now=now)))
    found = {one.name: len(one.rows) for one in broken}
    SelfCheck.objects.update_or_create(tenant=current_tenant(), defaults={"checked_at": now, "found": found})
    for one in broken:
        log.error("selfcheck_broken", tenant=current_tenant().pk, check=one.name, rows=len(one.rows), more=one.more)
    return sum(found.values())


@shared_task(name="mesassist.selfcheck.check_all")
def check_all() -> None:
    """Ring once for each tenant."""
    for tenant_id in Tenant.objects.order_by("pk").values_list("pk", flat=True):
        check_one.delay(tenant_id=tenant_id)


@shared_task(name="mesassist.selfcheck.check_one", base=TenantTask)
def check_one(*, tenant_id: int) -> None:
    """Check one tenant."""
    log.info("selfcheck_done", tenant=tenant_id, rows=check_tenant(now=timezone.now()))


def check_now(*, tenants: list[Tenant], asked: Asked) -> Iterator[tuple[Tenant, Broken]]:
    """What is broken in each of the tenants."""
    for tenant in tenants:
        with tenant_scope(tenant):
            for one in find_broken(asked=asked):
                yield tenant, one
