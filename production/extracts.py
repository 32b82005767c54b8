"""Extracts: rows of many machines' events at once, in SQL by hand: one query for a question, not one for a machine.

The ORM spent more time on putting the questions into words than the database on answering them. Every statement names
the tenant, besides what the database adds; so does every bound of time, so that only the months asked for are planned.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection

from mesassist.tenants.scope import current_tenant
from production.entries import INFERENCE
from production.ranks import ANYBODY, Voice

EVER = dt.datetime.min.replace(tzinfo=dt.UTC)
NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)
MOMENT = dt.timedelta(microseconds=1)
# Where the last of something is looked for first: beyond it every month of the history has to be asked.
LOOK_BACK = dt.timedelta(days=2)

# Naming every kind lets the index on (machine, kind, at) serve any stretch of time.
ANY_KIND = "kind IN ('state', 'count', 'counter', 'measurement')"
# Our own inferences neither prove contact nor end what the machine said.
REPORTED = f"NOT starts_with(source, '{INFERENCE}')"
HEARD = f"{ANY_KIND} AND {REPORTED}"
POINT = "kind = 'state' AND until IS NULL"
COUNTER = "kind = 'counter' AND source = ask.source AND name = ask.name AND value IS NOT NULL"

ASKED = """
unnest(%(machines)s::bigint[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(sources)s::text[],
    %(names)s::text[]) WITH ORDINALITY AS ask (machine_id, from_at, to_at, source, name, number)
"""
OURS = "tenant_id = %(tenant)s AND machine_id = ask.machine_id AND (source = ANY(%(voice)s)) <> %(others)s"
MINE = f"{OURS} AND at >= ask.from_at AND at < ask.to_at AND at >= %(least)s AND at < %(most)s"
# Times as whole microseconds since 1970 are read in half the time that a text with a zone takes.
COLUMNS = """
ask.number - 1, event.kind, (extract(epoch FROM event.at) * 1000000)::bigint, event.until, event.state,
event.reason_id, reason.loss_class, event.source, event.sequence, event.event_id,
coalesce(event.product_id, job.product_id), event.good, event.scrap, event.rework, event.name, event.value,
event.maximum
"""
NAMED = """
LEFT JOIN production_reason AS reason ON reason.tenant_id = event.tenant_id AND reason.id = event.reason_id
LEFT JOIN production_workorder AS job ON job.tenant_id = event.tenant_id AND job.id = event.order_id
"""
# Ids are compared byte by byte, as Python does, whatever the database's locale.
LATEST_FIRST = 'at DESC, sequence DESC NULLS LAST, event_id COLLATE "C" DESC'

# OFFSET 0 keeps the planner from joining the asked stretches with whole months.
STRETCHES = f"""
SELECT {COLUMNS} FROM {ASKED}
CROSS JOIN LATERAL (SELECT * FROM production_event WHERE {MINE} AND {{which}} OFFSET 0) AS event {NAMED}
ORDER BY 1, event.at
"""  # noqa: S608 - our own words
LATEST = f"""
SELECT {COLUMNS} FROM {ASKED}
CROSS JOIN LATERAL (
    SELECT * FROM production_event WHERE {MINE} AND {COUNTER} ORDER BY {LATEST_FIRST} LIMIT %(count)s
) AS event {NAMED}
ORDER BY 1, {LATEST_FIRST}
"""  # noqa: S608 - our own words
IN_FORCE = f"""
SELECT {COLUMNS} FROM {ASKED}
CROSS JOIN LATERAL (
    SELECT at FROM production_event WHERE {MINE} AND {POINT} AND {REPORTED} ORDER BY at DESC LIMIT 1
) AS last
CROSS JOIN LATERAL (
    SELECT * FROM production_event
    WHERE {OURS} AND {POINT} AND at >= last.at - %(margin)s AND at < ask.to_at
        AND at >= %(least)s::timestamptz - %(margin)s AND at < %(most)s
    OFFSET 0
) AS event {NAMED}
ORDER BY 1, event.at
"""  # noqa: S608 - our own words
# Nothing but the index of intervals serves the inner question; by `at` a machine's whole past would be read.
UNDER_WAY = f"""
SELECT {COLUMNS} FROM {ASKED}
CROSS JOIN LATERAL (
    SELECT * FROM production_event WHERE {OURS} AND until > ask.to_at AND at < %(most)s OFFSET 0
) AS event {NAMED}
WHERE event.kind = 'state' AND event.at < ask.to_at
ORDER BY 1, event.at
"""  # noqa: S608 - our own words
LAST_HEARD = f"""
SELECT ask.number - 1, max(told.at) FROM {ASKED}
CROSS JOIN unnest(ARRAY['state', 'count', 'counter', 'measurement']) AS one (kind)
CROSS JOIN LATERAL (
    SELECT at FROM production_event WHERE {MINE} AND kind = one.kind AND {REPORTED} ORDER BY at DESC LIMIT 1
) AS told
GROUP BY 1
"""  # noqa: S608 - our own words
NEXT_POINTS = f"""
SELECT ask.number - 1, told.at, told.sequence FROM {ASKED}
CROSS JOIN LATERAL (
    SELECT at, sequence FROM production_event WHERE {MINE} AND {POINT} AND {REPORTED}
    ORDER BY at, sequence DESC NULLS LAST LIMIT 1
) AS told
"""  # noqa: S608 - our own words
SPEAKING = f"""
SELECT ask.number - 1 FROM {ASKED}
WHERE EXISTS (SELECT FROM production_event WHERE {MINE} AND {POINT} AND {REPORTED})
"""  # noqa: S608 - our own words
NEXT_READINGS = f"""
SELECT ask.number - 1, told.at, told.sequence, told.place FROM {ASKED}
CROSS JOIN LATERAL (
    SELECT at, sequence, row_number() OVER (PARTITION BY source, name ORDER BY at) AS place
    FROM production_event WHERE {MINE} AND kind = 'counter'
) AS told
WHERE told.place <= %(count)s
"""  # noqa: S608 - our own words
ENDS = f"""
SELECT ask.number - 1, min(told.at), max(greatest(told.at, told.until)), max(told.sequence) FROM {ASKED}
CROSS JOIN LATERAL (SELECT at, until, sequence FROM production_event WHERE {MINE} AND {ANY_KIND} OFFSET 0) AS told
GROUP BY 1
"""  # noqa: S608 - our own words


class Ask(NamedTuple):
    """The events of one machine in [from_at, to_at); where they are named, of one source's counter alone."""

    machine_id: int
    from_at: dt.datetime = EVER
    to_at: dt.datetime = NEVER
    source: str = ""
    name: str = ""


# What comes back: the number of the ask, then what `COLUMNS` or the statement says.
Row = tuple[Any, ...]


def extract(asks: Sequence[Ask], *, which: str = ANY_KIND, voice: Voice = ANYBODY) -> list[Row]:
    """The events of every ask that are so, in the order of the asks and of time."""
    return _fetch(STRETCHES.format(which=which), asks, voice)


def extract_latest(asks: Sequence[Ask], *, count: int) -> list[Row]:
    """The last `count` readings of every counter asked for, latest first."""
    return _look_back(LATEST, asks, wanted=count, count=count)


def extract_in_force(asks: Sequence[Ask], *, voice: Voice, margin: dt.timedelta) -> list[Row]:
    """The voice's last reported states before each ask's end: those of that moment, `margin` before it, and since."""
    return _look_back(IN_FORCE, asks, voice, margin=margin)


def extract_under_way(asks: Sequence[Ask]) -> list[Row]:
    """The states reported as intervals that began before each ask's end and end later."""
    return _fetch(UNDER_WAY, asks, ANYBODY)


def extract_last_heard(asks: Sequence[Ask], *, voice: Voice) -> list[Row]:
    """(ask, when the voice was last heard of before the ask's end); no row where it never was."""
    return _look_back(LAST_HEARD, asks, voice)


def extract_next_points(asks: Sequence[Ask], *, voice: Voice) -> list[Row]:
    """(ask, at, sequence) of the voice's first reported state in each ask; no row where there is none."""
    return _fetch(NEXT_POINTS, asks, voice)


def extract_speaking(asks: Sequence[Ask], *, voice: Voice) -> set[int]:
    """The numbers of the asks in which the voice reports any state."""
    return {number for (number,) in _fetch(SPEAKING, asks, voice)}


def extract_next_readings(asks: Sequence[Ask], *, count: int) -> list[Row]:
    """(ask, at, sequence, place from 1) of the first `count` readings of every counter in each ask."""
    return _fetch(NEXT_READINGS, asks, ANYBODY, count=count)


def extract_ends(asks: Sequence[Ask]) -> list[Row]:
    """(ask, earliest time, latest time or end, highest sequence) of each ask's events; no row where there are none."""
    return _fetch(ENDS, asks, ANYBODY)


def _look_back(
    statement: str, asks: Sequence[Ask], voice: Voice = ANYBODY, *, wanted: int = 1, **more: Any
) -> list[Row]:
    """What lies nearest before each ask's end; all of the past is looked through only where nothing is near."""
    near = [ask._replace(from_at=max(ask.from_at, ask.to_at - LOOK_BACK)) for ask in asks]
    found: dict[int, list[Row]] = {}
    for row in _fetch(statement, near, voice, **more):
        found.setdefault(row[0], []).append(row)
    missing = [number for number in range(len(asks)) if len(found.get(number, ())) < wanted]
    for number in missing:
        found.pop(number, None)
    for row in _fetch(statement, [asks[number] for number in missing], voice, **more):
        found.setdefault(missing[row[0]], []).append((missing[row[0]], *row[1:]))
    return [row for rows in found.values() for row in rows]


def _fetch(statement: str, asks: Sequence[Ask], voice: Voice, **more: Any) -> list[Row]:
    if not asks:
        return []
    machines, starts, ends, sources, names = (list(said) for said in zip(*asks, strict=True))
    said = {"machines": machines, "starts": starts, "ends": ends, "sources": sources, "names": names, **more}
    said |= {"tenant": current_tenant().pk, "least": min(starts), "most": max(ends)}
    said |= {"voice": list(voice.sources), "others": voice.others}
    with connection.cursor() as cursor:
        cursor.execute(statement, said)
        rows: list[Row] = cursor.fetchall()
    return rows
