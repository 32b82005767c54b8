"""A plant for tests: events written as one would tell them, and times by the clock of 2 March 2026 in Warsaw."""

import datetime as dt
import itertools

from production.models import Event, Machine
from production.rollups import fold_machine

NUMBERS = itertools.count(1)
MIDNIGHT = dt.datetime(2026, 3, 1, 23, tzinfo=dt.UTC)  # Monday 2 March in Warsaw begins


def at(hour, minute=0, second=0, day=0):
    """A time of Monday 2 March 2026 (or `day` days later) in Warsaw, in UTC."""
    return MIDNIGHT + dt.timedelta(days=day, hours=hour, minutes=minute, seconds=second)


def machine_of(code="M1"):
    return Machine.objects.select_related("line__site").get(code=code)


def report(machine, when, kind, **what):
    """Store one event, as ingest would."""
    number = next(NUMBERS)
    fields = {"source": "plc", "event_id": f"e{number}", "received_at": when, **what}
    return Event.objects.create(tenant=machine.tenant, machine=machine, at=when, kind=kind, **fields)


def state(machine, when, name, **what):
    return report(machine, when, "state", state=name, **what)


def count(machine, when, **pieces):
    return report(machine, when, "count", **pieces)


def fold(machine, now, from_at=MIDNIGHT, to_at=None):
    return fold_machine(machine=machine, from_at=from_at, to_at=to_at or now, now=now)
