"""Tenant tasks: they run inside the scope of the tenant they were given, and nowhere else."""

import pytest
from celery import Celery
from django_scopes.exceptions import ScopeError

from mesassist.tenants.scope import current_tenant
from mesassist.tenants.tasks import TenantTask

app = Celery("test", set_as_current=False)


@app.task(base=TenantTask)
def name_the_tenant(*, tenant_id):
    return current_tenant().slug


class TestTenantTask:
    def test_it_runs_inside_its_tenants_scope(self, beta):
        assert name_the_tenant(tenant_id=beta.pk) == "beta"

    def test_it_leaves_the_scope_behind(self, beta):
        name_the_tenant(tenant_id=beta.pk)
        with pytest.raises(ScopeError):
            current_tenant()

    def test_it_ends_quietly_when_the_tenant_is_gone(self, db):
        assert name_the_tenant(tenant_id=999_999) is None
