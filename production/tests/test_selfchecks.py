"""Self-checks: a sound plant has no offender, and each planted one is found by its own check alone."""

import datetime as dt
from contextvars import Context

import pytest
from django.db import connection

from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_scope
from production import partitions
from production.models import (
    DailyLoss,
    DailyRollup,
    DirtyRange,
    Event,
    EventKey,
    ImportRun,
    Line,
    LossRollup,
    Machine,
    Quarantined,
    Rollup,
    Site,
    Summary,
)
from production.rollups import fold_dirty, mark_dirty
from production.selfchecks import CHECKS, Asked
from production.tests.plant import at, machine_of, report

NOW = at(20)

pytestmark = pytest.mark.usefixtures("morning")


@pytest.fixture(autouse=True)
def settled(morning):
    """The morning's events lie in their month, as they do once the clock has made it; and its marks are folded."""
    month = dt.date(2026, 3, 1)
    partitions.make_months(months=[month])
    fold_dirty(now=NOW)
    yield
    partitions._known.discard(month)


def broken(**asked):
    """What each check finds, those that find nothing left out."""
    found = {name: list(check(Asked(now=NOW, **asked))) for name, check in CHECKS.items()}
    return {name: rows for name, rows in found.items() if rows}


class TestSoundPlant:
    def test_nothing_is_found(self):
        assert broken(machine_days=20) == {}


class TestRollups:
    def test_it_finds_a_rollup_that_brute_force_counts_otherwise(self):
        Rollup.objects.update(running_s=1)
        found = broken(machine_days=20)
        assert list(found) == ["rollups are what brute force counts", "days are the sums of their quarter hours"]
        assert "stored (1.0," in found["rollups are what brute force counts"][0]

    def test_it_finds_a_loss_that_brute_force_counts_otherwise(self):
        LossRollup.objects.update(seconds=1)
        assert "rollups are what brute force counts" in broken(machine_days=20)

    def test_it_finds_a_row_that_is_missing(self):
        Rollup.objects.filter(machine__code="M2").delete()
        assert "rollups are what brute force counts" in broken(machine_days=20)

    def test_the_same_day_asks_for_the_same_machine_days(self):
        Rollup.objects.update(running_s=1)
        check = CHECKS["rollups are what brute force counts"]
        assert list(check(Asked(now=NOW, machine_days=1))) == list(check(Asked(now=at(21), machine_days=1)))

    def test_a_machine_that_waits_to_be_folded_is_no_offender(self):
        Rollup.objects.update(running_s=1)
        for machine in Machine.objects.all():
            mark_dirty(machine_id=machine.pk, from_at=at(8), to_at=at(8))
        assert "rollups are what brute force counts" not in broken(machine_days=20)


class TestDays:
    def test_it_finds_a_day_that_is_not_the_sum_of_its_quarter_hours(self):
        DailyRollup.objects.filter(machine__code="M1").update(good=1)
        found = broken()
        assert list(found) == ["days are the sums of their quarter hours"]
        assert len(found["days are the sums of their quarter hours"]) == 1

    def test_it_finds_losses_of_a_day_that_do_not_add_up(self):
        DailyLoss.objects.update(stops=7)
        assert list(broken()) == ["losses of days are the sums of their quarter hours"]

    def test_it_finds_losses_that_the_day_forgot(self):
        DailyLoss.objects.all().delete()
        assert list(broken()) == ["losses of days are the sums of their quarter hours"]

    def test_it_finds_quarter_hours_in_no_day(self):
        DailyRollup.objects.filter(machine__code="M1").delete()
        found = broken()
        assert "every quarter hour lies in one day" in found
        assert "in 0 days" in found["every quarter hour lies in one day"][0]

    def test_it_finds_quarter_hours_in_two_days(self):
        day = DailyRollup.objects.first()
        day.pk, day.starts_at = None, day.starts_at + dt.timedelta(hours=6)
        day.save()
        assert "every quarter hour lies in one day" in broken()


class TestReferences:
    def test_it_finds_another_tenants_row(self, alfa, beta):
        with platform_scope("plant an offender", role=PlatformRole.STAFF):
            site = Site.objects.create(tenant=beta, code="b", name="Beta", zone="UTC")
        Line.objects.filter(tenant=alfa).update(site=site)
        assert broken()["references stay within the tenant"] == [
            f"production.Line.site = {site.pk}: missing, or another tenant's"
        ]
        # The database itself refuses the row, at the end of the transaction.
        Line.objects.filter(tenant=alfa).update(site=Site.objects.get(code="waw"))

    def test_it_finds_another_tenants_row_between_two_tables(self, alfa, beta):
        with platform_scope("plant an offender", role=PlatformRole.STAFF):
            site = Site.objects.create(tenant=beta, code="b", name="Beta", zone="UTC")
            line = Line.objects.create(tenant=beta, code="b", name="Beta", site=site)
        summary = Summary.objects.create(tenant=alfa, name="Offender")
        chosen = Summary.lines.through.objects.create(summary=summary, line=line)
        assert broken()["references stay within the tenant"] == [
            f"production.Summary_lines.line = {line.pk}: missing, or another tenant's"
        ]
        chosen.delete()

    def test_it_finds_events_of_a_machine_that_is_gone(self):
        machine = machine_of()
        event = report(machine, at(9), "measurement", name="t", value=1)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE production_event SET machine_id = 987654 WHERE source = 'plc' AND event_id = %s",
                [event.event_id],
            )
        assert broken()["references stay within the tenant"] == [
            "production.Event.machine = 987654: missing, or another tenant's"
        ]

    def test_one_tenants_offenders_are_not_anothers(self, alfa, beta):
        Line.objects.filter(tenant=alfa).update(site=Site.objects.create(tenant=alfa, code="x", name="X", zone="UTC"))
        assert "references stay within the tenant" not in broken()


