"""The cast and the ground of all tests.

Ana runs machines at Alfa. Boris manages Alfa. Carla manages Beta and must never see Alfa. Staff run the platform.
"""

import datetime as dt
import os
import time
from contextvars import Context
from uuid import uuid4

import environ
import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.test import Client, override_settings

from mesassist.tenants.models import ApiKey, ApprovedEndpoint, Membership, Purpose, Role, Tenant, User
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_scope
from mesassist.tenants.tests.approving import approved, server_of

# --- the database: made and migrated by the owner, used as the app role ---------------------------


@pytest.fixture(scope="session")
def owner_database():
    """The owner's connection settings (without the database's name)."""
    url = os.environ.get("OWNER_DATABASE_URL", os.environ["DATABASE_URL"])
    return environ.Env.db_url_config(url)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings, owner_database):
    act_as(owner_database)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker, owner_database):
    """Hand the migrated database to the app role, so that no test passes thanks to the owner's powers."""
    app_role = environ.Env.db_url_config(os.environ["DATABASE_URL"])
    with django_db_blocker.unblock():
        name = connections["default"].settings_dict["NAME"]
        run_as_owner(owner_database, name, grants(app_role["USER"]))
        act_as(app_role)
        # Flushing between transactional tests is TRUNCATE, which the app role must not have.
        connections["default"].ops.execute_sql_flush = lambda sql: run_as_owner(owner_database, name, sql)
    yield
    with django_db_blocker.unblock():
        act_as(owner_database)


def act_as(role):
    connection = connections["default"]
    connection.close()
    connection.settings_dict.update({key: role[key] for key in ("USER", "PASSWORD")})


def run_as_owner(owner, name, statements):
    with psycopg.connect(
        host=owner["HOST"], port=owner["PORT"], user=owner["USER"], password=owner["PASSWORD"], dbname=name
    ) as connection:
        for statement in statements:
            connection.execute(statement)


def grants(role):
    return [
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
    ]


@pytest.fixture(autouse=True, scope="session")
def quick_passwords():
    """Signing in is tested, not the strength of the hash: the real one takes half a second per person."""
    # Attempts are counted in Redis: those of another run must not count towards the limits of this one.
    caches = {"default": {**settings.CACHES["default"], "KEY_PREFIX": f"test-{uuid4().hex}"}}
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"], CACHES=caches):
        yield


# --- the cast ---------------------------------------------------------------------------------------


def make_member(username, tenant, role):
    user = User.objects.create_user(username, password="demo")
    with platform_scope("test", role=PlatformRole.STAFF):
        Membership.objects.create(user=user, tenant=tenant, role=role)
    return user


@pytest.fixture
def now():
    """A Monday morning in spring, 09:30 in Warsaw."""
    return dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)


@pytest.fixture
def alfa(db):
    return Tenant.objects.create(slug="alfa", name="Alfa Works")


@pytest.fixture
def beta(db):
    return Tenant.objects.create(slug="beta", name="Beta Foundry")


@pytest.fixture
def in_alfa(alfa):
    with tenant_scope(alfa):
        yield alfa


@pytest.fixture
def overview():
    """The test itself looks at every tenant's rows, as platform staff may."""
    with platform_scope("test", role=PlatformRole.STAFF):
        yield


@pytest.fixture
def vic(alfa):
    """A viewer at Alfa."""
    return make_member("vic", alfa, Role.VIEWER)


@pytest.fixture
def ana(alfa):
    return make_member("ana", alfa, Role.OPERATOR)


@pytest.fixture
def boris(alfa):
    return make_member("boris", alfa, Role.MANAGER)


@pytest.fixture
def carla(beta):
    return make_member("carla", beta, Role.MANAGER)


@pytest.fixture
def staff(db):
    return User.objects.create_superuser("admin", password="demo")


class Caller(Client):
    """Calls as the world does: whatever scope the test is in, the request starts with none."""

    def request(self, **environ):
        return Context().run(super().request, **environ)


@pytest.fixture
def caller():
    """Somebody out there; `caller(enforce_csrf_checks=True)` and the like as for Django's client."""
    return Caller


