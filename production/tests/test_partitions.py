"""Partitions: every month is taken, nothing is lost on the way to its place, and what is no longer kept goes."""

import datetime as dt
from contextlib import closing
from contextvars import Context

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from mesassist.tenants.scope import tenant_scope
from production import partitions
from production.ingest.store import store_events
from production.models import DirtyRange, Event, EventKey, Machine, Rollup
from production.partitions import (
    add_months,
    count_strays,
    drop_empty_months,
    drop_old_events,
    kept_from,
    list_months,
    make_months,
    make_months_ahead,
    month_of,
    months_of,
)
from production.rollups import fold_dirty, fold_machine, mark_dirty
from production.tasks import drop_old, keep_partitions

NOW = dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)


def state(event_id, at, **changed):
    return {"event_id": event_id, "machine": "M1", "at": at, "kind": "state", "state": "down", **changed}


def store(*events, now=NOW):
    return store_events(events=events, source="erp-7", now=now)


def partition_of(event_id):
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM production_event WHERE event_id = %s", [event_id])
        return cursor.fetchone()[0]


@pytest.fixture
def nothing_known():
    """As a process that has just started."""
    partitions._known.clear()
    yield
    partitions._known.clear()


class TestMonths:
    def test_a_month_is_one_of_utc(self):
        assert month_of(dt.datetime.fromisoformat("2026-03-01T00:30:00+01:00")) == dt.date(2026, 2, 1)

    @pytest.mark.parametrize(
        ("months", "expected"), [(0, (2026, 3)), (10, (2027, 1)), (-3, (2025, 12)), (-27, (2023, 12))]
    )
    def test_months_are_counted_over_years(self, months, expected):
        assert add_months(dt.date(2026, 3, 1), months) == dt.date(*expected, 1)

    def test_a_batch_has_the_months_of_its_events(self):
        moments = [dt.datetime(2026, month, 5, tzinfo=dt.UTC) for month in (3, 1, 5, 3)]
        assert months_of(moments) == {dt.date(2026, month, 1) for month in (1, 3, 5)}
        assert months_of(moments[:1]) == {dt.date(2026, 3, 1)}
        assert months_of([]) == set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("nothing_known")
class TestMaking:
    def test_events_of_any_year_make_their_own_month(self, small_plant):
        receipt = store(state("a", "1996-07-14T10:00:00Z"), state("b", "2012-02-29T23:59:59Z"))
        assert receipt.accepted == 2
        assert partition_of("a") == "production_event_1996_07"
        assert partition_of("b") == "production_event_2012_02"
        assert count_strays() == 0

    def test_inside_a_transaction_they_wait_in_the_default_partition_until_it_is_over(self, small_plant):
        with transaction.atomic():
            assert store(state("a", "1997-07-14T10:00:00Z")).accepted == 1
            assert partition_of("a") == "production_event_default"
        assert partition_of("a") == "production_event_1997_07"
        assert count_strays() == 0

    def test_what_is_undone_leaves_no_partition_behind(self, small_plant):
        with transaction.atomic():
            store(state("a", "1998-07-14T10:00:00Z"))
            transaction.set_rollback(True)
        assert dt.date(1998, 7, 1) not in list_months()

    def test_a_partition_that_cannot_be_made_now_does_not_hold_up_ingest(self, alfa, small_plant):
        with closing(connection.copy()) as somebody_else, somebody_else.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended('production.partitions', 0))")
            assert store(state("a", "1999-07-14T10:00:00Z")).accepted == 1
            assert partition_of("a") == "production_event_default"
            cursor.execute("ROLLBACK")
        keep_partitions.apply()
        assert (count_strays(), partition_of("a")) == (0, "production_event_1999_07")

    def test_the_next_months_are_made_ahead(self, db):
        now = dt.datetime.now(dt.UTC)
        make_months_ahead(now=now)
        assert {add_months(month_of(now), months) for months in range(4)} <= set(list_months())
        assert make_months_ahead(now=now) == 0

    def test_the_app_role_can_make_no_other_table(self, db):
        for wrong in ("1979-12-01", "2999-01-01"):
            with pytest.raises(Exception, match="No events of"):
                make_months(months=[dt.date.fromisoformat(wrong)])


