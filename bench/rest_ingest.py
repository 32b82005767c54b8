"""REST ingest: 1,000 events per request over HTTP, into an empty table and beside ten million events.

All three doors answer from the same uvicorn process, as `make run` starts it, with database connections kept
(`DATABASE_POOL_SIZE`), for all alike. `growth_rest_ingest` has the rate into an empty table as its limit.
"""

import datetime as dt
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from uuid import uuid4

from psycopg import sql

from bench.measure import PROJECT, as_owner, bench_services, compare
from mesassist.embedded import Services
from mesassist.servers.ports import HOST, choose_port

EVENTS = 1_000
REQUESTS = 16
CLIENTS = 2
SAMPLES = 9
ROWS = 10_000_000
START = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(hours=20)
NUMBERS = count()

Body = Callable[[], bytes]

FILL_KEYS = """
INSERT INTO production_eventkey (tenant_id, source, event_id, at, content_hash)
SELECT tenant_id, source, event_id, at, decode(md5(event_id), 'hex') FROM filling
"""
FILL_EVENTS = """
INSERT INTO production_event (tenant_id, received_at, source, event_id, machine_id, at, kind, name, value, state,
                              comment, operator, unit)
SELECT tenant_id, at, source, event_id, machine_id, at, 'measurement', 'power', 12.5, '', '', '', 'kW' FROM filling
"""
# Half of the ids grow with time, half are random: the year before the measurement, a row every three seconds.
FILLING = """
CREATE TEMP TABLE filling AS
SELECT tenant.id AS tenant_id, CASE WHEN n %% 2 = 0 THEN 'bench' ELSE 'random' END AS source,
    CASE WHEN n %% 2 = 0 THEN 'a' || lpad(n::text, 15, '0') ELSE gen_random_uuid()::text END AS event_id,
    %s - make_interval(secs => 3 * (%s - n)) AS at, machines.ids[1 + n %% cardinality(machines.ids)] AS machine_id
FROM generate_series(%s::bigint, %s) n, tenants_tenant tenant,
    (SELECT array_agg(id) AS ids FROM production_machine) machines
WHERE tenant.slug = 'bench'
"""


def main() -> None:
    """Print rest_ingest, then the same beside ten million events, with ids that grow and with random ones."""
    with bench_services() as services:
        key = _make_plant()
        with _grown_copy(services) as grown, _server(services, services.database_url) as port:
            compare_doors(port, key)
            with _server(services, grown) as big:
                compare_sizes(port, big, key, bench="growth_rest_ingest", write=write_events)
                compare_sizes(port, big, key, bench="growth_rest_ingest_random_ids", write=write_random)


def compare_doors(port: int, key: str) -> None:
    """The three doors in turns, into tables that are empty at first."""
    compare(
        bench="rest_ingest",
        unit="events/s",
        n=REQUESTS * EVENTS,
        ours=lambda: _send_all(port, "/api/v1/events/", key, write_events),
        peer=lambda: _send_all(port, "/bench/plain/", key, write_events),
        limit=lambda: _send_all(port, "/bench/raw/", key, write_table),
        samples=SAMPLES,
    )


def compare_sizes(port: int, big: int, key: str, *, bench: str, write: Body) -> None:
    """Beside ten million events, and as the limit into a table with only what this run has sent."""
    compare(
        bench=bench,
        unit="events/s",
        n=REQUESTS * EVENTS,
        ours=lambda: _send_all(big, "/api/v1/events/", key, write),
        limit=lambda: _send_all(port, "/api/v1/events/", key, write),
        samples=SAMPLES,
        warm_ups=3,
    )


# --- what is sent -------------------------------------------------------------------------------------------


def write_events() -> bytes:
    """A batch of stops, counts and measurements as plants send them, with ids that grow."""
    return _write(lambda number: f"b{number:015}")


def write_random() -> bytes:
    """The same with random ids."""
    return _write(lambda _number: str(uuid4()))


def _write(name: Callable[[int], str]) -> bytes:
    return json.dumps({"events": [_event(number, name(number)) for number in _numbers()]}).encode()


def _numbers() -> list[int]:
    return [next(NUMBERS) for _ in range(EVENTS)]


def _event(number: int, event_id: str) -> dict[str, object]:
    at = (START + dt.timedelta(milliseconds=50 * number)).isoformat()
    event: dict[str, object] = {"event_id": event_id, "machine": f"M{number % 20 + 1:03}", "at": at}
    if number % 3 == 0:
        stopped = number % 2 == 0
        said = {"state": "down", "reason": f"stop-{number % 10 + 1}", "comment": "belt 2"} if stopped else {}
        return event | {"kind": "state", "state": "running"} | said
    if number % 3 == 1:
        return event | {"kind": "count", "good": 3, "scrap": 1, "product": f"P{number % 4 + 1}"}
    return event | {"kind": "measurement", "name": "power", "value": 12.5, "unit": "kW"}


