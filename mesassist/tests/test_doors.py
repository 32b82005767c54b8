"""The table of every door: each address names the least role or scope it opens for, and keeps to it."""

from dataclasses import dataclass
from uuid import UUID

import pytest
from django.urls import URLPattern, get_resolver, reverse
from django.urls.converters import IntConverter, UUIDConverter
from django.urls.resolvers import RegexPattern

from mesassist.tenants.models import Scope
from mesassist.tenants.rest import LEAST_ROLE
from mesassist.tests.security.table import OWN, TABLE

# Open to anybody, each with its reason: what the one table says (mesassist/tests/security/table.py).
PUBLIC = {name for name, entry in TABLE.items() if not entry.least and entry.reason != OWN and name != "admin-sign-in"}


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
    def own(self):
        """Whether it belongs to whoever signed in, wherever a member."""
        return getattr(self.view, "own", False)

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
API = [(door, method) for door in DOORS for method in door.methods]


def named(value):
    return value.name if isinstance(value, Door) else str(value)


def knock(client, door, tenant="alfa"):
    """The answers to reading and to sending; a page that takes only one of them answers 405 to the other."""
    path = door.path(tenant)
    answers = [client.get(path), client.post(path)]
    return [answer for answer in answers if answer.status_code != 405]


class TestTable:
    def test_every_door_names_its_least_role_or_scope_or_is_public_for_a_reason(self):
        unnamed = {door.name for door in DOORS if door.least_role is None and not door.needs and not door.own}
        assert unnamed == PUBLIC

    def test_every_method_of_the_api_names_a_scope(self):
        assert {scope for door, method in API for scope in [door.needs[method]]} <= set(Scope)
        for door in DOORS:
            if door.needs is not None:
                assert door.methods, f"{door.name} answers no method"

    def test_every_scope_has_a_role_for_people(self):
        assert set(LEAST_ROLE) == set(Scope)


class TestOwnPages:
    @pytest.mark.parametrize("door", [door for door in DOORS if door.own], ids=named)
    def test_it_asks_the_anonymous_to_sign_in(self, caller, db, door):
        answers = knock(caller(), door)
        assert {(answer.status_code, answer.url.split("?")[0]) for answer in answers} == {(302, reverse("sign-in"))}
