"""The way out: no client reaches what must not be reached, however it is written, and what is approved it does."""

import socket
import time
from contextlib import nullcontext
from threading import Event

import pytest
from django.db import DatabaseError, connection
from django.db.transaction import atomic

from analyses import wire
from mesassist.tenants.egress.calls import CallBlocked, CallFailed, Line, call_out
from mesassist.tenants.egress.early import judge_url
from mesassist.tenants.egress.ours import own_servers
from mesassist.tenants.egress.routes import Blocked, find_route
from mesassist.tenants.models import ApprovedEndpoint, Purpose
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_scope
from mesassist.tests.hostile import HOSTS, NAMES, URLS
from mesassist.tests.ssrf import CLIENTS, PUBLIC, TOKEN, try_everywhere, world

HOSTILE = [f"https://{host}/v1" for host in (*HOSTS, *NAMES)] + URLS
APPROVED = "http://llm.plant.example:8000"


@pytest.fixture
def here(monkeypatch):
    with world(monkeypatch) as here:
        yield here


@pytest.fixture(autouse=True)
def hang_up():
    yield
    wire.close_lines()


@pytest.fixture
def plant_llm(here, approve, alfa):
    """Alfa's approved endpoint at 10.0.0.5:8000, for all that calls."""
    here.names["llm.plant.example"] = [["10.0.0.5"]]
    for purpose in (Purpose.MODEL, Purpose.REGISTRY, Purpose.WEBHOOK, Purpose.IDENTITY):
        approve(APPROVED, network="10.0.0.5/32", purpose=purpose, tenant=alfa)


def insert_by_hand(host, port, network):
    """An approval that no form would let pass, by the role that may write them."""
    with platform_scope("a test", role=PlatformRole.STAFF), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tenants_approvedendpoint (purpose, host, port, network, ca_pem, note, approved_at) "
            "VALUES ('model', %s, %s, %s, '', '', now())",
            [host, port, network],
        )


class TestHostile:
    def test_there_are_enough_of_them(self):
        assert len(set(HOSTILE)) == len(HOSTILE) >= 60

    def test_no_client_connects_to_any(self, here, in_alfa, capsys):
        try_everywhere(here, in_alfa, HOSTILE)
        with capsys.disabled():
            print(  # noqa: T201 - the figure of the release note
                f"\nSSRF connects {here.listener.connects} of {len(HOSTILE)} ({len(CLIENTS)} clients each)"
            )
        assert (here.dialled, here.listener.connects, here.listener.seen) == ([], 0, [])

    @pytest.mark.parametrize("name", CLIENTS)
    def test_each_client_would_connect_to_a_public_address(self, here, in_alfa, name):
        here.names["api.example"] = [[PUBLIC]]
        CLIENTS[name](in_alfa, "https://api.example/v1")
        assert here.dialled == [(PUBLIC, 443)]
        assert here.listener.connects == 1

    @pytest.mark.parametrize("name", ["models", "model", "registry"])
    def test_each_refusal_says_that_it_is_one(self, here, in_alfa, name):
        assert CLIENTS[name](in_alfa, "https://10.0.0.5/v1") == "blocked_destination"


