"""Tasks: what the workers do for the rollups; the marks are the truth, a task only nudges somebody to look at them."""

from celery import shared_task
from django.utils import timezone

from mesassist.tenants.scope import platform_scope
from mesassist.tenants.tasks import TenantTask
from production.coverage import still_growing
from production.models import DirtyRange
from production.rollups import fold_dirty, fold_open_states


@shared_task(name="production.tasks.fold_tenant", base=TenantTask)
def fold_tenant(*, tenant_id: int, open_states: bool = False) -> None:
    """Fold what is marked in one tenant, and with `open_states` let its open states grow up to now."""
    now = timezone.now()
    fold_dirty(now=now)
    if open_states:
        fold_open_states(now=now)


@shared_task(name="production.tasks.fold_all")
def fold_all() -> None:
    """Ring once for each tenant that has marks."""
    with platform_scope("fold what is marked"):
        marked = list(DirtyRange.objects.order_by("tenant_id").values_list("tenant_id", flat=True).distinct())
    for tenant_id in marked:
        fold_tenant.delay(tenant_id=tenant_id)


@shared_task(name="production.tasks.fold_open")
def fold_open() -> None:
    """Ring once for each tenant with machines that are still heard of."""
    with platform_scope("fold open states"):
        growing = still_growing(now=timezone.now()).order_by("tenant_id").values_list("tenant_id", flat=True).distinct()
        tenants = list(growing)
    for tenant_id in tenants:
        fold_tenant.delay(tenant_id=tenant_id, open_states=True)
