"""Rewriting: rows of many machines' stretches are deleted and written anew, each table in one statement for all."""

import datetime as dt
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from django.db import connection, models

from mesassist.tenants.scope import current_tenant
from production.buckets import Filled, Key, LossKey
from production.calendar import QUARTER
from production.dailies import SUMS, Days, rewrite_all_days
from production.fillings import Piece, fill_pieces, portion
from production.implausibles import Doubts, list_implausible
from production.models import Coverage, LossRollup, Rollup

SUMS_OF = attrgetter(*SUMS)
# By id, and OFFSET 0: however the planner guesses, it looks at the machines' own stretches.
CLEAR = "; ".join(
    f"""
DELETE FROM {table} WHERE tenant_id = %(tenant)s AND id = ANY(ARRAY(
    SELECT row.id FROM unnest(%(machines)s::bigint[], %(firsts)s::timestamptz[], %(ends)s::timestamptz[])
        AS piece (machine_id, first, until)
    CROSS JOIN LATERAL (
        SELECT id FROM {table} WHERE tenant_id = %(tenant)s AND machine_id = piece.machine_id
            AND bucket >= first AND bucket < until
        OFFSET 0
    ) AS row
))"""  # noqa: S608 - our own tables
    for table in ("production_rollup", "production_lossrollup")
)
COVERED = (
    *("first_event_at", "newest_event_at", "folded_to", "folded_at"),
    *("records_good", "records_scrap", "records_rework"),
)


def rewrite_pieces(*, pieces: Sequence[Piece], now: dt.datetime) -> int:
    """Write the rows of the pieces anew, no two of which overlap; gives the number of rollups."""
    if not pieces:
        return 0
    said: dict[str, Any] = {
        "tenant": current_tenant().pk,
        "machines": [piece.plan.machine.pk for piece in pieces],
        "firsts": [piece.first for piece in pieces],
        "ends": [piece.end for piece in pieces],
    }
    with connection.cursor() as cursor:
        cursor.execute(CLEAR, said)
    written = sum(_write(portioned, now) for portioned in portion(pieces))
    rewrite_all_days(days=[_days_of(piece) for piece in pieces])
    return written


def save_coverages(coverages: Iterable[Coverage]) -> None:
    """Write how far the machines are folded, whether they have a row or not."""
    names = ["machine_id", *COVERED]
    row_of = attrgetter(*names)
    again = ", ".join(f"{name} = excluded.{name}" for name in COVERED)
    rows = [row_of(one) for one in coverages]
    _insert_rows(Coverage, names, rows, conflict=f"ON CONFLICT (tenant_id, machine_id) DO UPDATE SET {again}")


def _write(pieces: Sequence[Piece], now: dt.datetime) -> int:
    filled = fill_pieces(pieces=pieces, now=now)
    _insert(pieces, filled, now)
    list_implausible(
        doubts=[
            Doubts(piece.plan.machine.pk, piece.first, piece.end, one.implausible)
            for piece, one in zip(pieces, filled, strict=True)
            if one.implausible is not None
        ]
    )
    return sum(len(one.rollups) for one in filled)


def _days_of(piece: Piece) -> Days:
    calendar = piece.plan.calendar
    return Days(piece.plan.machine.pk, calendar.zone, tuple(calendar.cut_days((piece.first, piece.end))))


def _insert(pieces: Sequence[Piece], filled: Sequence[Filled], now: dt.datetime) -> None:
    found = [(piece.plan.machine.pk, one) for piece, one in zip(pieces, filled, strict=True)]
    # The row of the quarter hour that is not over will change by itself, as time passes.
    sums = [
        (machine_id, *key, *SUMS_OF(row), key.bucket + QUARTER > now)
        for machine_id, one in found
        for key, row in one.rollups.items()
    ]
    _insert_rows(Rollup, ["machine_id", *Key._fields, *SUMS, "provisional"], sums, folded_at=now)
    losses = [
        (machine_id, *key, row.seconds, row.stops) for machine_id, one in found for key, row in one.losses.items()
    ]
    _insert_rows(LossRollup, ["machine_id", *LossKey._fields, "seconds", "stops"], losses)


def _insert_rows(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[tuple], *, conflict: str = "", **same: Any
) -> None:
    """One INSERT, the rows as an array per column: COPY is refused under row-level security."""
    if not rows:
        return
    types = {field.column: field.db_type(connection) for field in model._meta.concrete_fields}
    arrays = ", ".join(f"%s::{(types[column] or '').partition('(')[0]}[]" for column in columns)
    same = {"tenant_id": current_tenant().pk, **same}
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({', '.join([*same, *columns])}) "  # noqa: S608 - our own fields
            f"SELECT {', '.join(['%s'] * len(same))}, new.* FROM unnest({arrays}) AS new {conflict}",
            [*same.values(), *(list(values) for values in zip(*rows, strict=True))],
        )
