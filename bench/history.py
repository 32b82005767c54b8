"""History: databases with 1, 5 and 20 million events of one plant, side by side on one server, folded by our own fold.

20 machines tell a state every minute and pieces every minute: 57,600 events a day, so 1 M events are 17 days, 5 M are
87 and 20 M are 347; together they take some 9 GB of disk. The question is whether cost grows with the length of
history. The events are made in SQL (their ids are not in the table of taken ids, which only ingest reads); batches of
new ones go through the store. Beyond 5 M the older rollups are copies.
"""

import datetime as dt
import itertools
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import psycopg
from django.db import connections
from psycopg import sql

from bench.measure import as_owner
from bench.plant import Plant
from mesassist.embedded import Services
from mesassist.tenants.scope import tenant_scope
from production.partitions import make_months, months_of
from production.rollups import fold_dirty, mark_dirty

SIZES = (1_000_000, 5_000_000, 20_000_000)
STEP = dt.timedelta(minutes=1)
# Beyond it the older rollups are copies of the younger ones.
FOLDED_UP_TO = 5_000_000
DAY, WEEK = dt.timedelta(days=1), dt.timedelta(days=7)
# What of a rollup lies in time, and how far a copy of it lies back.
MOVED = dict.fromkeys(("bucket", "starts_at", "ends_at"), "%(weeks)s::interval")
MOVED |= dict.fromkeys(("day", "production_day"), "%(days)s::int")
# A machine stays in a state for four minutes or a multiple: most stops are micro-stops, some are long.
FILL = """
INSERT INTO production_event
    (tenant_id, source, event_id, machine_id, at, received_at, kind, state, reason_id, comment, operator, product_id,
     good, scrap, name, unit)
SELECT %(tenant)s, 'plc', kind || machine || '-' || step, machine, at, at, kind,
    CASE WHEN kind = 'count' THEN '' WHEN luck < 70 THEN 'running' WHEN luck < 84 THEN 'down' WHEN luck < 92 THEN 'idle'
         WHEN luck < 97 THEN 'setup' ELSE 'planned_stop' END,
    CASE WHEN kind = 'state' AND luck BETWEEN 70 AND 83 THEN (%(reasons)s::bigint[])[1 + luck %% 10] END,
    '', '', (%(products)s::bigint[])[1 + step / 1440 %% 4],
    CASE WHEN kind = 'count' THEN 2 END, CASE WHEN kind = 'count' THEN (luck = 99)::int END, '', ''
FROM (
    SELECT step, machine, kind, %(until)s::timestamptz - step * interval '1 minute'
            - CASE kind WHEN 'count' THEN interval '20 seconds' ELSE interval '50 seconds' END AS at,
        abs(hashint8(step / 4 + machine * 1000003)) %% 100 AS luck
    FROM generate_series(%(steps)s - 1, %(known)s, -1) AS step, unnest(%(machines)s::bigint[]) AS machine,
        unnest(ARRAY['state', 'count']) AS kind
) told
"""