class TestNames:
    def test_a_name_is_judged_where_it_is_dialled_and_not_before(self, here, in_alfa):
        here.names["rebinds.example"] = [[PUBLIC], ["169.254.169.254"]]
        judge_url(url="https://rebinds.example/v1", purpose=Purpose.MODEL)
        assert CLIENTS["model"](in_alfa, "https://rebinds.example/v1") == "blocked_destination"
        assert here.dialled == []

    def test_the_address_that_was_judged_is_the_one_that_is_dialled(self, here, in_alfa):
        here.names["rebinds.example"] = [[PUBLIC], ["127.0.0.1"]]
        CLIENTS["model"](in_alfa, "https://rebinds.example/v1")
        assert here.dialled == [(PUBLIC, 443)]

    def test_a_name_that_does_not_resolve_is_not_dialled(self, here, in_alfa):
        here.names["gone.example"] = [[]]
        assert CLIENTS["model"](in_alfa, "https://gone.example/v1") == "unreachable"
        assert here.dialled == []

    def test_a_resolver_that_takes_its_time_does_not_hold_the_caller(self, here, in_alfa, monkeypatch):
        gate, usual = Event(), here.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda *words, **more: gate.wait(20) and usual(*words, **more))
        began = time.monotonic()
        with pytest.raises(CallFailed, match="does not answer"):
            call_out("GET", "https://slow.example/", purpose=Purpose.WEBHOOK, deadline_s=0.5)
        gate.set()
        assert time.monotonic() - began < 5


class TestApproved:
    @pytest.mark.parametrize("name", ["models", "registry", "webhook", "identity"])
    def test_the_endpoint_works(self, here, plant_llm, in_alfa, name):
        assert CLIENTS[name](in_alfa, f"{APPROVED}/v1") is None
        assert here.dialled == [("10.0.0.5", 8000)]
        assert len(here.listener.seen) == 1

    @pytest.mark.parametrize(
        "url",
        [
            "http://llm.plant.example:8001/v1",
            "http://llm.plant.example/v1",
            "http://10.0.0.5:8000/v1",
            "http://llm2.plant.example:8000/v1",
            "http://[::ffff:10.0.0.5]:8000/v1",
        ],
    )
    def test_nothing_beside_it_does(self, here, plant_llm, in_alfa, url):
        here.names["llm2.plant.example"] = [["10.0.0.5"]]
        for name in ("model", "models", "registry"):
            assert CLIENTS[name](in_alfa, url) == "blocked_destination"
        assert here.dialled == []

    def test_its_name_may_not_lead_elsewhere(self, here, plant_llm, in_alfa):
        here.names["llm.plant.example"] = [["10.0.0.6"]]
        assert CLIENTS["model"](in_alfa, f"{APPROVED}/v1") == "blocked_destination"
        here.names["llm.plant.example"] = [["10.0.0.5", "10.0.0.6"]]
        assert CLIENTS["model"](in_alfa, f"{APPROVED}/v1") == "blocked_destination"
        assert here.dialled == []

    def test_it_is_alfas_alone_and_so_are_its_connections(self, here, plant_llm, approve, alfa, beta):
        approve(APPROVED, network="10.0.0.6/32", purpose=Purpose.WEBHOOK, tenant=beta)
        line = Line(Purpose.WEBHOOK)
        for tenant, is_let in ((alfa, True), (beta, False), (alfa, True)):
            with tenant_scope(tenant), nullcontext() if is_let else pytest.raises(CallBlocked):
                assert line.ask("GET", f"{APPROVED}/").status == 200
        line.close()
        assert (here.dialled, len(here.listener.seen)) == ([("10.0.0.5", 8000)], 2)

    def test_an_approval_that_is_withdrawn_counts_no_more(self, here, plant_llm, in_alfa):
        assert CLIENTS["models"](in_alfa, f"{APPROVED}/v1") is None
        with platform_scope("a test", role=PlatformRole.STAFF), connection.cursor() as cursor:
            cursor.execute("DELETE FROM tenants_approvedendpoint")
        assert CLIENTS["models"](in_alfa, f"{APPROVED}/v1") == "blocked_destination"


