"""Tenant tasks: a task gets a tenant's id and other ids, never objects, and runs inside that tenant's scope."""

from typing import Any

from celery import Task

from mesassist.tenants.actor import Actor, acting
from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import tenant_scope


class TenantTask(Task):
    """Base of every task that works for one tenant: call it with `tenant_id` and ids as keywords."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Enter the tenant's scope around the task; a tenant that is gone or closed ends the task quietly."""
        tenant = Tenant.objects.filter(pk=kwargs["tenant_id"], closed_at=None).first()
        if tenant is None:
            return None
        who = Actor(kind="task", name=self.name, door="task", request_id=self.request.id or "")
        with acting(who), tenant_scope(tenant):
            return super().__call__(*args, **kwargs)