class TestEvents:
    def test_it_finds_an_event_in_the_default_partition(self):
        assert broken() == {}
        event = report(machine_of(), dt.datetime(1981, 5, 1, tzinfo=dt.UTC), "measurement", name="t", value=1)
        assert list(CHECKS["events lie in their month"](Asked(now=NOW))) == [
            "event plc/" + event.event_id + " of 1981-05-01 00:00:00+00"
        ]

    def test_it_finds_an_event_whose_id_is_free(self):
        EventKey.objects.filter(event_id="e3").delete()
        found = broken()
        assert list(found) == ["ids of events are taken"]
        assert found["ids of events are taken"][0].startswith("event erp-7/e3 of 2026-03-02")

    def test_it_finds_an_event_that_is_there_twice(self):
        with connection.cursor() as cursor:
            columns = [field.column for field in Event._meta.concrete_fields if field.column != "at"]
            named = ", ".join(columns)
            cursor.execute(
                f"INSERT INTO production_event ({named}, at) SELECT {named}, at + interval '1 hour' "
                "FROM production_event WHERE event_id = 'e5'"
            )
        assert broken()["ids of events are taken"] == ["event erp-7/e5 of 2026-03-02 09:20:00+00"]

    def test_it_finds_an_event_that_was_taken_and_is_lost(self):
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM production_event WHERE event_id = 'e5'")
        assert broken()["taken ids have an event"] == ["id erp-7/e5 of 2026-03-02 08:20:00+00"]

    def test_it_finds_an_event_of_the_future(self):
        event = report(machine_of(), NOW + dt.timedelta(hours=1), "measurement", name="t", value=1)
        assert broken()["events have happened"] == [f"event {event} is of 2026-03-02 20:00Z"]


class TestImports:
    def run(self, tenant, **fields):
        return ImportRun.objects.create(
            tenant=tenant, file_name="a.csv", sha256="0", mapping="m", zone="UTC", started_at=at(8), **fields
        )

    def test_it_finds_an_import_that_ended_without_an_end(self, alfa):
        self.run(alfa, status="done", finished_at=at(9))
        run = self.run(alfa, status="failed")
        (row,) = broken()["imports add up"]
        assert row.startswith(f"import {run.pk} (a.csv")

    def test_it_finds_an_import_that_stands_still(self, alfa):
        self.run(alfa, status="running", heartbeat_at=NOW - dt.timedelta(minutes=50))
        assert broken() == {}
        self.run(alfa, status="running", heartbeat_at=NOW - dt.timedelta(minutes=70))
        assert len(broken()["imports add up"]) == 1

    def test_the_database_refuses_counts_that_do_not_add_up(self, alfa):
        constraints = {constraint.name for constraint in ImportRun._meta.constraints}
        assert "import_adds_up" in constraints


class TestMarks:
    def test_it_finds_a_mark_that_nobody_folds(self, alfa):
        mark = DirtyRange.objects.create(tenant=alfa, machine=machine_of(), from_at=at(8), to_at=at(9))
        DirtyRange.objects.update(marked_at=NOW - dt.timedelta(minutes=59))
        assert broken() == {}
        DirtyRange.objects.update(marked_at=NOW - dt.timedelta(minutes=61))
        assert broken() == {
            "marks are settled within the hour": [f"mark {mark.pk} of {mark} waits since 2026-03-02 17:59Z"]
        }


class TestQuarantine:
    def test_it_finds_a_decision_without_a_time(self, alfa):
        row = Quarantined.objects.create(
            tenant=alfa, source="s", position=1, code="c", detail="d", raw="r", received_at=at(8)
        )
        assert broken() == {}
        Quarantined.objects.update(status="discarded")
        (found,) = broken()["quarantine is decided or waits"]
        assert found.startswith(f"quarantined row {row.pk} ")


class TestBounds:
    def test_no_check_names_more_than_it_was_asked_for_and_one(self):
        for number in range(5):
            report(machine_of(), NOW + dt.timedelta(hours=number + 1), "measurement", name="t", value=1)
        assert len(broken(at_most=2)["events have happened"]) == 3

    def test_it_looks_at_its_own_tenant_alone(self, beta):
        report(machine_of(), NOW + dt.timedelta(hours=1), "measurement", name="t", value=1)
        assert "events have happened" in broken()

        def look_at_beta():
            with tenant_scope(beta):
                return broken()

        # The scope of the test is Alfa's; Beta is looked at from outside of it.
        assert Context().run(look_at_beta) == {}
