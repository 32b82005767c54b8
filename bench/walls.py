"""Walls: what the second wall costs a page, an API list and ingest: with it, and (as the limit) without.

Without means: row-level security off on every table, and Django's own engine, which tells the database nothing.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from bench.measure import Candidate, as_owner, bench_services, compare
from mesassist.embedded import Services

EVENTS, CALLS, SAMPLES = 1_000, 8, 9
HISTORY = 20_000
NUMBERS = count()
WALLED = "SELECT oid::regclass::text FROM pg_class WHERE relrowsecurity"


def main() -> None:
    """Print walls_page, walls_api_list and walls_ingest."""
    with bench_services() as services:
        page, api_list, ingest = _set_stage()
        for name, work, n in (("page", page, CALLS), ("api_list", api_list, CALLS), ("ingest", ingest, EVENTS)):
            unit = "events/s" if name == "ingest" else "requests/s"
            compare(
                bench=f"walls_{name}",
                unit=unit,
                n=n,
                ours=lambda work=work: _second_time(work),
                limit=_without_walls(services, work),
                samples=SAMPLES,
                warm_ups=2,
            )


def _set_stage() -> tuple[Candidate, Candidate, Candidate]:
    from django.conf import settings
    from django.test import Client, override_settings

    from bench.plant import make_plant
    from mesassist.tenants.models import Membership, Role, User
    from mesassist.tenants.scope import tenant_scope
    from production.ingest.store import store_events
    from production.rollups import fold_dirty

    # Nothing was collected here: the names of static files need no manifest.
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    override_settings(ALLOWED_HOSTS=["testserver"], STORAGES={**settings.STORAGES, "staticfiles": plain}).enable()
    plant = make_plant()
    user = User.objects.create(username="bench")
    now = dt.datetime.now(dt.UTC)

    def take(events: int) -> None:
        first = now - dt.timedelta(hours=20)
        batch = [
            {
                "event_id": f"w{next(NUMBERS)}",
                "machine": plant.machine_codes[n % len(plant.machine_codes)],
                "at": (first + dt.timedelta(seconds=3 * n)).isoformat(),
                "kind": "count",
                "good": 1,
            }
            for n in range(events)
        ]
        with tenant_scope(plant.tenant):
            store_events(events=batch, source="bench", now=now)

    for _ in range(HISTORY // EVENTS):
        take(EVENTS)
    with tenant_scope(plant.tenant):
        Membership.objects.create(user=user, tenant=plant.tenant, role=Role.MANAGER)
        fold_dirty(now=now)
    client = Client()
    client.force_login(user)

    def ask(address: str) -> Callable[[], None]:
        def ask_some() -> None:
            for _ in range(CALLS):
                answer = client.get(address)
                if answer.status_code != 200:
                    raise RuntimeError(f"{address} answered {answer.status_code}.")

        return ask_some

    return ask("/t/bench/"), ask("/api/v1/machines/"), lambda: take(EVENTS)


def _without_walls(services: Services, work: Candidate) -> Candidate:
    """The same work with the walls down; putting them down and up again is not counted."""

    def measure() -> float:
        with _walls_down(services):
            return _second_time(work)

    return measure


def _second_time(work: Candidate) -> float:
    """Seconds of the work after it was done once: what moved the walls emptied the database's own caches."""
    work()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


@contextmanager
def _walls_down(services: Services) -> Iterator[None]:
    from django.db import connections
    from django.db.backends.postgresql.base import DatabaseWrapper

    ours = connections["default"]
    with as_owner(services) as owner:
        tables = [table for (table,) in owner.execute(WALLED).fetchall()]
        for table in tables:
            owner.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        plain = connections["default"] = DatabaseWrapper(ours.settings_dict)
        try:
            yield
        finally:
            plain.close()
            connections["default"] = ours
            for table in tables:
                owner.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
