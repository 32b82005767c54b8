"""Self-checks: what must always be true of a tenant's production rows, as queries that give back what offends.

Each check is a function of `Asked` in the active tenant; what it yields is a sentence per offending row.
"""

import datetime as dt
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, models
from django.db.models import F, Q

from mesassist.tenants.scope import TenantModel, current_tenant, tenant_tx
from production.calendar import DAY, quarter_before
from production.dailies import SUMS
from production.models import (
    Coverage,
    DirtyRange,
    Event,
    ImportRun,
    ImportStatus,
    LossRollup,
    Quarantined,
    QuarantineStatus,
    Rollup,
)
from production.partitions import kept_from
from production.rollups import lock_machine, recount

# Beyond it a difference of sums is no rounding: seconds and pieces.
TOLERANCE = 1e-6
# How far back events are looked at: a night's check must not read the history each time.
RECENT = 8 * DAY
AHEAD = dt.timedelta(minutes=10)
OVERDUE = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Asked:
    """What a check needs to know: when, how many machine-days to recount, and how many offenders to name at most."""

    now: dt.datetime
    machine_days: int = 3
    at_most: int = 20


Check = Callable[[Asked], Iterable[str]]


def recount_days(asked: Asked) -> Iterator[str]:
    """Rollups of random machine-days (the same all day) that brute force counts otherwise.

    A machine with marks is left out: its rollups are known to be behind.
    """
    covered = list(Coverage.objects.select_related("machine__line__site").order_by("machine_id"))
    # Seeded, so that whoever looks at an offender sees it again.
    dice = random.Random(f"{current_tenant().pk} {asked.now:%Y-%m-%d}")
    kept = kept_from(tenant=current_tenant(), now=asked.now)
    for coverage in dice.choices(covered, k=asked.machine_days) if covered else []:
        first = max(coverage.first_event_at, kept + 2 * DAY if kept else coverage.first_event_at)
        length = (coverage.folded_to - first).total_seconds()
        if length <= 0:
            continue
        from_at = quarter_before(first + dt.timedelta(seconds=dice.random() * length))
        yield from _recount(coverage, from_at, min(from_at + DAY, quarter_before(coverage.folded_to)))


def days_add_up(asked: Asked) -> Iterator[str]:
    """Daily rollups that are not the sum of their quarter hours."""
    yield from _rows(DAYS, _bound(asked))


def day_losses_add_up(asked: Asked) -> Iterator[str]:
    """Daily losses that are not the sum of their quarter hours."""
    yield from _rows(LOSSES, _bound(asked))


def days_cover(asked: Asked) -> Iterator[str]:
    """Quarter hours that lie in no day, or in several."""
    yield from _rows(COVER, _bound(asked))


def references_hold(asked: Asked) -> Iterator[str]:
    """References to rows that are missing or another tenant's, over every model and the tables between two; of events
    those of the last days."""
    for model in apps.get_models(include_auto_created=True):
        # A table that Django makes for a many-to-many has its tenant from the database (production/0005_walls).
        owner: Any = model._meta.auto_created or model
        if issubclass(owner, TenantModel):
            for field in model._meta.concrete_fields:
                if isinstance(field, models.ForeignKey) and field.name != "tenant":
                    yield from _find_strays(model, field, asked)


def events_have_partitions(asked: Asked) -> Iterator[str]:
    """Events in the default partition, where nothing may stay."""
    yield from _rows(STRAYS, _bound(asked))


def events_have_keys(asked: Asked) -> Iterator[str]:
    """Events of the last days whose id is not taken, so that the same could be taken again; or that are there twice."""
    yield from _rows(KEYS, _bound(asked))


def keys_have_events(asked: Asked) -> Iterator[str]:
    """Ids of the last days that are taken by no event: it was accepted, and is lost."""
    yield from _rows(LOST, _bound(asked))


def events_have_happened(asked: Asked) -> Iterator[str]:
    """Events of the future."""
    for event in Event.objects.filter(at__gt=asked.now + AHEAD).order_by("-at")[: asked.at_most + 1]:
        yield f"event {event} is of {event.at:%Y-%m-%d %H:%M}Z"


def imports_add_up(asked: Asked) -> Iterator[str]:
    """Imports whose counts do not add up, that ended without an end, or that stand still."""
    adds_up = Q(received=F("accepted") + F("duplicate") + F("quarantined"))
    endless = Q(status__in=[ImportStatus.DONE, ImportStatus.FAILED, ImportStatus.CANCELLED], finished_at=None)
    still = Q(status=ImportStatus.RUNNING, heartbeat_at__lt=asked.now - OVERDUE)
    for run in ImportRun.objects.filter(~adds_up | endless | still).order_by("pk")[: asked.at_most + 1]:
        counts = f"{run.received} received, {run.accepted} accepted, {run.duplicate} duplicate"
        yield f"import {run.pk} ({run}) is {run.status}: {counts}, {run.quarantined} quarantined"


