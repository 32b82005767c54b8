"""Staging: events copied into a table of the session, then inserted in one statement that takes each id once."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import NamedTuple

from django.db import connection

from mesassist.tenants.scope import current_tenant
from production.ingest.codes import Ids
from production.ingest.contract import CounterEvent, CountEvent, MachineEvent, StateEvent, hash_content
from production.models import ImportRun

# The columns of `StagedRow`, with their PostgreSQL types.
COLUMNS = {
    "position": "int4",
    "source": "text",
    "event_id": "text",
    "content_hash": "bytea",
    "machine_id": "int8",
    "at": "timestamptz",
    "kind": "text",
    "until": "timestamptz",
    "state": "text",
    "reason_id": "int8",
    "comment": "text",
    "operator": "text",
    "order_id": "int8",
    "product_id": "int8",
    "good": "float8",
    "scrap": "float8",
    "rework": "float8",
    "name": "text",
    "value": "float8",
    "maximum": "float8",
    "unit": "text",
    "sequence": "int8",
}
TAKEN = ", ".join(name for name in COLUMNS if name != "position")
# A temporary table belongs to whoever made it: the app role may COPY into it whatever guards the events themselves.
CREATE = f"CREATE TEMP TABLE IF NOT EXISTS staged_event ({', '.join(starmap('{} {}'.format, COLUMNS.items()))})"
COPY = f"COPY staged_event ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
# Ordered by the key, so that two batches with the same ids wait for one another instead of deadlocking; the first of
# equal ids wins. The ranges come back by machine and day: few rows, and a late event does not dirty weeks.
INSERT = f"""
WITH taken AS (
    INSERT INTO production_event (tenant_id, received_at, import_run_id, {TAKEN})
    SELECT %s, %s, %s, {TAKEN} FROM staged_event ORDER BY source COLLATE "C", event_id COLLATE "C", position
    ON CONFLICT (tenant_id, source, event_id) DO NOTHING
    RETURNING machine_id, at, greatest(at, until) AS ends
)
SELECT machine_id, min(at), max(ends), count(*) FROM taken
GROUP BY machine_id, date_trunc('day', at, 'UTC') ORDER BY machine_id, min(at)
"""  # noqa: S608 - built from the names above
CONFLICTS = """
SELECT staged.position FROM staged_event staged
JOIN production_event event USING (source, event_id)
WHERE event.tenant_id = %s AND event.content_hash <> staged.content_hash
"""


@dataclass(frozen=True)
class Staged:
    """An event that can be taken, in UTC, with its place in the batch."""

    index: int
    event: MachineEvent


class Touched(NamedTuple):
    """New events of one machine and day: how many, from the first `at` to the last `at` or `until`."""

    machine_id: int
    from_at: dt.datetime
    to_at: dt.datetime
    events: int


class StagedRow(NamedTuple):
    """An event as a row of the staging table, codes resolved."""

    position: int
    source: str
    event_id: str
    content_hash: bytes
    machine_id: int
    at: dt.datetime
    kind: str
    until: dt.datetime | None = None
    state: str = ""
    reason_id: int | None = None
    comment: str = ""
    operator: str = ""
    order_id: int | None = None
    product_id: int | None = None
    good: float | None = None
    scrap: float | None = None
    rework: float | None = None
    name: str = ""
    value: float | None = None
    maximum: float | None = None
    unit: str = ""
    sequence: int | None = None


def row_of(entry: Staged, ids: Ids, source: str) -> StagedRow:
    """The event of `entry` with its codes as ids; its machine must be among them."""
    row = _row_of_kind(entry, ids, source)
    return row if entry.event.sequence is None else row._replace(sequence=entry.event.sequence)


def _row_of_kind(entry: Staged, ids: Ids, source: str) -> StagedRow:
    event = entry.event
    machine_id, digest = ids.machines[event.machine], hash_content(event)
    key = (entry.index, event.source or source, event.event_id, digest, machine_id, event.at)
    if isinstance(event, CountEvent):
        return StagedRow(
            *key,
            "count",
            reason_id=ids.reasons.get(event.reason or ""),
            order_id=ids.orders.get(event.order or ""),
            product_id=ids.products.get(event.product or ""),
            good=event.good,
            scrap=event.scrap,
            rework=event.rework,
        )
    if isinstance(event, StateEvent):
        return StagedRow(
            *key,
            "state",
            event.until,
            event.state,
            ids.reasons.get(event.reason or ""),
            event.comment or "",
            event.operator or "",
            ids.orders.get(event.order or ""),
            ids.products.get(event.product or ""),
        )
    if isinstance(event, CounterEvent):
        return StagedRow(*key, "counter", name=event.name, value=event.value, maximum=event.maximum)
    return StagedRow(*key, "measurement", name=event.name, value=event.value, unit=event.unit or "")


def stage_events(*, entries: Sequence[Staged], ids: Ids, source: str) -> None:
    """Copy the events into the session's staging table, in binary: the server then parses no text."""
    with connection.cursor() as cursor:
        cursor.execute(CREATE)
        cursor.execute("TRUNCATE staged_event")
        with cursor.copy(COPY) as copy:
            copy.set_types(list(COLUMNS.values()))
            for entry in entries:
                copy.write_row(row_of(entry, ids, source))


def insert_once(*, now: dt.datetime, import_run: ImportRun | None) -> list[Touched]:
    """Insert the staged events that are not there yet; tells what they touched, by machine and day in order."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [current_tenant().pk, now, import_run.pk if import_run else None])
        return [Touched(*row) for row in cursor.fetchall()]


def find_conflicts() -> set[int]:
    """Positions of the staged events whose id is stored with other content."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE staged_event")
        cursor.execute(CONFLICTS, [current_tenant().pk])
        return {position for (position,) in cursor.fetchall()}