class TestKeeping:
    def test_without_a_limit_all_is_kept(self, alfa):
        assert kept_from(tenant=alfa, now=NOW) is None

    def test_the_limit_is_the_start_of_a_month(self, alfa):
        alfa.events_kept_months = 12
        assert kept_from(tenant=alfa, now=NOW) == dt.datetime(2025, 3, 1, tzinfo=dt.UTC)

    def test_what_is_older_is_refused_with_a_reason(self, alfa, small_plant):
        alfa.events_kept_months = 2
        receipt = store(state("a", "2025-12-31T23:59:59Z"), state("b", "2026-01-01T00:00:00Z"))
        assert (receipt.accepted, [problem.code for problem in receipt.problems]) == (1, ["before_retention"])

    def test_old_events_go_and_their_figures_stay(self, alfa, small_plant):
        store(*(state(f"a{month}", f"2025-{month:02}-03T10:00:00Z", until=f"2025-{month:02}-03T11:00:00Z")
                for month in range(6, 13)))  # fmt: skip
        fold_dirty(now=NOW)
        figures = list(Rollup.objects.order_by("bucket").values("bucket", "down_s", "unknown_s"))
        alfa.events_kept_months = 4
        # November is folded again; October stays, because it may say what was in force as November began.
        assert drop_old_events(tenant=alfa, now=NOW) == 4
        assert sorted(Event.objects.values_list("event_id", flat=True)) == ["a10", "a11", "a12"]
        assert sorted(EventKey.objects.values_list("event_id", flat=True)) == ["a10", "a11", "a12"]
        machine = Machine.objects.select_related("line__site").get(code="M1")
        start = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
        assert fold_machine(machine=machine, from_at=start, to_at=start + dt.timedelta(days=90), now=NOW) == 0
        mark_dirty(machine_id=machine.pk, from_at=start, to_at=NOW)
        fold_dirty(now=NOW)
        assert list(Rollup.objects.order_by("bucket").values("bucket", "down_s", "unknown_s")) == figures

    def test_it_leaves_the_other_tenants_events(self, alfa, beta, small_plant):
        store(state("a", "2025-03-03T10:00:00Z"))
        beta.events_kept_months = 1

        def drop():
            with tenant_scope(beta):
                return drop_old_events(tenant=beta, now=NOW)

        assert Context().run(drop) == 0
        assert Event.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_a_month_that_nobody_needs_is_dropped_and_a_used_one_is_not(self, alfa, small_plant, nothing_known):
        store(state("a", "2001-05-03T10:00:00Z"), state("b", "2001-06-03T10:00:00Z"))
        Event.objects.filter(event_id="a").delete()
        drop_empty_months(now=NOW)
        months = list_months()
        assert dt.date(2001, 5, 1) not in months
        assert dt.date(2001, 6, 1) in months

    def test_the_nightly_task_asks_those_tenants_alone_that_have_a_limit(self, alfa, beta, small_plant, settings):
        settings.CELERY_TASK_ALWAYS_EAGER = True
        store(state("a", "2025-03-03T10:00:00Z"))
        type(alfa).objects.filter(pk=alfa.pk).update(events_kept_months=2)
        drop_old.app.conf.task_always_eager = True
        try:
            drop_old()
        finally:
            drop_old.app.conf.task_always_eager = False
        assert Event.objects.count() == 0


@pytest.mark.django_db(transaction=True)
class TestReferences:
    """Events have no foreign keys in the database, and the promise holds all the same."""

    def test_a_machine_with_events_is_not_deleted(self, small_plant):
        store(state("a", "2026-03-01T10:00:00Z"))
        with pytest.raises(ProtectedError):
            Machine.objects.get(code="M1").delete()

    @pytest.mark.parametrize("table", ["machine", "reason", "product", "workorder"])
    def test_nor_is_any_row_that_events_name_whoever_asks(self, small_plant, table):
        store(state("a", "2026-03-01T10:00:00Z", reason="jam", product="P1", order="O1"))
        DirtyRange.objects.all().delete()
        code = {"machine": "M1", "reason": "jam", "product": "P1", "workorder": "O1"}[table]
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM production_idealcycle; UPDATE production_workorder SET product_id = NULL")
            with pytest.raises(IntegrityError, match="Events name row"):
                cursor.execute(f"DELETE FROM production_{table} WHERE code = %s", [code])

    def test_a_row_that_none_names_is_deleted(self, small_plant):
        assert Machine.objects.get(code="M2").delete()[1]["production.Machine"] == 1

    def test_a_machine_cannot_go_while_a_batch_that_names_it_is_under_way(self, alfa, small_plant):
        with closing(connection.copy()) as somebody_else, somebody_else.cursor() as cursor:
            with transaction.atomic():
                store(state("a", "2026-03-01T10:00:00Z"))
                cursor.execute("SET lock_timeout = '200ms'")
                with pytest.raises(Exception, match="lock timeout"):
                    cursor.execute("DELETE FROM production_idealcycle; DELETE FROM production_machine")
            assert Event.objects.get().machine.code == "M1"


class TestWalls:
    def test_a_month_made_later_is_walled_too(self, alfa, small_plant):
        month = dt.date(2019, 4, 1)
        assert partitions.make_months(months=[month]) == 1
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relrowsecurity, relforcerowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid)"
                " FROM pg_class c WHERE relname = 'production_event_2019_04'"
            )
            is_on, is_forced, policies = cursor.fetchone()
        assert (is_on, is_forced) == (True, True)
        assert policies >= 2