@pytest.fixture
def client_of():
    """A browser with that person signed in."""

    def sign_in(user):
        client = Caller()
        client.force_login(user)
        # As if password and code had been typed just now: the administration asks when that was, and for both.
        if user.is_staff:
            give_factor(user)
        session = client.session
        record_proof(session, user)
        session.save()
        return client

    return sign_in


def give_factor(user):
    """An authenticator app, as staff of a real portal have one."""
    from allauth.mfa.models import Authenticator

    Authenticator.objects.get_or_create(user=user, type=Authenticator.Type.TOTP, defaults={"data": {}})


def record_proof(session, user):
    """Note in a session that its person showed a password a moment ago."""
    session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
    session["account_authentication_methods_user"] = str(user.pk)


@pytest.fixture
def api_key(django_user_model):
    """The text of a new key of a tenant with those scopes."""

    def make(tenant, *scopes, user=None, name="erp-7"):
        owner = user or User.objects.get_or_create(username=f"keys-{tenant.slug}")[0]
        with platform_scope("test", role=PlatformRole.STAFF):
            return ApiKey.objects.create(owner, tenant=tenant, name=name, scopes=list(scopes))[1]

    return make


@pytest.fixture
def small_plant(in_alfa):
    """Alfa's site in Warsaw with line L1, machines M1 and M2, a day shift 06:00-14:00, one product, three reasons."""
    from production.models import IdealCycle, Line, LossClass, Machine, Product, Reason, Shift, Site

    site = Site.objects.create(tenant=in_alfa, code="waw", name="Warsaw", zone="Europe/Warsaw")
    line = Line.objects.create(tenant=in_alfa, code="L1", name="Line 1", site=site)
    Shift.objects.create(
        tenant=in_alfa, site=site, name="Early", starts=dt.time(6), ends=dt.time(14), weekdays=[1, 2, 3, 4, 5, 6, 7]
    )
    product = Product.objects.create(tenant=in_alfa, code="P1", name="Gear")
    for code in ("M1", "M2"):
        machine = Machine.objects.create(tenant=in_alfa, code=code, name=f"Press {code[1]}", line=line)
        IdealCycle.objects.create(tenant=in_alfa, machine=machine, product=product, seconds=10)
    for code, name, loss_class in (
        ("jam", "Jam", LossClass.UNPLANNED),
        ("tool", "Tool change", LossClass.SETUP),
        ("break", "Break", LossClass.PLANNED),
    ):
        Reason.objects.create(tenant=in_alfa, code=code, name=name, loss_class=loss_class)
    return site


@pytest.fixture
def morning(small_plant, now):
    """Since 06:00 both presses run; Press 2 stood from 07:10 to 08:00 because of a jam."""
    from production.ingest.store import store_events
    from production.rollups import fold_dirty

    start = now.replace(hour=5, minute=0)

    def event(number, machine, minutes, **what):
        at = (start + dt.timedelta(minutes=minutes)).isoformat()
        return {"event_id": f"e{number}", "machine": machine, "at": at, **what}

    events = [
        event(1, "M1", 0, kind="state", state="running"),
        event(2, "M2", 0, kind="state", state="running"),
        event(3, "M2", 70, kind="state", state="down", reason="jam"),
        event(4, "M2", 120, kind="state", state="running"),
        event(5, "M1", 200, kind="count", good=1100, scrap=12, product="P1"),
        event(6, "M2", 200, kind="count", good=700, scrap=45, product="P1"),
    ]
    assert store_events(events=events, source="erp-7", now=now).accepted == len(events)
    fold_dirty(now=now)
    return small_plant


@pytest.fixture(scope="session")
def analyst():
    """The offline analyst with its faults, over HTTP; gives the base URL ending in /v1."""
    from offline_analyst.process import running_analyst

    with running_analyst(faults=True) as url, approved(url):
        yield url


@pytest.fixture
def approve(db):
    """Platform staff approve an endpoint as they would in the administration, for one tenant or for all."""

    def make(url, *, network, purpose=Purpose.MODEL, tenant=None, ca_pem=""):
        host, port = server_of(url).rsplit(":", 1)
        with platform_scope("a test approves", role=PlatformRole.STAFF):
            return ApprovedEndpoint.objects.create(
                tenant=tenant, purpose=purpose, host=host, port=int(port), network=network, ca_pem=ca_pem
            )

    return make
