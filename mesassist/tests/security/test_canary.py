"""The canary crawl: a word of Beta's in every text column, and all that Alfa's people and keys can cause is read."""

import datetime as dt
import json
import logging
import os
from pprint import pformat

import pytest
import redis
from django.conf import settings
from django.core import mail
from django.db import connection
from django.utils import timezone

from analyses import runs
from analyses.models import AssistantSettings
from analyses.runs import request_analysis
from analyses.tests.servers import chunk, server, sse
from mesassist.tenants.models import Membership, Role, Tenant, User
from mesassist.tenants.scope import tenant_scope
from mesassist.tests.security.canaries import Aviary
from mesassist.tests.security.catalogue import tenant_models
from mesassist.tests.security.figures import note
from mesassist.tests.security.knocking import Principal, knock
from mesassist.tests.security.plants import Plant, plain
from mesassist.tests.security.table import TABLE, pk
from mesassist.tests.security.walking import all_doors
from production.ingest.store import store_events
from production.models import Machine, Product, Reason
from production.rollups import fold_dirty
from production.summaries import main_summary

pytestmark = pytest.mark.django_db
DOORS = all_doors()
FULL = os.environ.get("WALLS") == "full"


def live(plant):
    """A morning of the plant's machine: its words reach rollups, facts and charts."""
    now = timezone.now()
    machine, reason, product = (plant.rows[kind].code for kind in (Machine, Reason, Product))
    said = plant.text(Reason._meta.get_field("name"))
    hours = [
        {"kind": "state", "state": "running"},
        {"kind": "state", "state": "down", "reason": reason, "comment": said, "operator": said},
        {"kind": "count", "good": 100, "scrap": 5, "product": product, "reason": reason},
        {"kind": "state", "state": "running"},
    ]
    events = [
        {"event_id": f"live{n}", "machine": machine, "at": (now - dt.timedelta(hours=20 - 4 * n)).isoformat(), **what}
        for n, what in enumerate(hours)
    ]
    with tenant_scope(plant.tenant):
        assert store_events(events=events, source="erp", now=now).accepted == len(events)
        fold_dirty(now=now)
        main_summary()


@pytest.fixture
def aviary():
    return Aviary()


@pytest.fixture
def beta(db, aviary):
    """Beta under a canary of a name."""
    return Tenant.objects.create(slug="beta", name=aviary.text(Tenant._meta.get_field("name")))


@pytest.fixture
def carla(beta, aviary):
    """Beta's admin, under canaries too."""
    names = {name: aviary.text(User._meta.get_field(name)) for name in ("username", "first_name", "last_name")}
    person = User.objects.create(**names, email=f"{aviary.text(User._meta.get_field('email'))}@beta.example")
    with tenant_scope(beta):
        Membership.objects.create(tenant=beta, user=person, role=Role.TENANT_ADMIN)
    return person


@pytest.fixture
def betas(beta, carla, aviary):
    """Beta with a canary in every text column."""
    plant = Plant(beta, carla, aviary.text, first=700_000_000).fill()
    live(plant)
    return plant


@pytest.fixture
def alfas(alfa, boris):
    plant = Plant(alfa, boris, plain).fill()
    live(plant)
    return plant


def addresses(plant, other):
    """(entry, address, whether it is the plant's own): with the plant's ids, with the other's, and searches."""
    for name, entry in TABLE.items():
        door = DOORS[name]
        own = {part: pk(plant, row) for part, row in entry.rows.items()}
        if set(door.parts) - {"tenant"} != set(own):
            continue
        path = door.path(tenant=plant.tenant.slug, **own)
        yield entry, path, True
        if "GET" in entry.least and not own:
            yield entry, f"{path}?search=CANARY", True
        if other and name not in SHOWN_TO_ALL:
            theirs = {part: pk(other, row) for part, row in entry.rows.items()}
            yield entry, door.path(tenant=other.tenant.slug, **theirs), False
            if own:
                yield entry, door.path(tenant=plant.tenant.slug, **theirs), False