@dataclass(frozen=True)
class History:
    """A database of so many events that end at `until`; `folded_s` is what folding all of them took."""

    events: int
    database: str
    plant: Plant
    until: dt.datetime
    folded_s: float
    services: Services

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let Django's connection be one to this database, with the plant's tenant active."""
        before = connections["default"]
        if self.database not in _OPEN:
            _OPEN[self.database] = before.copy()
            _OPEN[self.database].settings_dict["NAME"] = self.database
        connections["default"] = _OPEN[self.database]
        try:
            with tenant_scope(self.plant.tenant):
                yield
        finally:
            connections["default"] = before


_OPEN: dict = {}
_NUMBERS = itertools.count()


def sizes() -> list[int]:
    """The sizes to build; BENCH_EVENTS bounds them."""
    most = int(os.environ.get("BENCH_EVENTS") or SIZES[-1])
    return [size for size in SIZES if size <= most] or [most]


@contextmanager
def build_histories(*, services: Services, plant: Plant, until: dt.datetime) -> Iterator[list[History]]:
    """A database per size, copied from the one with the plant; all are dropped afterwards."""
    connections.close_all()
    with ExitStack() as stack:
        stack.callback(_close)
        histories: list[History] = []
        for events in sizes():
            histories.append(_build(services, plant, until, events, histories[-1] if histories else None))
        yield histories


def new_events(*, plant: Plant, until: dt.datetime, events: int) -> list[dict]:
    """The next events of the plant after `until`, as a source would send them: every machine tells its share."""
    rounds, batch = events // (2 * len(plant.machines)), next(_NUMBERS)
    return [
        {"event_id": f"new-{batch}-{code}-{number}-{kind}", "machine": code, "kind": kind, **what}
        for number in range(rounds)
        for code in plant.machine_codes
        for kind, what in (
            ("state", {"at": _told(until, number, 10), "state": ("running", "down")[(number + batch) % 5 == 0]}),
            ("count", {"at": _told(until, number, 40), "good": 2, "product": plant.products[0].code}),
        )
    ]


def _told(until: dt.datetime, number: int, second: int) -> str:
    return (until + number * STEP + dt.timedelta(seconds=second)).isoformat()


def _build(services: Services, plant: Plant, until: dt.datetime, events: int, before: History | None) -> History:
    """The next size, from a copy of the size before it: only what is older is added."""
    name, begun = f"bench_{os.getpid()}_{events}", time.perf_counter()
    _copy_database(services, before.database if before else None, name)
    history = History(events, name, plant, until, before.folded_s if before else 0.0, services)
    steps, known = (one // (2 * len(plant.machines)) for one in (events, before.events if before else 0))
    first, last = until - steps * STEP, until - known * STEP
    with history.active():
        months = months_of([first + number * dt.timedelta(days=20) for number in range((until - first).days // 20 + 3)])
        make_months(months=sorted(months))
    with as_owner(services, dbname=name) as owner:
        which = {"machines": [one.pk for one in plant.machines], "products": [one.pk for one in plant.products]}
        which |= {"reasons": [one.pk for one in plant.reasons[:10]], "tenant": plant.tenant.pk, "until": until}
        owner.execute(FILL, {**which, "steps": steps, "known": known})
        filled_s = time.perf_counter() - begun
        weeks = _repeated(first, last, until)
        if before and weeks and events > FOLDED_UP_TO:
            _repeat_rollups(owner, first=first, last=last, weeks=weeks, tenant_id=plant.tenant.pk)
            folded_s = before.folded_s
        else:
            folded_s = history.folded_s + _fold(history, first, last)
        owner.execute("VACUUM ANALYZE")
    print(f"{events:,} events: filled in {filled_s:.0f} s, folded in {folded_s:.0f} s", file=sys.stderr, flush=True)
    return replace(history, folded_s=folded_s)


def _copy_database(services: Services, source: str | None, name: str) -> None:
    _close()
    connections.close_all()
    if source is None:
        with as_owner(services) as owner:
            source = owner.info.dbname
    with as_owner(services, dbname="postgres") as owner:
        owner.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source)))


def _fold(history: History, first: dt.datetime, last: dt.datetime) -> float:
    """Seconds that our fold takes for the stretch, machine by machine."""
    begun = time.perf_counter()
    with history.active():
        for machine in history.plant.machines:
            mark_dirty(machine_id=machine.pk, from_at=first, to_at=last)
        fold_dirty(now=history.until)
    return time.perf_counter() - begun


def _repeated(first: dt.datetime, last: dt.datetime, until: dt.datetime) -> dt.timedelta:
    """The whole weeks after `last` whose rollups are copied; none where less is folded."""
    return (until - last - 2 * DAY) // WEEK * WEEK if first < last else dt.timedelta()


def _repeat_rollups(
    owner: psycopg.Connection, *, first: dt.datetime, last: dt.datetime, weeks: dt.timedelta, tenant_id: int
) -> None:
    """Rollups for [first, last), copied from the weeks after it: folding 15 M more would tell nothing new."""
    # The copies end where the first whole day that is folded begins.
    edge = "SELECT min(starts_at) FROM production_dailyrollup WHERE starts_at > %s"
    ((begin,),) = owner.execute(edge, [last])
    said = {"begin": begin, "end": begin + weeks, "first": first, "weeks": weeks, "days": weeks.days}
    said |= {"times": (begin - first) // weeks + 1}
    for table in ("production_rollup", "production_lossrollup", "production_dailyrollup", "production_dailyloss"):
        found = owner.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
        columns = [name for (name,) in found if name != "id"]
        stamp, whole = ("bucket", "") if "bucket" in columns else ("starts_at", "AND ends_at <= %(end)s")
        moved = [f"{name} - number * {MOVED[name]}" if name in MOVED else name for name in columns]
        owner.execute(f"DELETE FROM {table} WHERE {stamp} < %(begin)s", said)
        owner.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(moved)} "
            f"FROM {table}, generate_series(1, %(times)s::int) AS number WHERE {stamp} >= %(begin)s "
            f"AND {stamp} < %(end)s {whole} AND {stamp} - number * %(weeks)s::interval >= %(first)s",
            said,
        )
    owner.execute("UPDATE production_coverage SET first_event_at = %s WHERE tenant_id = %s", [first, tenant_id])


def _close() -> None:
    for connection in _OPEN.values():
        connection.close()
    _OPEN.clear()
