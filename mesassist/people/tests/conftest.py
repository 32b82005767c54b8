"""The ground of the people room's tests: each counts its attempts from nothing, and knows a tenant admin."""

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache

from mesassist.people.cache import HERE
from mesassist.tenants.models import Role
from mesassist.tenants.scope import tenant_scope

PASSWORD = "a long sentence of my own"


@pytest.fixture(autouse=True)
def counted_from_nothing():
    """Forget what the tests before have tried."""
    client = cache._cache.get_client(write=True)
    for key in client.scan_iter(f"{settings.CACHES['default']['KEY_PREFIX']}:*"):
        client.delete(key)
    LocMemCache(HERE, {}).clear()


@pytest.fixture
def member(alfa, django_user_model):
    """Makes a person with a role at Alfa, or at another tenant."""
    from mesassist.tenants.models import Membership

    def make(name, role=Role.VIEWER, tenant=alfa, **fields):
        person = django_user_model.objects.create_user(name, password="demo", **fields)
        with tenant_scope(tenant):
            Membership.objects.create(user=person, tenant=tenant, role=role)
        return person

    return make


@pytest.fixture
def tessa(member):
    """The tenant admin of Alfa."""
    return member("tessa", Role.TENANT_ADMIN)


@pytest.fixture
def signed_in(caller):
    """A browser in which somebody signed in with a password, from an address."""

    def sign_in(name, password="demo", ip="127.0.0.1", **headers):
        client = caller(REMOTE_ADDR=ip, **headers)
        client.answer = client.post("/sign-in/", {"username": name, "password": password})
        return client

    return sign_in
