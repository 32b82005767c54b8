"""Implausibles: what the fold does not believe is listed for people; their word on it outlives every fold."""

import datetime as dt
from collections.abc import Sequence

from mesassist.tenants.scope import current_tenant
from production.models import Implausible, Machine
from production.tallies import Step

DERIVED = ("machine", "at", "name", "value", "delta", "most")


def list_implausible(*, machine: Machine, steps: Sequence[Step], from_at: dt.datetime, to_at: dt.datetime) -> None:
    """Make the list of [from_at, to_at) say what the fold found; rows keep their id, trusted ones stay for good."""
    found = [_row(machine, step) for step in steps if from_at <= step.reading.at < to_at]
    keys = {(row.source, row.event_id) for row in found}
    listed = Implausible.objects.filter(machine=machine, at__gte=from_at, at__lt=to_at, trusted_at__isnull=True)
    gone = [pk for pk, *key in listed.values_list("pk", "source", "event_id") if tuple(key) not in keys]
    if gone:
        Implausible.objects.filter(pk__in=gone, trusted_at__isnull=True).delete()
    if found:
        Implausible.objects.bulk_create(
            found, update_conflicts=True, unique_fields=["tenant", "source", "event_id"], update_fields=DERIVED
        )


def _row(machine: Machine, step: Step) -> Implausible:
    reading = step.reading
    return Implausible(
        tenant=current_tenant(),
        machine=machine,
        source=reading.source,
        event_id=reading.event_id,
        at=reading.at,
        name=reading.name,
        value=reading.value,
        delta=step.delta,
        most=step.most or 0.0,
    )
