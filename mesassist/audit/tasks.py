"""Audit tasks: each night every chain is walked and its head noted."""

from celery import shared_task
from django.utils import timezone

from mesassist.audit.chain import verify_chain, verify_platform
from mesassist.audit.heads import keep_check, note_head
from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import platform_scope
from mesassist.tenants.tasks import TenantTask


@shared_task
def check_chains() -> None:
    """Walk along the platform's chain; ring for each tenant's."""
    with platform_scope("audit chains"):
        tenants = list(Tenant.objects.order_by("pk").values_list("pk", flat=True))
        note_head(0, verify_platform())
    for tenant_id in tenants:
        check_chain.delay(tenant_id=tenant_id)


@shared_task(base=TenantTask)
def check_chain(*, tenant_id: int) -> None:
    """Walk along a tenant's chain."""
    keep_check(verify_chain(), now=timezone.now())
