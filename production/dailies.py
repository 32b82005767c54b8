"""Dailies: the quarter hours of a machine summed by production day, so that a long window reads few rows.

A day's rows are recounted from its quarter hours whenever one of these was written, in the same transaction.
"""

import datetime as dt
import zoneinfo
from collections.abc import Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any, NamedTuple

from django.db import connection

from mesassist.tenants.scope import current_tenant
from production.buckets import Sums
from production.calendar import DAY, quarter_after
from production.models import Machine, Shift
from production.windows import day_start

SUMS = [column.name for column in fields(Sums)]
# The blocks of all machines come as arrays. OFFSET 0: for each block its own rows are looked at, however planned.
BLOCKS = """
unnest(%(machines)s::bigint[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(zones)s::text[])
    AS block (machine_id, starts_at, ends_at, zone)
"""
FILL_DAYS = f"""
INSERT INTO production_dailyrollup
    (tenant_id, machine_id, starts_at, ends_at, shift_id, day, zone, provisional, {", ".join(SUMS)})
SELECT %(tenant)s, block.machine_id, starts_at, ends_at, shift_id,
    coalesce(production_day, (bucket AT TIME ZONE zone)::date), zone, bool_or(provisional),
    {", ".join(f"sum({name})" for name in SUMS)}
FROM {BLOCKS} CROSS JOIN LATERAL (
    SELECT * FROM production_rollup
    WHERE tenant_id = %(tenant)s AND machine_id = block.machine_id AND bucket >= starts_at AND bucket < ends_at
    OFFSET 0
) AS quarter
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""  # noqa: S608 - names of our own fields
FILL_LOSSES = f"""
INSERT INTO production_dailyloss (tenant_id, machine_id, starts_at, ends_at, state, reason_id, micro, seconds, stops)
SELECT %(tenant)s, block.machine_id, starts_at, ends_at, state, reason_id, micro, sum(seconds), sum(stops)
FROM {BLOCKS} CROSS JOIN LATERAL (
    SELECT * FROM production_lossrollup
    WHERE tenant_id = %(tenant)s AND machine_id = block.machine_id AND bucket >= starts_at AND bucket < ends_at
    OFFSET 0
) AS quarter
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""  # noqa: S608 - names of our own fields
STRETCHES = """
unnest(%(machines)s::bigint[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[]) WITH ORDINALITY
    AS stretch (machine_id, first, last, number)
"""
# How far the days reach that each stretch meets.
MET = f"""
SELECT least(first, met.starts_at), greatest(last, met.ends_at) FROM {STRETCHES}
CROSS JOIN LATERAL (
    SELECT min(starts_at) AS starts_at, max(ends_at) AS ends_at FROM production_dailyrollup AS day
    WHERE tenant_id = %(tenant)s AND day.machine_id = stretch.machine_id AND starts_at < last AND ends_at > first
) AS met
ORDER BY number
"""  # noqa: S608 - our own words
CLEAR = "; ".join(
    f"""
DELETE FROM {table} WHERE tenant_id = %(tenant)s AND id = ANY(ARRAY(
    SELECT row.id FROM {STRETCHES} CROSS JOIN LATERAL (
        SELECT id FROM {table} WHERE tenant_id = %(tenant)s AND machine_id = stretch.machine_id
            AND starts_at >= first AND starts_at < last AND ends_at <= last
        OFFSET 0
    ) AS row
))"""  # noqa: S608 - our own tables
    for table in ("production_dailyrollup", "production_dailyloss")
)


class Days(NamedTuple):
    """A machine's days to recount, by their edges in order; its site's clock."""

    machine_id: int
    zone: str
    edges: tuple[dt.datetime, ...]


def rewrite_days(
    *, machine: Machine, shifts: Sequence[Shift], zone: str, from_at: dt.datetime, to_at: dt.datetime
) -> None:
    """Recount the days that hold the quarter hours of [from_at, to_at); call it where those were written.

    `shifts` are those of the machine's site: a day is cut where its last shift ends.
    """
    edges = cut_days(shifts=shifts, zone=zone, from_at=from_at, to_at=to_at)
    rewrite_all_days(days=[Days(machine.pk, zone, tuple(edges))])


def rewrite_all_days(*, days: Sequence[Days]) -> None:
    """Recount many machines' days, no machine named twice.

    Days that were cut otherwise (the shifts have changed since) are taken apart as far as they reach, so that no two
    ever overlap.
    """
    said: dict[str, Any] = {
        "tenant": current_tenant().pk,
        "machines": [one.machine_id for one in days],
        "firsts": [one.edges[0] for one in days],
        "lasts": [one.edges[-1] for one in days],
    }
    with connection.cursor() as cursor:
        cursor.execute(MET, said)
        met: list[tuple[dt.datetime, dt.datetime]] = cursor.fetchall()
        said |= {"firsts": [first for first, _ in met], "lasts": [last for _, last in met]}
        cursor.execute(CLEAR, said)
        edges = [sorted({*reach, *one.edges}) for one, reach in zip(days, met, strict=True)]
        blocks = [
            (one.machine_id, *ends, one.zone) for one, cut in zip(days, edges, strict=True) for ends in pairwise(cut)
        ]
        machines, starts, ends, zones = (list(column) for column in zip(*blocks, strict=True))
        filled = {"tenant": said["tenant"], "machines": machines, "starts": starts, "ends": ends, "zones": zones}
        cursor.execute(f"{FILL_DAYS}; {FILL_LOSSES}", filled)


def cut_days(*, shifts: Sequence[Shift], zone: str, from_at: dt.datetime, to_at: dt.datetime) -> list[dt.datetime]:
    """The edges of the days that touch [from_at, to_at), each at a whole quarter hour; at least two."""
    clock = zoneinfo.ZoneInfo(zone)
    day, last = from_at.astimezone(clock).date() - DAY, to_at.astimezone(clock).date() + 2 * DAY
    edges = []
    while day <= last:
        edges.append(quarter_after(day_start(day=day, shifts=shifts, zone=zone)))
        day += DAY
    inside = [edge for edge in edges if from_at < edge < to_at]
    return [max(edge for edge in edges if edge <= from_at), *inside, min(edge for edge in edges if edge >= to_at)]
