"""Random plants: however their events arrive, the rollups are those of brute force, minute by minute."""

import datetime as dt

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from production.calendar import quarter_before
from production.models import Implausible, LossRollup, Reason, Rollup, Shift
from production.rollups import fold_dirty, fold_open_states, mark_dirty, recount
from production.tests.brute import rows_by_hand
from production.tests.plant import MIDNIGHT, at, count, fold, machine_of, report, state

NOW = at(20)
TIMES = ("running_s", "idle_s", "setup_s", "planned_stop_s", "down_s", "micro_stop_s", "unknown_s")
NUMBERS = ("stops", "micro_stops", "setups", "good", "scrap", "rework", "ideal_produced_s", "ideal_good_s", "uncycled")

pytestmark = pytest.mark.usefixtures("small_plant")


def stored(machine):
    """Every rollup and loss of the machine, without what depends on when it was folded."""
    slot = ("bucket", "shift_id", "production_day")
    rows = {row[:3]: row[3:] for row in Rollup.objects.filter(machine=machine).values_list(*slot, *TIMES, *NUMBERS)}
    columns = (*slot, "state", "reason_id", "micro", "seconds", "stops")
    losses = {row[:6]: row[6:] for row in LossRollup.objects.filter(machine=machine).values_list(*columns)}
    return rows, losses


def recounted(machine, now=NOW):
    filled = recount(machine=machine, from_at=at(0, day=-60), to_at=at(0, day=60), now=now)
    rows = {
        tuple(key): tuple(getattr(sums, name) for name in (*TIMES, *NUMBERS)) for key, sums in filled.rollups.items()
    }
    return rows, {tuple(key): (loss.seconds, loss.stops) for key, loss in filled.losses.items()}


FIRST = at(12, 30)  # the shift ends at 14:00
minutes = st.integers(0, 150)
kinds = st.sampled_from(["point"] * 4 + ["interval", "count", "counter"])
names = st.sampled_from(["running", "down", "down", "setup", "idle", "unknown"])
happenings = st.lists(st.tuples(kinds, minutes, names, st.integers(0, 60), st.booleans()), min_size=1, max_size=14)
batches = st.lists(st.integers(1, 4), min_size=1, max_size=6)


def happen(machine, what):
    """Store one random happening; times are whole minutes."""
    kind, minute, name, number, jam = what
    when = FIRST + dt.timedelta(minutes=minute)
    if kind == "count":
        return count(machine, when, good=number, scrap=number % 3)
    if kind == "counter":
        return report(machine, when, "counter", name="parts", value=number)
    until = when + dt.timedelta(minutes=number) if kind == "interval" else None
    reason = Reason.objects.get(code="jam") if jam and name == "down" else None
    return state(machine, when, name, until=until, reason=reason)


def compare(machine, now):
    """The stored rows against those by hand."""
    early = Shift.objects.get(name="Early").pk

    def slot(moment):
        in_shift = moment < at(14)
        return quarter_before(moment), early if in_shift else None, dt.date(2026, 3, 2) if in_shift else None

    rows, losses, implausible = rows_by_hand(machine, now, slot, cycle=10)
    found_rows, found_losses = stored(machine)
    columns = (*TIMES, *NUMBERS)
    found = {slot: {n: v for n, v in zip(columns, row, strict=True) if v} for slot, row in found_rows.items()}
    wanted = {slot: {n: v for n, v in row.items() if v} for slot, row in rows.items()}
    silent = {slot for slot, row in wanted.items() if slot[1] is None and set(row) <= {"unknown_s"}}
    assert {s: r for s, r in found.items() if r} == {s: r for s, r in wanted.items() if r and s not in silent}
    assert found_losses == {key: (loss["seconds"], loss["stops"]) for key, loss in losses.items()}
    listed = Implausible.objects.filter(machine=machine, trusted_at=None)
    assert set(listed.values_list("source", "event_id", "delta")) == implausible


class TestRandomPlants:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(happenings, batches, st.sampled_from([0, 120, 300, 600]), st.sampled_from([1200, 3600, 28800]))
    def test_however_events_arrive_the_rows_are_those_of_brute_force(self, what, sizes, threshold, timeout):
        with transaction.atomic():
            machine = machine_of()
            machine.micro_stop_s, machine.contact_timeout_s = threshold, timeout
            machine.save()
            # One counter reading at a time: two of one moment have no order that brute force could know.
            seen = set()
            what = [w for w in what if w[0] != "counter" or not (w[1] in seen or seen.add(w[1]))]
            now = at(15, 10)
            while what:
                size = sizes.pop() if sizes else len(what)
                for one in what[:size]:
                    event = happen(machine, one)
                    mark_dirty(machine_id=machine.pk, from_at=event.at, to_at=event.until or event.at)
                what = what[size:]
                fold_dirty(now=now)
                now += dt.timedelta(minutes=7)
                fold_open_states(now=now)
            compare(machine, now)
            assert stored(machine) == recounted(machine, now)
            transaction.set_rollback(True)

    def test_folding_twice_changes_nothing(self):
        machine = machine_of()
        for minute in range(0, 300, 7):
            state(machine, at(6, minute), ("running", "down", "setup")[minute % 3])
            count(machine, at(6, minute, 30), good=minute)
        fold(machine, NOW)
        once = stored(machine)
        fold(machine, NOW, from_at=at(7), to_at=at(8))
        fold(machine, NOW, from_at=MIDNIGHT)
        assert stored(machine) == once == recounted(machine)
