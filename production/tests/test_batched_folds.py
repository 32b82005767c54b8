"""Batched folds: machines that are folded together say what each says alone, in as many queries as one of them."""

import datetime as dt
import random
import threading
import time

import pytest
from django.db import connection, transaction

from mesassist.tenants.scope import tenant_scope
from production.models import DirtyRange, IdealCycle, Line, Machine, Product, Reason, Shift, Site, SourceRank
from production.rollups import fold_dirty, fold_machine, fold_open_states, mark_dirty
from production.tests.plant import at, count, fold, machine_of, report, state
from production.tests.test_recount import recounted, stored
from production.tests.test_rollups import total

pytestmark = pytest.mark.usefixtures("small_plant")
STATES = ("running", "running", "down", "setup", "idle", "unknown")
# One plain source, one that numbers what it saw, one that has a rank of its own.
SOURCES = ("plc", "numbered", "meter")
LONG_AGO = dt.timedelta(days=20)


def add_machines(site_code, zone, codes):
    """Machines of a site of its own, with a night shift."""
    tenant = machine_of().tenant
    site = Site.objects.create(tenant=tenant, code=site_code, name=site_code, zone=zone)
    Shift.objects.create(
        tenant=tenant, site=site, name="Night", starts=dt.time(22), ends=dt.time(6), weekdays=[1, 2, 3, 4, 5, 6, 7]
    )
    line = Line.objects.create(tenant=tenant, code=site_code, name=site_code, site=site)
    machines = [Machine.objects.create(tenant=tenant, code=code, name=code, line=line) for code in codes]
    product = Product.objects.get()
    IdealCycle.objects.create(tenant=tenant, machine=machines[0], product=product, seconds=7)
    return machines


def happen(draw, machine, when, number):
    """Store one random event and mark it."""
    source = draw.choice(SOURCES)
    said = {"source": source, "event_id": f"{machine.code}-{number}"}
    if source == "numbered":
        said["sequence"] = number + draw.randrange(-3, 4)
    kind = draw.randrange(10)
    if kind < 4:
        until = when + dt.timedelta(minutes=draw.randrange(1, 90)) if draw.random() < 0.2 else None
        event = state(machine, when, draw.choice(STATES), until=until, **said)
    elif kind < 7:
        event = count(machine, when, good=draw.randrange(9), scrap=draw.randrange(3), **said)
    else:
        name = draw.choice(("parts", "scrap"))
        event = report(machine, when, "counter", name=name, value=draw.randrange(number + 3), **said)
    mark_dirty(machine_id=machine.pk, from_at=event.at, to_at=event.until or event.at)


def mark_moments(machines, when):
    for machine in machines:
        state(machine, when, "running")
        mark_dirty(machine_id=machine.pk, from_at=when, to_at=when)


class TestManyMachines:
    @pytest.mark.parametrize("seed", range(3))
    def test_each_says_what_it_would_alone(self, seed):
        draw = random.Random(seed)
        machines = [machine_of("M1"), machine_of("M2"), *add_machines("ny", "America/New_York", ("N1", "N2"))]
        SourceRank.objects.create(tenant=machines[0].tenant, source="meter", rank=draw.choice((-1, 3)))
        # Nothing of two machines lies side by side: what holds since long ago is found beyond what is near.
        for place, machine in enumerate(machines):
            happen(draw, machine, at(8, place) - LONG_AGO * place, 0)
        for batch in range(5):
            for number in range(1 + batch * 12, 13 + batch * 12):
                machine = draw.choice(machines)
                when = at(6 + 3 * batch, draw.randrange(170), number) - draw.choice((0, 0, 0, 1, 9)) * dt.timedelta(1)
                happen(draw, machine, when, number)
            now = at(10 + 3 * batch)
            fold_dirty(now=now)
        fold_open_states(now=now)
        assert DirtyRange.objects.count() == 0
        for machine in machines:
            assert stored(machine) == recounted(machine, now), machine.code

    def test_more_machines_cost_no_more_queries(self, django_assert_num_queries):
        machines = [machine_of("M1"), machine_of("M2"), *add_machines("ny", "America/New_York", ("N1", "N2", "N3"))]
        mark_moments(machines, at(8))
        fold_dirty(now=at(8, 5))
        mark_moments(machines[:1], at(8, 10))
        with django_assert_num_queries(27):
            fold_dirty(now=at(8, 15))
        mark_moments(machines, at(8, 20))
        with django_assert_num_queries(27):
            assert fold_dirty(now=at(8, 25)) == 5

    def test_weeks_of_two_machines_are_whole_though_shared_out(self):
        machines = [machine_of("M1"), machine_of("M2")]
        for machine in machines:
            state(machine, at(8) - dt.timedelta(days=25), "running", until=at(8))
            mark_dirty(machine_id=machine.pk, from_at=at(8) - dt.timedelta(days=25), to_at=at(8))
        assert fold_dirty(now=at(9)) == 2
        for machine in machines:
            assert stored(machine) == recounted(machine, at(9))


