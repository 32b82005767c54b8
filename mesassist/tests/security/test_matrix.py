"""The matrix: every address, by every method, for everybody; who may not come in learns nothing."""

import os
from pprint import pformat
from uuid import UUID, uuid4

import pytest

from mesassist.tests.security.figures import note
from mesassist.tests.security.knocking import METHODS, differing, knock
from mesassist.tests.security.table import TABLE, entry_of, pk
from mesassist.tests.security.walking import all_doors

pytestmark = pytest.mark.django_db
FULL = os.environ.get("WALLS") == "full"
DOORS = all_doors()
NEVER = 799_999_999
REFUSED = {401, 403, 404, 405}


def ids_of(entry, plant):
    """The plant's ids for the parts of an address."""
    return {part: pk(plant, label) for part, label in entry.rows.items()}


def unused(ids):
    """Ids of the same kind that nobody has."""
    return {part: like(one) for part, one in ids.items()}


def like(one):
    """Something of the same kind and length that nobody has."""
    return uuid4() if isinstance(one, UUID) else "".join(reversed(one)) if isinstance(one, str) else NEVER


def at_alfa(principal, door):
    """The header by which a person with several plants says which; a stranger names Alfa all the same."""
    return {"X-Tenant": "alfa"} if door.route.startswith("api/") else {}


def expected(door, entry, principal, method):
    """The statuses that the table asks for, or none where the person comes in."""
    on_page = door.route.startswith("t/")
    signed_in = principal.known and not (on_page and principal.headers)
    if on_page and method not in entry.least:
        return {405}
    if not signed_in:
        return {302} if on_page else {401}
    if not principal.is_member or (on_page and not principal.role):
        return {404}
    if method not in entry.least:
        return {405, 403}  # a router knows the methods of the list and of the row together
    return set() if principal.may(entry.least[method]) else {403}


class TestTenantsDoors:
    def test_each_door_answers_everybody_as_the_table_says(self, alfas, betas, principals):
        wrong, tried = [], 0
        for name, entry in TABLE.items():
            door = DOORS[name]
            if not entry.least:
                continue
            path = door.path(tenant="alfa", **ids_of(entry, alfas))
            for method, principal in whoever(entry, principals, few=("tenant admin",)):
                answer = knock(principal, method, path, entry.body(alfas), **at_alfa(principal, door))
                tried += 1
                wanted = expected(door, entry, principal, method)
                right = answer.status in wanted if wanted else came_in(answer) or (name, answer.status) in INNER_RULES
                if not right:
                    wrong.append((name, method, principal.name, wanted, answer.status))
        note("requests of the matrix", tried)
        closed = [door for door in DOORS.values() if door.least_role or door.needs]
        note("doors of tenants", f"{sum(1 for entry in TABLE.values() if entry.least)} of {len(closed)}")
        note("addresses in the table", f"{len([n for n in DOORS if entry_of(n)])} of {len(DOORS)}")
        assert not wrong, pformat(wrong, width=160)

    def test_whoever_may_come_in_finds_something_there(self, alfas, principals):
        """The positive control: without it a 404 might mean that the row was never made."""
        admin, silent = principals["tenant admin"], []
        for name, entry in TABLE.items():
            path = DOORS[name].path(tenant="alfa", **ids_of(entry, alfas)) if entry.least else ""
            answers = [knock(admin, method, path, entry.body(alfas)).status for method in entry.least]
            if entry.least and not any(200 <= status < 400 for status in answers) and name not in NEEDS_MORE:
                silent.append((name, answers))
        assert not silent, pformat(silent)

    def test_a_strangers_id_reads_like_one_that_never_was(self, alfas, betas, principals):
        wrong = []
        for name, entry in TABLE.items():
            if not entry.rows or name in COUNTED:
                continue
            theirs, nobodys = ids_of(entry, betas), unused(ids_of(entry, betas))
            for method, principal in whoever(entry, some(principals, CURIOUS)):
                found = tell_apart(principal, method, DOORS[name], entry, alfas, (theirs, nobodys))
                if found:
                    wrong.append((name, method, principal.name, *found))
        assert not wrong, pformat(wrong, width=160)

    def test_a_strangers_plant_reads_like_one_that_never_was(self, alfas, betas, principals):
        wrong = []
        for name, entry in TABLE.items():
            door = DOORS[name]
            if not entry.least:
                continue
            ids = ids_of(entry, betas)
            for method, principal in whoever(entry, some(principals, OUTSIDERS)):
                if found := tell_plants_apart(principal, method, door, entry, betas, ids):
                    wrong.append((name, method, principal.name, *found))
        assert not wrong, pformat(wrong, width=160)


# Whose questions differ most; `make test-walls` asks in everybody's name.
CURIOUS = ("tenant admin", "key read", "key configure")
OUTSIDERS = ("manager", "key configure")


def some(principals, names):
    """Those of the names, or in the full run all of Alfa's side."""
    names = [name for name in principals if not name.startswith("stranger")] if FULL else names
    return {name: principals[name] for name in names}


def whoever(entry, principals, few=()):
    """(method, principal) to try: everybody by the methods of the door, and only a few by the others unless in full."""
    for method in METHODS:
        for name, principal in principals.items():
            if FULL or (method in entry.least and method != "HEAD") or name in few:
                yield method, principal


def came_in(answer):
    """Whether somebody got through: an answer of the page itself, not a refusal, and no fault of ours."""
    where = dict(answer.headers).get("Location", "")
    return answer.status not in REFUSED and answer.status < 500 and not where.startswith("/sign-in")


def tell_apart(principal, method, door, entry, plant, choices):
    """What tells the two ids apart, if anything does; or the status, where neither was refused."""
    statuses = set()

    def ask_for(ids):
        path = door.path(tenant=plant.tenant.slug, **ids)
        answer = knock(principal, method, path, entry.body(plant), **at_alfa(principal, door))
        statuses.add(answer.status)
        return answer.without(path)

    return differing(ask_for, choices) or sorted(statuses - REFUSED - {302})


def tell_plants_apart(principal, method, door, entry, plant, ids):
    """What tells a plant from one that is not there, if anything does."""

    def ask_at(slug):
        path = door.path(tenant=slug, **ids)
        headers = {"X-Tenant": slug} if door.route.startswith("api/") else {}
        return knock(principal, method, path, entry.body(plant), **headers).without(path, slug)

    return differing(ask_at, (plant.tenant.slug, "nobody"))


# Rows that each plant counts from 1: a stranger's number is the plant's own.
COUNTED = {"audit:entry"}
# What a page decides after the door, and what an endpoint that nobody answers at brings.
INNER_RULES = {
    ("dashboards:correction-undo", 403): "an operator lifts corrections of his own; a manager everybody's",
    ("assistant-models", 502): "there is no endpoint at the address",
}
# Doors that a plain row of each table does not satisfy; each has tests of its own in its room.
NEEDS_MORE = {
    "audit:export": "needs a period",
    "analyses:analyse": "needs events and an endpoint",
    "analyses:slip": "needs events",
    "analyses-preview": "needs events",
    "analyses:rerun": "needs events",
    "analysis-rerun": "needs events",
    "assistant-models": "needs an endpoint that answers",
}
