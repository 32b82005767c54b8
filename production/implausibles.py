"""Implausibles: what the fold does not believe is listed for people; their word on it outlives every fold."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection

from mesassist.tenants.scope import current_tenant
from production.models import Implausible
from production.tallies import Step

DERIVED = ("machine", "at", "name", "value", "delta", "most")
LISTED = """
SELECT id, source, event_id FROM unnest(%(machines)s::bigint[], %(firsts)s::timestamptz[], %(ends)s::timestamptz[])
    AS looked (machine_id, first, until)
JOIN production_implausible AS one ON tenant_id = %(tenant)s AND one.machine_id = looked.machine_id
    AND at >= first AND at < until
WHERE trusted_at IS NULL
"""


class Doubts(NamedTuple):
    """What the fold found of one machine's counters in [from_at, to_at), with steps beside it."""

    machine_id: int
    from_at: dt.datetime
    to_at: dt.datetime
    steps: Sequence[Step]


def list_implausible(*, doubts: Sequence[Doubts]) -> None:
    """Make the list of each stretch say what the fold found; rows keep their id, trusted ones stay for good."""
    if not doubts:
        return
    found = [
        _row(one.machine_id, step) for one in doubts for step in one.steps if one.from_at <= step.reading.at < one.to_at
    ]
    keys = {(row.source, row.event_id) for row in found}
    gone = [pk for pk, *key in _listed(doubts) if tuple(key) not in keys]
    if gone:
        Implausible.objects.filter(pk__in=gone, trusted_at__isnull=True).delete()
    if found:
        Implausible.objects.bulk_create(
            found, update_conflicts=True, unique_fields=["tenant", "source", "event_id"], update_fields=DERIVED
        )


def _listed(doubts: Sequence[Doubts]) -> list[tuple[int, str, str]]:
    """(id, source, event id) of what is listed already and not trusted."""
    machines, firsts, ends, _ = (list(said) for said in zip(*doubts, strict=True))
    said: dict[str, Any] = {"tenant": current_tenant().pk, "machines": machines, "firsts": firsts, "ends": ends}
    with connection.cursor() as cursor:
        cursor.execute(LISTED, said)
        rows: list[tuple[int, str, str]] = cursor.fetchall()
    return rows


def _row(machine_id: int, step: Step) -> Implausible:
    reading = step.reading
    return Implausible(
        tenant=current_tenant(),
        machine_id=machine_id,
        source=reading.source,
        event_id=reading.event_id,
        at=reading.at,
        name=reading.name,
        value=reading.value,
        delta=step.delta,
        most=step.most or 0.0,
    )