@pytest.mark.django_db(transaction=True)
class TestTwoWorkers:
    def held(self, alfa, machine, *, then=None):
        """A worker that holds the machine until `done`, and then edits something and commits."""
        held, done = threading.Event(), threading.Event()

        def hold():
            with tenant_scope(alfa), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('production.rollups', %s))", [machine.pk])
                held.set()
                done.wait(20)
                if then:
                    then()
            connection.close()

        worker = threading.Thread(target=hold)
        worker.start()
        assert held.wait(20)
        return worker, done

    def test_a_machine_that_is_held_keeps_nobody_from_the_others(self, alfa):
        machines = [machine_of("M1"), machine_of("M2")]
        mark_moments(machines, at(8))
        worker, done = self.held(alfa, machines[0])
        assert fold_dirty(now=at(9)) == 1
        done.set()
        worker.join()
        assert list(DirtyRange.objects.values_list("machine__code", flat=True)) == ["M1"]
        assert total("running_s", machine=machines[1]) == (3600,)

    def test_a_shift_that_was_edited_while_it_waited_counts(self, alfa):
        machine = machine_of()
        state(machine, at(12), "running", until=at(16))
        worker, done = self.held(alfa, machine, then=lambda: Shift.objects.update(ends=dt.time(15)))
        waiting = threading.Thread(target=self.fold_alone, args=(alfa, machine))
        waiting.start()
        self.wait_for_a_waiter()
        done.set()
        worker.join()
        waiting.join()
        assert total("running_s", shift__name="Early") == (3 * 3600,)

    def fold_alone(self, alfa, machine):
        with tenant_scope(alfa):
            fold_machine(machine=machine, from_at=at(12), to_at=at(16), now=at(20))
        connection.close()

    def wait_for_a_waiter(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
                if cursor.fetchone()[0]:
                    return
        raise AssertionError("Nobody waits for the machine.")


class TestLookingBack:
    def test_what_was_said_weeks_ago_still_holds(self):
        machine = machine_of()
        Machine.objects.update(contact_timeout_s=90 * 24 * 3600)
        state(machine, at(8) - LONG_AGO, "down", reason=Reason.objects.get(code="jam"))
        fold(machine, at(8), from_at=at(8) - LONG_AGO)
        count(machine, at(8, 30), good=1)
        fold(machine, at(9), from_at=at(8, 30), to_at=at(8, 30))
        assert total("down_s", bucket__gte=at(8)) == (3600,)

    def test_a_counter_goes_on_from_its_reading_of_weeks_ago(self):
        machine = machine_of()
        Machine.objects.update(contact_timeout_s=90 * 24 * 3600)
        report(machine, at(8) - LONG_AGO, "counter", name="parts", value=100)
        fold(machine, at(8), from_at=at(8) - LONG_AGO)
        report(machine, at(8, 30), "counter", name="parts", value=104)
        fold(machine, at(9), from_at=at(8, 30), to_at=at(8, 30))
        assert total("good") == (4,)
