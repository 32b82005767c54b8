"""Rollups: worked examples of DOMAIN.md 2 and 3, and random plants against brute force."""

import datetime as dt
import threading

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from production.models import Coverage, DirtyRange, IdealCycle, LossRollup, Product, Reason, Rollup, Shift
from production.rollups import fold_dirty, fold_machine, fold_open_states, mark_dirty, mark_history
from production.tests.plant import at, count, fold, machine_of, report, state

NOW = at(20)

pytestmark = pytest.mark.usefixtures("small_plant")


def total(*names, **where):
    """The sums over the rollups."""
    sums = Rollup.objects.filter(**where).aggregate(**{name: Sum(name) for name in names})
    return tuple(sums[name] or 0 for name in names)


class TestTime:
    def test_a_stop_across_a_shift_boundary_is_split_and_stays_one_stop(self):
        machine = machine_of()
        Shift.objects.create(
            tenant=machine.tenant,
            site=machine.line.site,
            name="Late",
            starts=dt.time(14),
            ends=dt.time(22),
            weekdays=[1],
        )
        state(machine, at(13), "running")
        state(machine, at(13, 50), "down")
        state(machine, at(14, 20), "running")
        fold(machine, NOW)
        assert total("down_s", "stops", shift__name="Early") == (600, 1)
        assert total("down_s", "stops", shift__name="Late") == (1200, 0)

    def test_60_stops_of_5_seconds_are_5_minutes(self):
        machine = machine_of()
        for minute in range(60):
            state(machine, at(8, minute), "down")
            state(machine, at(8, minute, 5), "running")
        fold(machine, NOW)
        assert total("micro_stop_s", "micro_stops", "down_s", "stops") == (300, 60, 0, 0)

    def test_a_stop_is_judged_by_its_whole_length_though_buckets_cut_it(self):
        machine = machine_of()
        state(machine, at(8, 12), "down")
        state(machine, at(8, 18), "running")
        fold(machine, NOW)
        assert total("micro_stop_s", "down_s", "stops") == (0, 360, 1)

    def test_a_stop_as_long_as_the_threshold_is_no_micro_stop(self):
        machine = machine_of()
        state(machine, at(8), "down")
        state(machine, at(8, 5), "down", reason=Reason.objects.get(code="jam"))
        state(machine, at(8, 6), "running")
        fold(machine, NOW)
        assert total("down_s", "stops", "micro_stops") == (360, 1, 0)
        assert list(LossRollup.objects.order_by("reason").values_list("reason__code", "seconds", "stops")) == [
            ("jam", 60.0, 0),
            (None, 300.0, 1),
        ]

    def test_time_outside_every_shift_has_rows_without_one(self):
        machine = machine_of()
        state(machine, at(13), "running", until=at(15))
        fold(machine, NOW)
        assert total("running_s", shift__isnull=True) == total("running_s", shift__name="Early") == (3600,)

    def test_the_night_of_the_clock_change_adds_up_to_7_hours(self):
        machine = machine_of()
        Shift.objects.create(
            tenant=machine.tenant,
            site=machine.line.site,
            name="Night",
            starts=dt.time(22),
            ends=dt.time(6),
            weekdays=[6],
        )
        evening = dt.datetime(2025, 3, 29, 21, tzinfo=dt.UTC)
        state(machine, evening, "running", until=evening + dt.timedelta(hours=7))
        fold(machine, NOW, from_at=evening)
        assert total("running_s", shift__name="Night") == (7 * 3600,)

    def test_a_gap_in_shift_time_is_unknown_and_outside_it_no_row(self):
        machine = machine_of()
        state(machine, at(13), "running", until=at(13, 30))
        fold(machine, at(18))
        assert total("unknown_s") == (1800,)
        assert Rollup.objects.filter(shift=None).count() == 0


