"""Checks: what must hold after whatever happened to the consumers, asked of the database."""

import datetime as dt
import hashlib
from dataclasses import astuple, fields

from production.buckets import Sums
from production.models import DirtyRange, Event, LossRollup, Machine, Rollup
from production.rollups import fold_dirty, recount
from production.tests.kafka.records import START

EARLY, LATE = START - dt.timedelta(days=60), START + dt.timedelta(days=60)
# Long after the last event, so that nothing is provisional.
NOW = START + dt.timedelta(days=30)


def stored_ids(source):
    """Every event id that is stored of a source, in order; a doubled one would show twice."""
    return list(Event.objects.filter(source=source).order_by("event_id").values_list("event_id", flat=True))


def fold_all():
    """Fold what ingest marked until nothing is marked."""
    while DirtyRange.objects.exists():
        assert fold_dirty(now=NOW) > 0


def rollup_rows(machine):
    """The rollups and losses of a machine as they are stored, without what depends on when they were folded."""
    names = [column.name for column in fields(Sums)]
    slot = ("bucket", "shift_id", "production_day")
    rows = {row[:3]: row[3:] for row in Rollup.objects.filter(machine=machine).values_list(*slot, *names)}
    loss_slot = (*slot, "state", "reason_id", "micro")
    losses = LossRollup.objects.filter(machine=machine).values_list(*loss_slot, "seconds", "stops")
    return rows, {row[:6]: row[6:] for row in losses}


def recounted_rows(machine):
    """The same, worked out from the events by brute force."""
    filled = recount(machine=machine, from_at=EARLY, to_at=LATE, now=NOW)
    rows = {tuple(key): astuple(sums) for key, sums in filled.rollups.items()}
    return rows, {tuple(key): (loss.seconds, loss.stops) for key, loss in filled.losses.items()}


def assert_rollups_are_those_of_the_events():
    """Every machine of the active tenant that has events; folds what is marked first."""
    fold_all()
    machines = list(Machine.objects.filter(pk__in=Event.objects.values("machine_id")))
    assert machines
    for machine in machines:
        assert rollup_rows(machine) == recounted_rows(machine), machine.code


def checksum():
    """One text for all that is stored of the active tenant: events, rollups, losses."""
    digest = hashlib.sha256()
    columns = [field.attname for field in Event._meta.concrete_fields if field.attname not in ("id", "received_at")]
    for row in Event.objects.order_by("source", "event_id").values_list(*columns):
        digest.update(repr([bytes(said) if isinstance(said, memoryview) else said for said in row]).encode())
    for machine in Machine.objects.order_by("code"):
        for part in rollup_rows(machine):
            digest.update(repr(sorted(part.items(), key=repr)).encode())
    return digest.hexdigest()