def marks_are_settled(asked: Asked) -> Iterator[str]:
    """Marks that nobody has folded for an hour."""
    old = DirtyRange.objects.filter(marked_at__lt=asked.now - OVERDUE).order_by("marked_at")
    for mark in old[: asked.at_most + 1]:
        yield f"mark {mark.pk} of {mark} waits since {mark.marked_at:%Y-%m-%d %H:%M}Z"


def quarantine_is_decided(asked: Asked) -> Iterator[str]:
    """Quarantined rows that are decided without a time, wait with one, or came less than once."""
    waiting = Q(status=QuarantineStatus.WAITING)
    wrong = (waiting & Q(resolved_at__isnull=False)) | (~waiting & Q(resolved_at=None)) | Q(times__lt=1)
    for row in Quarantined.objects.filter(wrong).order_by("pk")[: asked.at_most + 1]:
        yield f"quarantined row {row.pk} ({row}) is {row.status}, resolved {row.resolved_at}, came {row.times} times"


CHECKS: dict[str, Check] = {
    "rollups are what brute force counts": recount_days,
    "days are the sums of their quarter hours": days_add_up,
    "losses of days are the sums of their quarter hours": day_losses_add_up,
    "every quarter hour lies in one day": days_cover,
    "references stay within the tenant": references_hold,
    "events lie in their month": events_have_partitions,
    "ids of events are taken": events_have_keys,
    "taken ids have an event": keys_have_events,
    "events have happened": events_have_happened,
    "imports add up": imports_add_up,
    "marks are settled within the hour": marks_are_settled,
    "quarantine is decided or waits": quarantine_is_decided,
}

# --- the queries ----------------------------------------------------------------------------------------------

_NAMED = "format('machine %%s, day from %%s', machine_id, starts_at)"
DAYS = f"""
WITH block AS (
    SELECT DISTINCT machine_id, starts_at, ends_at, zone FROM production_dailyrollup WHERE tenant_id = %(tenant)s
), counted AS (
    SELECT b.machine_id, starts_at, coalesce(shift_id, 0) AS shift,
        coalesce(production_day, (bucket AT TIME ZONE zone)::date) AS day, {", ".join(f"sum({n}) AS {n}" for n in SUMS)}
    FROM block b JOIN production_rollup r
        ON r.tenant_id = %(tenant)s AND r.machine_id = b.machine_id AND bucket >= starts_at AND bucket < ends_at
    GROUP BY 1, 2, 3, 4
), stored AS (
    SELECT *, coalesce(shift_id, 0) AS shift FROM production_dailyrollup WHERE tenant_id = %(tenant)s
)
SELECT {_NAMED} || format(', shift %%s, %%s', shift, day)
FROM stored s FULL JOIN counted c USING (machine_id, starts_at, shift, day)
WHERE s.id IS NULL OR c.day IS NULL OR {" OR ".join(f"abs(s.{n} - c.{n}) > %(tolerance)s" for n in SUMS)}
LIMIT %(most)s
"""  # noqa: S608 - names of our own fields
LOSSES = f"""
WITH block AS (
    SELECT DISTINCT machine_id, starts_at, ends_at FROM production_dailyrollup WHERE tenant_id = %(tenant)s
), counted AS (
    SELECT b.machine_id, starts_at, state, coalesce(reason_id, 0) AS reason, micro, sum(seconds) AS seconds,
        sum(stops) AS stops
    FROM block b JOIN production_lossrollup r
        ON r.tenant_id = %(tenant)s AND r.machine_id = b.machine_id AND bucket >= starts_at AND bucket < ends_at
    GROUP BY 1, 2, 3, 4, 5
), stored AS (
    SELECT *, coalesce(reason_id, 0) AS reason FROM production_dailyloss WHERE tenant_id = %(tenant)s
)
SELECT {_NAMED} || format(', %%s, reason %%s', state, reason)
FROM stored s FULL JOIN counted c USING (machine_id, starts_at, state, reason, micro)
WHERE s.id IS NULL OR c.stops IS NULL OR s.stops <> c.stops OR abs(s.seconds - c.seconds) > %(tolerance)s
LIMIT %(most)s
"""  # noqa: S608 - names of our own fields
COVER = """
WITH block AS (
    SELECT DISTINCT machine_id, starts_at, ends_at FROM production_dailyrollup WHERE tenant_id = %(tenant)s
)
SELECT format('machine %%s, quarter hour of %%s: in %%s days', r.machine_id, bucket, count(b.starts_at))
FROM production_rollup r
LEFT JOIN block b ON b.machine_id = r.machine_id AND bucket >= starts_at AND bucket < ends_at
WHERE r.tenant_id = %(tenant)s
GROUP BY r.id HAVING count(b.starts_at) <> 1
LIMIT %(most)s
"""
STRAYS = """
SELECT format('event %%s/%%s of %%s', source, event_id, at)
FROM production_event_default WHERE tenant_id = %(tenant)s LIMIT %(most)s
"""
KEYS = """
SELECT format('event %%s/%%s of %%s', e.source, e.event_id, e.at)
FROM production_event e
LEFT JOIN production_eventkey k USING (tenant_id, source, event_id)
WHERE tenant_id = %(tenant)s AND e.at >= %(since)s AND (k.at IS NULL OR k.at <> e.at)
LIMIT %(most)s
"""
LOST = """
SELECT format('id %%s/%%s of %%s', k.source, k.event_id, k.at)
FROM production_eventkey k
LEFT JOIN production_event e ON e.tenant_id = k.tenant_id AND e.source = k.source AND e.event_id = k.event_id
    AND e.at >= %(since)s
WHERE k.tenant_id = %(tenant)s AND k.at >= %(since)s AND e.at IS NULL
LIMIT %(most)s
"""