class TestPieces:
    def ideal(self, **what):
        IdealCycle.objects.filter(machine__code="M1").delete()
        machine = machine_of()
        return IdealCycle.objects.create(tenant=machine.tenant, machine=machine, **what)

    def test_pieces_count_at_their_own_time_with_their_own_cycle(self):
        machine = machine_of()
        product = Product.objects.get(code="P1")
        count(machine, at(8, 14), good=3, product=product)
        count(machine, at(8, 15), good=2, scrap=1, product=product)
        fold(machine, NOW)
        rows = Rollup.objects.filter(good__gt=0).order_by("bucket")
        assert list(rows.values_list("bucket", "good", "scrap", "ideal_produced_s", "ideal_good_s", "uncycled")) == [
            (at(8), 3, 0, 30, 30, 0),
            (at(8, 15), 2, 1, 30, 20, 0),
        ]

    def test_the_machines_cycle_for_any_product_serves_where_there_is_no_other(self):
        self.ideal(seconds=7)
        machine = machine_of()
        count(machine, at(8), good=2, product=Product.objects.get(code="P1"))
        count(machine, at(8), good=1)
        fold(machine, NOW)
        assert total("ideal_good_s", "uncycled") == (21, 0)

    def test_pieces_without_a_cycle_are_told_apart(self):
        machine = machine_of()
        count(machine, at(8), good=2, rework=1)
        fold(machine, NOW)
        assert total("good", "rework", "uncycled", "ideal_produced_s") == (2, 1, 3, 0)

    def test_the_product_of_the_state_in_force_is_that_of_its_pieces(self):
        machine = machine_of()
        state(machine, at(7), "running", product=Product.objects.get(code="P1"))
        count(machine, at(8), good=2)
        fold(machine, NOW)
        assert total("ideal_good_s", "uncycled") == (20, 0)

    def test_a_counter_adds_differences_and_starts_anew_after_a_reset(self):
        machine = machine_of()
        for minute, value in ((0, 100), (1, 103), (2, 103), (3, 2), (4, 5)):
            report(machine, at(8, minute), "counter", name="parts", value=value)
        fold(machine, NOW)
        assert total("good") == (8,)

    def test_a_late_lower_reading_is_no_reset(self):
        machine = machine_of()
        for minute, value in ((0, 100), (4, 110), (2, 104)):
            report(machine, at(8, minute), "counter", name="parts", value=value)
            fold(machine, NOW, from_at=at(8, minute), to_at=at(8, minute))
        assert total("good") == (10,)

    def test_a_counter_rolls_over_at_its_maximum(self):
        machine = machine_of()
        for minute, value in ((0, 995), (1, 4)):
            report(machine, at(8, minute), "counter", name="scrap", value=value, maximum=1000)
        fold(machine, NOW)
        assert total("scrap") == (9,)

    def test_the_first_reading_after_lost_contact_is_a_baseline(self):
        machine = machine_of()
        report(machine, at(8, 0), "counter", name="parts", value=10)
        state(machine, at(8, 1), "unknown")
        report(machine, at(8, 2), "counter", name="parts", value=3766)
        report(machine, at(8, 3), "counter", name="parts", value=3767)
        fold(machine, NOW)
        assert total("good") == (1,)