class TestNever:
    """What no approval opens, even one that was written past every form."""

    @pytest.mark.parametrize(
        ("host", "network"),
        [
            ("169.254.169.254", "169.254.169.254/32"),
            ("metadata.example", "169.254.0.0/16"),
            ("metadata.google.internal", "10.0.0.5/32"),
            ("168.63.129.16", "168.63.129.16/32"),
            ("100.100.100.200", "100.100.100.200/32"),
            ("192.0.0.192", "192.0.0.192/32"),
            ("fd00:ec2::254", "fd00:ec2::254/128"),
            ("64:ff9b::a9fe:a9fe", "64:ff9b::/96"),
            ("metadata.example", "0.0.0.0/0"),
        ],
    )
    def test_a_metadata_service_stays_closed(self, here, in_alfa, host, network):
        here.names |= {name: [["169.254.169.254"]] for name in ("metadata.example", "metadata.google.internal")}
        insert_by_hand(host, 80, network)
        url = f"http://[{host}]/v1" if ":" in host else f"http://{host}/v1"
        assert CLIENTS["model"](in_alfa, url) == "blocked_destination"
        assert here.dialled == []

    def test_so_do_our_own_servers_at_every_address_of_this_host(self, here, in_alfa, settings, monkeypatch):
        # Put back afterwards: every new thread's connection is made from it.
        ours = {**settings.DATABASES["default"], "HOST": "127.0.0.1", "PORT": "55432"}
        monkeypatch.setitem(settings.DATABASES, "default", ours)
        settings.REDIS_URL = "redis://localhost:56379/0"
        here.names["localhost"] = [["127.0.0.1"]]
        for port in (55432, 56379):
            for host in ("127.0.0.1", "127.0.0.2"):
                insert_by_hand(host, port, f"{host}/32")
                assert CLIENTS["model"](in_alfa, f"http://{host}:{port}/v1") == "blocked_destination"
        assert here.dialled == []
        insert_by_hand("127.0.0.1", 55433, "127.0.0.1/32")
        CLIENTS["model"](in_alfa, "http://127.0.0.1:55433/v1")
        assert here.dialled == [("127.0.0.1", 55433)]

    def test_a_server_on_a_socket_counts_as_one_of_this_host(self, settings, monkeypatch):
        ours = {**settings.DATABASES["default"], "HOST": "/run/postgresql", "PORT": ""}
        monkeypatch.setitem(settings.DATABASES, "default", ours)
        settings.REDIS_URL = "redis://cache.example:6380/0"
        assert list(own_servers()) == [("127.0.0.1", 5432), ("cache.example", 6380)]

    def test_an_environment_that_approves_it_changes_nothing(self, here, in_alfa, settings):
        settings.APPROVED_ENDPOINTS = ["169.254.169.254:80"]
        assert CLIENTS["model"](in_alfa, "http://169.254.169.254/v1") == "blocked_destination"
        assert here.dialled == []


class TestRow:
    def test_the_database_lets_staff_alone_write_approvals(self, in_alfa):
        with pytest.raises(DatabaseError), atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO tenants_approvedendpoint (purpose, host, port, network, ca_pem, note, approved_at) "
                "VALUES ('model', 'h', 80, '10.0.0.5/32', '', '', now())"
            )

    def test_a_tenant_sees_its_own_approvals_and_those_for_all(self, approve, alfa, beta):
        approve("http://of-all:80", network="10.0.0.5/32")
        approve("http://of-alfa:80", network="10.0.0.5/32", tenant=alfa)
        approve("http://of-beta:80", network="10.0.0.5/32", tenant=beta)
        with tenant_scope(alfa):
            assert set(ApprovedEndpoint.objects.values_list("host", flat=True)) == {"of-all", "of-alfa"}


class TestToken:
    def test_it_leaves_for_the_endpoint_alone(self, here, plant_llm, in_alfa):
        here.names["other.example"] = [[PUBLIC]]
        line = wire.line_of_this_thread()
        route = find_route(url=f"{APPROVED}/v1", purpose=Purpose.MODEL)
        watch = wire.begin_watch(deadline_s=3, idle_s=3, max_bytes=10_000)
        with line.exchange(watch, route) as http, pytest.raises(Blocked, match="another address"):
            http.get("https://other.example/v1", headers={"authorization": TOKEN})
        assert here.dialled == []
