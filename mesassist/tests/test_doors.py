"""The table of every door: each address names the least role or scope it opens for, and keeps to it."""

import re
from dataclasses import dataclass
from uuid import UUID

import pytest
from django.urls import URLPattern, get_resolver, reverse
from django.urls.converters import IntConverter, UUIDConverter
from django.urls.resolvers import RegexPattern

from mesassist.tenants.models import Membership, Role, Scope, User
from mesassist.tenants.rest import LEAST_ROLE

# Open to anybody, each with its reason.
PUBLIC = {
    "home": "sends to the sign-in or to the plant",
    "sign-in": "is where people sign in",
    "sign-out": "ends a session, if there is one",
    "healthz": "says that the process answers, and nothing else",
    "readyz": "says that the servers behind it answer, and nothing else",
    "metrics": "answers 404 unless asked from this machine or with the token",
    "schema": "describes the API's doors and holds no data",
    "docs": "shows the schema",
    "nothing-here": "answers 404 to whoever asks",
}


@dataclass(frozen=True)
class Door:
    """An address with the view behind it."""

    name: str
    route: str
    view: object
    fills: tuple[tuple[str, object], ...]

    @property
    def least_role(self):
        return getattr(self.view, "least_role", None)

    @property
    def needs(self):
        return getattr(getattr(self.view, "cls", None), "needs", None)

    @property
    def methods(self):
        """The methods that this address answers: a router gives a list and a row different ones."""
        actions = getattr(self.view, "actions", None)
        return [method for method in self.needs or () if actions is None or method.lower() in actions]

    def path(self, tenant="alfa"):
        return reverse(self.name, kwargs={name: tenant if name == "tenant" else value for name, value in self.fills})


def walk(patterns, route="", namespace="", fills=()):
    for pattern in patterns:
        here = (route + str(pattern.pattern), fills + tuple(fills_of(pattern.pattern)))
        if isinstance(pattern, URLPattern):
            yield Door(namespace + str(pattern.name), here[0], pattern.callback, here[1])
        else:
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from walk(pattern.url_patterns, here[0], inner, here[1])


def fills_of(pattern):
    """A value for each part of an address that varies."""
    for name, converter in pattern.converters.items():
        kinds = {IntConverter: 1, UUIDConverter: UUID(int=1)}
        yield name, next((value for kind, value in kinds.items() if isinstance(converter, kind)), "x")
    if isinstance(pattern, RegexPattern):
        yield from ((name, "1") for name in pattern.regex.groupindex)


DOORS = [door for door in walk(get_resolver().url_patterns) if not door.route.startswith("admin/")]
PAGES = [door for door in DOORS if door.least_role is not None]
API = [(door, method) for door in DOORS for method in door.methods]


def named(value):
    return value.name if isinstance(value, Door) else str(value)


def knock(client, door, tenant="alfa"):
    """The answers to reading and to sending; a page that takes only one of them answers 405 to the other."""
    path = door.path(tenant)
    answers = [client.get(path), client.post(path)]
    return [answer for answer in answers if answer.status_code != 405]


def bare(answer):
    """A page without what differs by chance: the name of the tenant and the CSRF token."""
    return re.sub(rb"alfa|nowhere|[0-9A-Za-z]{64}", b"", answer.content)


class TestTable:
    def test_every_door_names_its_least_role_or_scope_or_is_public_for_a_reason(self):
        unnamed = {door.name for door in DOORS if door.least_role is None and not door.needs}
        assert unnamed == set(PUBLIC)

    def test_every_method_of_the_api_names_a_scope(self):
        assert {scope for door, method in API for scope in [door.needs[method]]} <= set(Scope)
        for door in DOORS:
            if door.needs is not None:
                assert door.methods, f"{door.name} answers no method"

    def test_every_scope_has_a_role_for_people(self):
        assert set(LEAST_ROLE) == set(Scope)


class TestPages:
    @pytest.mark.parametrize("door", PAGES, ids=named)
    def test_it_asks_the_anonymous_to_sign_in(self, caller, alfa, door):
        answers = knock(caller(), door)
        assert {(answer.status_code, answer.url.split("?")[0]) for answer in answers} == {(302, reverse("sign-in"))}

    @pytest.mark.parametrize("door", PAGES, ids=named)
    def test_it_is_not_there_for_a_stranger(self, client_of, carla, alfa, door):
        client = client_of(carla)
        theirs, nobodys = (knock(client, door, tenant) for tenant in ("alfa", "nowhere"))
        assert {answer.status_code for answer in theirs + nobodys} == {404}
        assert [bare(answer) for answer in theirs] == [bare(answer) for answer in nobodys]

    @pytest.mark.parametrize("door", [door for door in PAGES if door.least_role > Role.VIEWER], ids=named)
    def test_it_is_closed_to_the_role_below(self, client_of, alfa, door):
        below = max(role for role in Role if role < door.least_role)
        person = User.objects.create(username="below")
        Membership.objects.create(user=person, tenant=alfa, role=below)
        assert {answer.status_code for answer in knock(client_of(person), door)} == {403}


class TestApi:
    @pytest.fixture
    def knock_api(self, caller):
        def go(door, method, client=None, **headers):
            client = client or caller()
            return client.generic(method, door.path(), "{}", content_type="application/json", headers=headers)

        return go

    @pytest.mark.parametrize(("door", "method"), API, ids=named)
    def test_it_is_closed_to_the_anonymous(self, knock_api, db, door, method):
        assert knock_api(door, method).status_code == 401

    @pytest.mark.parametrize(("door", "method"), API, ids=named)
    def test_it_is_not_there_for_a_stranger(self, knock_api, client_of, carla, alfa, api_key, beta, door, method):
        everything = {"Authorization": f"Api-Key {api_key(beta, *Scope.values)}", "X-Tenant": "alfa"}
        assert knock_api(door, method, **everything).status_code == 404
        assert knock_api(door, method, client_of(carla), **{"X-Tenant": "alfa"}).status_code == 404

    @pytest.mark.parametrize(("door", "method"), API, ids=named)
    def test_every_other_scope_together_is_not_enough(self, knock_api, api_key, alfa, door, method):
        others = [scope for scope in Scope.values if scope != door.needs[method]]
        answer = knock_api(door, method, Authorization=f"Api-Key {api_key(alfa, *others)}")
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")

    @pytest.mark.parametrize(("door", "method"), API, ids=named)
    def test_the_role_below_is_not_enough(self, knock_api, client_of, alfa, door, method):
        least = LEAST_ROLE[door.needs[method]]
        person = User.objects.create(username="below")
        if least > Role.VIEWER:
            Membership.objects.create(user=person, tenant=alfa, role=max(role for role in Role if role < least))
        answer = knock_api(door, method, client_of(person))
        expected = (403, "role_too_low") if least > Role.VIEWER else (400, "tenant_required")
        assert (answer.status_code, answer.json()["code"]) == expected