class TestReach:
    def test_old_data_makes_no_rows_until_today(self):
        machine = machine_of()
        start = dt.datetime(2012, 1, 2, 8, tzinfo=dt.UTC)
        state(machine, start, "running", until=start + dt.timedelta(hours=1))
        fold_machine(machine=machine, from_at=start, to_at=start, now=NOW)
        ends = Rollup.objects.order_by("bucket").values_list("bucket", flat=True)
        assert (ends.first(), ends.last() < start + dt.timedelta(days=36)) == (start, True)

    def test_a_retired_machine_has_no_rows_after_its_end(self):
        machine = machine_of()
        machine.retired_at = at(9)
        machine.save()
        state(machine, at(8), "running")
        fold(machine, NOW)
        assert total("running_s", "unknown_s") == (3600, 0)

    def test_time_passes_for_an_open_state(self):
        machine = machine_of()
        state(machine, at(8), "down")
        fold(machine, at(8, 3))
        assert total("micro_stop_s", "down_s") == (180, 0)
        assert fold_open_states(now=at(8, 40)) == 1
        assert total("micro_stop_s", "down_s", "stops") == (0, 2400, 1)
        assert list(Rollup.objects.filter(provisional=True).values_list("bucket", flat=True)) == [at(8, 30)]

    def test_silence_before_a_new_event_is_accounted_for(self):
        machine = machine_of()
        state(machine, at(8), "running", until=at(9))
        fold(machine, at(9))
        state(machine, at(12), "running")
        fold_machine(machine=machine, from_at=at(12), to_at=at(12), now=at(13))
        assert total("running_s", "unknown_s") == (7200, 3 * 3600)

    def test_a_late_report_that_shortens_a_stop_reaches_back_to_its_start(self):
        machine = machine_of()
        state(machine, at(8, 44), "down")
        state(machine, at(8, 50), "running")
        fold(machine, NOW)
        state(machine, at(8, 46), "running")
        fold(machine, NOW, from_at=at(8, 46), to_at=at(8, 46))
        assert total("micro_stop_s", "down_s", "micro_stops", "stops") == (120, 0, 1, 0)

    def test_a_late_report_that_lengthens_a_stop_reaches_on_to_its_end(self):
        machine = machine_of()
        jam = Reason.objects.get(code="jam")
        state(machine, at(8, 45), "down", reason=jam)
        state(machine, at(8, 49), "running")
        fold(machine, NOW)
        state(machine, at(8, 40), "down")
        fold(machine, NOW, from_at=at(8, 40), to_at=at(8, 40))
        assert total("micro_stop_s", "down_s", "micro_stops", "stops") == (0, 540, 0, 1)

    def test_a_late_reading_reaches_on_to_the_counters_next(self):
        machine = machine_of()
        state(machine, at(8, 25), "running")
        for minute, value in ((0, 100), (40, 110)):
            report(machine, at(8, minute), "counter", name="parts", value=value)
        fold(machine, NOW)
        report(machine, at(8, 20), "counter", name="parts", value=104)
        fold(machine, NOW, from_at=at(8, 20), to_at=at(8, 20))
        rows = Rollup.objects.filter(good__gt=0).order_by("bucket")
        assert list(rows.values_list("bucket", "good")) == [(at(8, 15), 4), (at(8, 30), 6)]

    def test_a_late_report_reaches_no_further_than_the_next(self):
        machine = machine_of()
        for hour in (8, 10, 12):
            state(machine, at(hour), "running")
        fold(machine, NOW)
        Rollup.objects.update(running_s=-1)
        state(machine, at(8, 40), "idle")
        fold(machine, NOW, from_at=at(8, 40), to_at=at(8, 40))
        written = Rollup.objects.filter(running_s__gte=0).order_by("bucket").values_list("bucket", flat=True)
        assert (written.first(), written.last()) == (at(8, 30), at(10))

    def test_it_remembers_what_the_machine_records(self):
        machine = machine_of()
        count(machine, at(8), good=2)
        fold(machine, NOW)
        assert Coverage.objects.values_list("records_good", "records_scrap", "records_rework").get() == (
            True,
            False,
            False,
        )


class TestMarks:
    def test_a_settled_mark_is_gone_and_its_rows_are_there(self):
        machine = machine_of()
        state(machine, at(8), "running")
        mark_dirty(machine_id=machine.pk, from_at=at(8), to_at=at(8))
        mark_dirty(machine_id=machine.pk, from_at=at(8), to_at=at(8))
        assert fold_dirty(now=at(9)) == 2
        assert (DirtyRange.objects.count(), total("running_s")) == (0, (3600,))
        assert fold_dirty(now=at(9)) == 0

    def test_a_mark_of_a_machine_without_events_is_settled_too(self):
        mark_dirty(machine_id=machine_of().pk, from_at=at(8), to_at=at(8))
        assert (fold_dirty(now=at(9)), Rollup.objects.count()) == (1, 0)

    def test_a_changed_shift_is_told_by_marking_the_history(self):
        machine = machine_of()
        state(machine, at(12), "running", until=at(16))
        fold(machine, NOW)
        Shift.objects.update(ends=dt.time(15))
        assert mark_history(machines=[machine]) == 1
        fold_dirty(now=NOW)
        assert total("running_s", shift__name="Early") == (3 * 3600,)


@pytest.mark.django_db(transaction=True)
class TestTwoWorkers:
    def test_a_machine_that_another_worker_folds_is_left_to_it(self, alfa):
        machine = machine_of()
        state(machine, at(8), "running")
        mark_dirty(machine_id=machine.pk, from_at=at(8), to_at=at(8))
        held, done, settled = threading.Event(), threading.Event(), []

        def hold():
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('production.rollups', %s))", [machine.pk])
                held.set()
                done.wait(10)
            connection.close()

        other = threading.Thread(target=hold)
        other.start()
        assert held.wait(10)
        settled.append(fold_dirty(now=at(9)))
        done.set()
        other.join()
        settled.append(fold_dirty(now=at(9)))
        assert settled == [0, 1]
