"""Dailies: the quarter hours of a machine summed by production day, so that a long window reads few rows.

A day's rows are recounted from its quarter hours whenever one of these was written, in the same transaction.
"""

import datetime as dt
import zoneinfo
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from django.db import connection

from mesassist.tenants.scope import current_tenant
from production.buckets import Sums
from production.calendar import DAY, quarter_after
from production.models import Machine, Shift
from production.windows import day_start

SUMS = [column.name for column in fields(Sums)]
# The rows of each block of a machine; the blocks come as two arrays.
BLOCKS = "unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS block(starts_at, ends_at)"
IN_BLOCK = "bucket >= starts_at AND bucket < ends_at AND tenant_id = %(tenant)s AND machine_id = %(machine)s"
FILL_DAYS = f"""
INSERT INTO production_dailyrollup
    (tenant_id, machine_id, starts_at, ends_at, shift_id, day, zone, provisional, {", ".join(SUMS)})
SELECT tenant_id, machine_id, starts_at, ends_at, shift_id,
    coalesce(production_day, (bucket AT TIME ZONE %(zone)s)::date), %(zone)s, bool_or(provisional),
    {", ".join(f"sum({name})" for name in SUMS)}
FROM {BLOCKS} JOIN production_rollup ON {IN_BLOCK}
GROUP BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608 - names of our own fields
FILL_LOSSES = f"""
INSERT INTO production_dailyloss (tenant_id, machine_id, starts_at, ends_at, state, reason_id, micro, seconds, stops)
SELECT tenant_id, machine_id, starts_at, ends_at, state, reason_id, micro, sum(seconds), sum(stops)
FROM {BLOCKS} JOIN production_lossrollup ON {IN_BLOCK}
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""  # noqa: S608 - names of our own fields
# How far the days reach that the stretch meets.
MET = """
SELECT least(min(starts_at), %(first)s), greatest(max(ends_at), %(last)s) FROM production_dailyrollup
WHERE tenant_id = %(tenant)s AND machine_id = %(machine)s AND starts_at < %(last)s AND ends_at > %(first)s
"""
THESE = "WHERE tenant_id = %(tenant)s AND machine_id = %(machine)s AND starts_at >= %(first)s AND ends_at <= %(last)s"
# One round trip: a batch touches many machines, and each is a transaction of its own.
REWRITE = f"""
DELETE FROM production_dailyrollup {THESE};
DELETE FROM production_dailyloss {THESE};
{FILL_DAYS};
{FILL_LOSSES}
"""  # noqa: S608 - names of our own fields


def rewrite_days(
    *, machine: Machine, shifts: Sequence[Shift], zone: str, from_at: dt.datetime, to_at: dt.datetime
) -> None:
    """Recount the days that hold the quarter hours of [from_at, to_at); call it where those were written.

    `shifts` are those of the machine's site: a day is cut where its last shift ends. Days that were cut otherwise
    (the shifts have changed since) are taken apart as far as they reach, so that no two ever overlap.
    """
    edges = cut_days(shifts=shifts, zone=zone, from_at=from_at, to_at=to_at)
    which: dict[str, Any] = {"tenant": current_tenant().pk, "machine": machine.pk, "zone": zone}
    with connection.cursor() as cursor:
        cursor.execute(MET, {**which, "first": edges[0], "last": edges[-1]})
        first, last = cursor.fetchone()
        edges = sorted({first, last, *edges})
        cursor.execute(REWRITE, {**which, "first": first, "last": last, "starts": edges[:-1], "ends": edges[1:]})


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
