"""Many at once: one server with two connections, two plants, and every answer bears the name of whoever asked."""

import http.client
import json
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pprint import pformat

import pytest

from mesassist.tenants.models import Scope
from mesassist.tests.security.figures import note
from mesassist.tests.security.plants import Plant
from mesassist.tests.security.portal import running_portal
from mesassist.tests.security.table import pk
from mesassist.tests.security.test_canary import live

pytestmark = pytest.mark.django_db(transaction=True)
FULL = os.environ.get("WALLS") == "full"
REQUESTS = int(os.environ.get("WALLS_REQUESTS", "100000" if FULL else "1000"))
THREADS = 16
WORDS = {"alfa": b"only-at-alfa", "beta": b"only-at-beta"}


def marked(slug):
    """Text of a plant that says in every column whose it is."""
    return lambda field: f"{WORDS[slug].decode()}-{field.name}"[: field.max_length or 100]


@pytest.fixture
def plants(alfa, beta, boris, carla):
    made = [Plant(alfa, boris, marked("alfa")), Plant(beta, carla, marked("beta"), first=700_000_000)]
    for plant in made:
        plant.fill()
        live(plant)
    return made


@pytest.fixture
def visitors(plants, api_key, client_of):
    """What each plant's person and key may ask: (method, path, headers, body)."""
    found = {}
    for plant in plants:
        slug, name = plant.tenant.slug, WORDS[plant.tenant.slug].decode()
        cookie = {"Cookie": f"sessionid={client_of(plant.person).cookies['sessionid'].value}"}
        key = {"Authorization": f"Api-Key {api_key(plant.tenant, *Scope.values)}", "Content-Type": "application/json"}
        lists = ("machines", "lines", "sites", "products", "reasons", "orders", "summaries", "analyses")
        rows = {"machines": "production.Machine", "products": "production.Product", "summaries": "production.Summary"}
        asked = [("GET", f"/api/v1/{one}/", key, None) for one in lists]
        asked += [("GET", f"/api/v1/{one}/{pk(plant, row)}/", key, None) for one, row in rows.items()]
        asked += [("PATCH", f"/api/v1/products/{pk(plant, rows['products'])}/", key, {"name": f"{name}-again"})]
        asked += [("GET", f"/t/{slug}/{page}", cookie, None) for page in ("summaries/", "data/", "data/sources/")]
        asked += [("GET", f"/api/v1/{one}/", {**cookie, "X-Tenant": slug}, None) for one in lists[:3]]
        found[slug] = asked
    return found


def knock_often(portal, visitors, seed, number):
    """So many requests on a line of one's own, of either plant at random; (answers, what was wrong)."""
    dice, line, wrong = random.Random(seed), http.client.HTTPConnection(portal, timeout=60), []
    for _ in range(number):
        slug = dice.choice(("alfa", "beta"))
        method, path, headers, body = dice.choice(visitors[slug])
        line.request(method, path, json.dumps(body) if body else None, headers)
        answer = line.getresponse()
        text = answer.read()
        if answer.status != 200 or WORDS[slug] not in text or other(slug) in text:
            wrong.append((slug, method, path, answer.status, text[:200]))
    line.close()
    return number, wrong


def other(slug):
    """The word that must not be in that plant's answers."""
    return WORDS["beta" if slug == "alfa" else "alfa"]


class TestManyAtOnce:
    def test_each_answer_is_the_askers_own(self, visitors):
        with running_portal(connections=2) as portal, ThreadPoolExecutor(THREADS) as pool:
            share = -(-REQUESTS // THREADS)
            done = list(pool.map(lambda seed: knock_often(portal, visitors, seed, share), range(THREADS)))
        wrong = [one for _number, found in done for one in found]
        note("requests of two plants at once", sum(number for number, _found in done))
        note("answers that were the other plant's", len(wrong))
        assert not wrong, pformat(wrong[:10])