def write_table() -> bytes:
    """A batch as the limit takes it: the same events in PostgreSQL's text format, codes and times as stored."""
    return "".join(_line(number) for number in _numbers()).encode()


def _line(number: int) -> str:
    event = _event(number, f"b{number:015}")
    reason = "1" if "reason" in event else r"\N"
    product = "1" if "product" in event else r"\N"
    columns = ("kind", "state")
    said = [event.get(name, "") for name in columns] + [reason, event.get("comment", ""), "", product]
    said += [event.get(name, r"\N") for name in ("good", "scrap")]
    said += [event.get("name", ""), event.get("value", r"\N"), event.get("unit", "")]
    head = [1, "bench", event["event_id"], number % 20 + 1, event["at"], event["at"]]
    return "\t".join(map(str, head + said)) + "\n"


def _send_all(port: int, address: str, key: str, write: Body) -> float:
    """Send the requests over kept connections; gives the seconds, without the writing of the bodies."""
    bodies = [write() for _ in range(REQUESTS)]
    shares = [bodies[number::CLIENTS] for number in range(CLIENTS)]
    begun = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda share: _send(port, address, key, share), shares))
    return time.perf_counter() - begun


def _send(port: int, address: str, key: str, bodies: list[bytes]) -> None:
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    headers = {"Authorization": f"Api-Key {key}", "Content-Type": "application/json"}
    for body in bodies:
        connection.request("POST", address, body, headers)
        answer = connection.getresponse()
        told = json.loads(answer.read())
        if answer.status != 200 or told.get("accepted", told["received"]) != EVENTS:
            raise RuntimeError(f"{address} answered {answer.status}: {str(told)[:300]}")
    connection.close()


# --- the stage ----------------------------------------------------------------------------------------------


def _make_plant() -> str:
    """The plant, and a key that may send events to it."""
    from bench.plant import make_plant
    from mesassist.tenants.models import ApiKey, User

    sender = User.objects.create_user("bench")
    _, text = ApiKey.objects.create(sender, tenant=make_plant().tenant, name="bench", scopes=["ingest"])
    return str(text)


@contextmanager
def _grown_copy(services: Services) -> Iterator[str]:
    """A copy of the database with ten million events in it; its address as the app role."""
    from django.db import connection

    from bench.rest_doors import MAKE_TABLES

    connection.close()
    name = str(connection.settings_dict["NAME"])
    grown = f"{name}_grown"
    with as_owner(services) as owner:
        owner.execute(MAKE_TABLES)
    with as_owner(services, dbname="postgres") as owner:
        owner.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(grown), sql.Identifier(name)))
        try:
            _fill(services, grown)
            yield services.database_url.replace(f"/{name}", f"/{grown}")
        finally:
            owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(grown)))


def _fill(services: Services, database: str) -> None:
    step = 500_000
    with as_owner(services, dbname=database) as owner:
        owner.execute(
            "SELECT production_make_month((now() - make_interval(months => n))::date) FROM generate_series(0, 13) n"
        )
        for first in range(0, ROWS, step):
            with owner.transaction():
                owner.execute(FILLING, [START, ROWS, first, first + step - 1])
                owner.execute(FILL_KEYS)
                owner.execute(FILL_EVENTS)
                owner.execute("DROP TABLE filling")
        owner.execute("VACUUM ANALYZE production_event, production_eventkey")


@contextmanager
def _server(services: Services, database_url: str) -> Iterator[int]:
    """The portal behind uvicorn on a free port."""
    port = choose_port()
    environ = os.environ | {
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "bench.rest_settings",
        "DATABASE_POOL_SIZE": "4",
        "DEBUG": "false",
        # Counted as ever, and never reached.
        "KEY_REQUESTS_PER_MINUTE": "10000000",
        "TENANT_REQUESTS_PER_MINUTE": "10000000",
    }
    command = [sys.executable, "-m", "uvicorn", "mesassist.asgi:application", "--host", HOST, "--port", str(port)]
    command += ["--no-access-log", "--log-level", "warning"]
    with subprocess.Popen(command, cwd=PROJECT, env=environ, stdout=sys.stderr) as process:
        try:
            _wait_for(port)
            yield port
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError):
            connection = http.client.HTTPConnection(HOST, port, timeout=5)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.2)
    raise RuntimeError("The server does not answer.")