def _bound(asked: Asked) -> dict[str, Any]:
    return {
        "tenant": current_tenant().pk,
        "tolerance": TOLERANCE,
        "since": asked.now - RECENT,
        "most": asked.at_most + 1,
    }


def _rows(query: str, bound: dict[str, Any]) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(query, bound)
        yield from [row[0] for row in cursor.fetchall()]


def _recount(coverage: Coverage, from_at: dt.datetime, to_at: dt.datetime) -> Iterator[str]:
    machine = coverage.machine
    with tenant_tx():
        # Nobody folds meanwhile; what comes in meanwhile leaves a mark.
        lock_machine(machine)
        folded_at = Coverage.objects.values_list("folded_at", flat=True).get(pk=coverage.pk)
        wanted = recount(machine=machine, from_at=from_at, to_at=to_at, now=folded_at)
        in_stretch = {"machine": machine, "bucket__gte": from_at, "bucket__lt": to_at}
        slot = ("bucket", "shift_id", "production_day")
        rows = {row[:3]: row[3:] for row in Rollup.objects.filter(**in_stretch).values_list(*slot, *SUMS)}
        columns = (*slot, "state", "reason_id", "micro", "seconds", "stops")
        losses = {row[:6]: row[6:] for row in LossRollup.objects.filter(**in_stretch).values_list(*columns)}
        if DirtyRange.objects.filter(machine=machine).exists():
            return
    counted = {tuple(key): tuple(getattr(sums, name) for name in SUMS) for key, sums in wanted.rollups.items()}
    lost = {tuple(key): (sums.seconds, sums.stops) for key, sums in wanted.losses.items()}
    for found, right in ((rows, counted), (losses, lost)):
        for key in sorted({*found, *right}, key=str):
            if not _alike(found.get(key), right.get(key)):
                yield f"{machine.code} at {key[0]:%Y-%m-%d %H:%M}Z: stored {found.get(key)}, counted {right.get(key)}"


def _alike(found: tuple[float, ...] | None, right: tuple[float, ...] | None) -> bool:
    if found is None or right is None:
        return found is right
    return all(abs(one - other) <= TOLERANCE for one, other in zip(found, right, strict=True))


def _find_strays(model: type[models.Model], field: models.ForeignKey, asked: Asked) -> Iterator[str]:
    other = field.remote_field.model
    shared = issubclass(other, TenantModel)
    wrong = "o.tenant_id <> m.tenant_id OR o IS NULL" if shared else "o IS NULL"
    recent = "AND m.at >= %(since)s" if model is Event else ""
    query = (
        f"SELECT m.{field.column} FROM {model._meta.db_table} m "  # noqa: S608 - names of our own fields
        f"LEFT JOIN {other._meta.db_table} o ON o.{field.target_field.column} = m.{field.column} "
        f"WHERE m.tenant_id = %(tenant)s AND m.{field.column} IS NOT NULL {recent} AND ({wrong}) LIMIT %(most)s"
    )
    for value in _rows(query, _bound(asked)):
        yield f"{model._meta.label}.{field.name} = {value}: missing, or another tenant's"
