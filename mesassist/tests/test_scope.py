"""The first wall: a query without a tenant raises, a query inside a tenant sees that tenant alone."""

import pytest
from django_scopes.exceptions import ScopeError

from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_scope
from production.models import Site


@pytest.fixture
def sites(alfa, beta):
    with platform_scope("test", role=PlatformRole.STAFF):
        return [Site.objects.create(tenant=t, code="s", name=t.name) for t in (alfa, beta)]


class TestTenantScope:
    def test_it_shows_the_active_tenants_rows_alone(self, alfa, sites):
        with tenant_scope(alfa):
            assert [site.name for site in Site.objects.all()] == ["Alfa Works"]

    @pytest.mark.parametrize("nobody", [None, [], 1, "alfa"])
    def test_it_refuses_anything_but_a_saved_tenant(self, nobody, alfa):
        with pytest.raises(TypeError), tenant_scope(nobody):
            pass

    def test_it_refuses_another_tenant_inside(self, alfa, beta):
        with tenant_scope(alfa), pytest.raises(ScopeError), tenant_scope(beta):
            pass

    def test_it_leaves_the_tenant_when_the_work_fails(self, alfa, sites):
        with pytest.raises(ZeroDivisionError), tenant_scope(alfa):
            1 / 0  # noqa: B018
        with pytest.raises(ScopeError):
            Site.objects.count()


# What a queryset offers that reads or writes rows; each must raise where no tenant is active.
CALLS = {
    "all": (), "count": (), "exists": (), "first": (), "last": (), "filter": (), "exclude": (), "get": (),
    "values": (), "values_list": (), "delete": (), "update": (), "aggregate": (), "annotate": (), "iterator": (),
    "explain": (), "order_by": ("id",), "bulk_create": ([],), "create": (), "get_or_create": (),
    "update_or_create": (), "in_bulk": (), "latest": ("id",), "earliest": ("id",), "raw": ("select 1",),
    "select_for_update": (), "only": ("id",), "dates": ("id", "day"), "union": (), "reverse": (),
}  # fmt: skip


class TestWithoutATenant:
    @pytest.mark.parametrize("name", sorted(CALLS))
    def test_it_raises(self, name, db):
        with pytest.raises(ScopeError):
            list(getattr(Site.objects.get_queryset(), name)(*CALLS[name]))