def crawl(principals, plant, other=None):
    """The bytes of every answer that these people and keys can cause, by reading and by sending good bodies."""
    for principal in principals:
        for entry, path, own in addresses(plant, other):
            api = path.startswith("/api/")
            if principal.headers and not api and not FULL:
                continue
            headers = {"X-Tenant": plant.tenant.slug} if api else {}
            for method in ("GET", "POST") if "POST" in entry.least and (own or FULL) else ("GET",):
                answer = knock(principal, method, path, entry.body(plant) if method == "POST" else None, **headers)
                yield answer.body + json.dumps(answer.headers).encode()


def sent_by(plant):
    """What an analysis of the plant sends to its endpoint, and all that is kept of it."""

    def answer(handler, _body):
        handler.send(200, sse(chunk("All is well."), chunk("", "stop")), content_type="text/event-stream")

    with server(answer) as (url, seen), tenant_scope(plant.tenant):
        AssistantSettings.objects.update(base_url=url, model="m-1", aliases_enabled=False)
        wish = {"summary": main_summary(), "asked_by": plant.person, "trigger": "button", "now": timezone.now()}
        analysis = request_analysis(tenant=plant.tenant, **wish)
        runs.execute(analysis_id=analysis.pk)
        return [json.dumps(one).encode() for one in seen]


def rows_of(plant):
    """All that the database holds for the plant, as text."""
    with tenant_scope(plant.tenant), connection.cursor() as cursor:
        for model in tenant_models():
            cursor.execute(f"SELECT t::text FROM {model._meta.db_table} t")
            yield from (row.encode() for (row,) in cursor.fetchall())


def keys_and_values():
    """Every key of Redis with its value: cache, broker, limits."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for key in client.scan_iter():
            yield key + (client.dump(key) or b"")


def mails():
    return [str(message.message()).encode() for message in mail.outbox]


class TestCanaries:
    def test_none_of_betas_is_heard_by_alfa(self, alfas, betas, principals, aviary, caplog):
        alfa_side = [one for name, one in principals.items() if name in ALFAS]
        with caplog.at_level(logging.DEBUG):
            answers = list(crawl(alfa_side, alfas, betas))
            sent = sent_by(alfas)
        heard = {
            "answers": aviary.heard(*answers),
            "prompts": aviary.heard(*sent),
            "rows": aviary.heard(*rows_of(alfas)),
            "mails": aviary.heard(*mails()),
            "log": aviary.heard(caplog.text.encode()),
            "cache and broker": aviary.heard(*keys_and_values()),
        }
        note("canaries planted (text columns of Beta)", len(aviary.columns))
        note("answers read as Alfa", len(answers))
        note("canaries heard as Alfa", sum(map(len, heard.values())))
        assert sent, "no prompt was sent: nothing was proved"
        assert not any(heard.values()), pformat(heard)

    def test_betas_own_people_hear_them(self, betas, alfas, client_of, aviary):
        """The positive control: what nobody could hear proves nothing."""
        client = client_of(betas.person)
        client.raise_request_exception = False
        client.defaults["REMOTE_ADDR"] = "203.0.113.9"
        own = Principal("own", client, role=Role.TENANT_ADMIN)
        answers = list(crawl([own], betas))
        heard = aviary.heard(*answers)
        prompts = aviary.heard(*sent_by(betas))
        note("canaries heard as Beta", len(heard | prompts))
        assert len(heard) >= LEAST_HEARD, pformat(sorted(heard))
        assert prompts
        missing = set(aviary.columns.values()) - aviary.heard(*rows_of(betas)) - OF_PEOPLE
        assert missing == set()


# A plant's own way in shows its name and the company's button to whoever knows the address.
SHOWN_TO_ALL = {"people:sign-in-here", "people:company-go", "people:company-back"}
ALFAS = ("tenant admin", "key read", "key configure") + (
    ("viewer", "operator", "manager", "key analyse") if FULL else ()
)
LEAST_HEARD = 40
# Planted in tables that belong to no tenant.
OF_PEOPLE = {
    "tenants.Tenant.name",
    *(f"tenants.User.{name}" for name in ("username", "first_name", "last_name", "email")),
}
