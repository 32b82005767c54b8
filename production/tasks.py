"""Tasks: what the workers do for the rollups; the marks are the truth, a task only nudges somebody to look at them."""

import structlog
from celery import shared_task
from django.utils import timezone

from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import current_tenant, platform_scope
from mesassist.tenants.tasks import TenantTask
from production.coverage import still_growing
from production.ingest.runs import execute_import, fail_poisonous, find_stale
from production.ingest.uploads import drop_old_uploads
from production.models import DirtyRange, Upload
from production.partitions import count_strays, drop_empty_months, drop_old_events, make_months_ahead
from production.rollups import fold_dirty, fold_open_states

log = structlog.get_logger(__name__)


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


@shared_task(name="production.tasks.keep_partitions")
def keep_partitions() -> None:
    """Make the next months' partitions and empty the default one; what stays in it is an alarm in the log."""
    make_months_ahead(now=timezone.now())
    if strays := count_strays():
        log.error("events_in_default_partition", events=strays)


@shared_task(name="production.tasks.drop_old")
def drop_old() -> None:
    """Ring once for each tenant that keeps its events for a time only."""
    for tenant_id in Tenant.objects.exclude(events_kept_months=None).values_list("pk", flat=True):
        drop_old_of_tenant.delay(tenant_id=tenant_id)


@shared_task(name="production.tasks.drop_old_of_tenant", base=TenantTask)
def drop_old_of_tenant(*, tenant_id: int) -> None:
    """Drop what one tenant no longer keeps, and the months that nobody needs any more."""
    now = timezone.now()
    if drop_old_events(tenant=current_tenant(), now=now):
        drop_empty_months(now=now)


# --- files ----------------------------------------------------------------------------------------------


@shared_task(name="production.tasks.import_upload", base=TenantTask)
def import_upload(*, tenant_id: int, run_id: int) -> None:
    """Read one file that was handed in, and fold what it brought; a second delivery finds nothing to do."""
    report = execute_import(run_id=run_id)
    if report is not None and not report.dry_run:
        fold_dirty(now=timezone.now())


@shared_task(name="production.tasks.resume_stale_imports")
def resume_stale_imports() -> None:
    """Ring again for imports that nobody took up or whose worker is gone, and end those that never get through."""
    now = timezone.now()
    with platform_scope("look after imports"):
        fail_poisonous(now=now)
        stale = list(find_stale(now=now).values_list("tenant_id", "pk"))
    for tenant_id, run_id in stale:
        import_upload.delay(tenant_id=tenant_id, run_id=run_id)


@shared_task(name="production.tasks.drop_uploads")
def drop_uploads() -> None:
    """Ring once for each tenant that has files lying about."""
    with platform_scope("drop old uploads"):
        tenants = list(Upload.objects.order_by("tenant_id").values_list("tenant_id", flat=True).distinct())
    for tenant_id in tenants:
        drop_uploads_of_tenant.delay(tenant_id=tenant_id)


@shared_task(name="production.tasks.drop_uploads_of_tenant", base=TenantTask)
def drop_uploads_of_tenant(*, tenant_id: int) -> None:
    """Drop one tenant's files that nobody has worked with for a day."""
    drop_old_uploads(now=timezone.now())
