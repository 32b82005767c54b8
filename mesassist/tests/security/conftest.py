"""Two plants with the same codes, and the people and keys that knock: Alfa's, Beta's, the platform's and nobody."""

import pytest

from mesassist.tenants.models import Membership, Role, Scope, User
from mesassist.tenants.scope import tenant_scope
from mesassist.tests.security.figures import FIGURES, lines
from mesassist.tests.security.knocking import Principal
from mesassist.tests.security.plants import Plant
from production.summaries import main_summary


def pytest_terminal_summary(terminalreporter):
    """Print what was counted; pytest calls this at the end of a run in one process."""
    if FIGURES:
        terminalreporter.section("walls")
        for line in lines():
            terminalreporter.write_line(line)


@pytest.fixture
def alfas(alfa, boris):
    """Alfa's rows, one of each model."""
    return settle(Plant(alfa, boris))


@pytest.fixture
def betas(beta, carla):
    """Beta's rows, with the same codes."""
    return settle(Plant(beta, carla, first=700_000_000))


def settle(plant):
    """Fill a plant, with the summary that its first page would make."""
    plant.fill()
    with tenant_scope(plant.tenant):
        main_summary()
    return plant


@pytest.fixture
def principals(alfa, beta, boris, carla, ana, vic, staff, client_of, caller, api_key, settings):
    """Everybody who might knock at Alfa's doors, by name."""
    settings.KEY_REQUESTS_PER_MINUTE = settings.TENANT_REQUESTS_PER_MINUTE = 0
    # From the world outside: what is for this machine alone, such as /metrics, is not for them.
    quiet = {"raise_request_exception": False, "REMOTE_ADDR": "203.0.113.9"}

    def signed_in(user):
        client = client_of(user)
        client.raise_request_exception = False
        client.defaults["REMOTE_ADDR"] = "203.0.113.9"
        return client

    def make(name, role):
        person = User.objects.create_user(name)
        with tenant_scope(alfa):
            Membership.objects.create(user=person, tenant=alfa, role=role)
        return person

    head, gone, off = make("head", Role.TENANT_ADMIN), make("gone", Role.MANAGER), make("off", Role.MANAGER)
    people = [
        Principal("viewer", signed_in(vic), role=Role.VIEWER),
        Principal("operator", signed_in(ana), role=Role.OPERATOR),
        Principal("manager", signed_in(boris), role=Role.MANAGER),
        Principal("tenant admin", signed_in(head), role=Role.TENANT_ADMIN),
        Principal("stranger", signed_in(carla)),
        Principal("staff", signed_in(staff), is_staff=True),
        Principal("former member", signed_in(gone)),
        Principal("disabled", signed_in(off), known=False),
    ]
    with tenant_scope(alfa):
        Membership.objects.filter(user=gone).delete()
    User.objects.filter(pk=off.pk).update(is_active=False)
    keys = [
        Principal(f"key {scope}", caller(**quiet), key_of(api_key(alfa, scope, name=f"k-{scope}")), scopes=(scope,))
        for scope in Scope.values
    ]
    theirs = Principal("stranger's key", caller(**quiet), key_of(api_key(beta, *Scope.values)))
    nobody = Principal("anonymous", caller(**quiet), known=False)
    return {one.name: one for one in (nobody, *people, *keys, theirs)}


def key_of(text):
    return {"Authorization": f"Api-Key {text}"}
