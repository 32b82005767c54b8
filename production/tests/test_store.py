"""Store: each event once, each batch accounted for, whatever comes and however often."""

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import Context

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesassist.tenants.scope import ScopeError, tenant_scope
from production.ingest.store import store_events
from production.models import (
    DirtyRange,
    Event,
    EventKey,
    Line,
    LossClass,
    Machine,
    Product,
    Quarantined,
    Reason,
    Site,
    WorkOrder,
)

NOW = dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)
in_small_plant = pytest.mark.usefixtures("small_plant")


def state(event_id="a1", **changed):
    return {
        "event_id": event_id,
        "machine": "M1",
        "at": "2026-03-02T06:15:00+01:00",
        "kind": "state",
        "state": "down",
        **changed,
    }


def count(event_id="c1", **changed):
    return {"event_id": event_id, "machine": "M1", "at": "2026-03-02T06:20:00Z", "kind": "count", "good": 1, **changed}


def store(*events, source="erp-7", **options):
    return store_events(events=events, source=source, now=NOW, **options)


def sums(receipt):
    return receipt.received, receipt.accepted, receipt.duplicate, receipt.quarantined


@in_small_plant
class TestStoring:
    def test_it_stores_what_the_event_says(self):
        store(state(reason="jam", comment="belt 2", operator="ana", order="O1", product="P1"))
        event = Event.objects.get()
        assert (event.machine.code, event.state, event.reason.code, event.comment) == ("M1", "down", "jam", "belt 2")
        assert (event.operator, event.order.code, event.product.code) == ("ana", "O1", "P1")
        assert event.at == dt.datetime(2026, 3, 2, 5, 15, tzinfo=dt.UTC)
        assert (event.source, event.received_at, event.until) == ("erp-7", NOW, None)

    def test_it_stores_every_kind(self):
        key = {"machine": "M2", "at": "2026-03-02T06:20:00Z"}
        receipt = store(
            count(good=3, scrap=0, reason="burr"),
            {**key, "event_id": "k1", "kind": "counter", "name": "parts", "value": 7, "max": 100},
            {**key, "event_id": "m1", "kind": "measurement", "name": "oil", "value": 41.5, "unit": "C"},
        )
        assert sums(receipt) == (3, 3, 0, 0)
        columns = ("kind", "good", "scrap", "name", "value", "maximum", "unit")
        assert list(Event.objects.order_by("event_id").values_list(*columns)) == [
            ("count", 3.0, 0.0, "", None, None, ""),
            ("counter", None, None, "parts", 7.0, 100.0, ""),
            ("measurement", None, None, "oil", 41.5, None, "C"),
        ]  # fmt: skip

    def test_an_event_may_name_its_own_source(self):
        store(state(source="press-4"))
        assert Event.objects.get().source == "press-4"

    def test_it_marks_what_it_touched(self):
        store(
            state(), state("a2", at="2026-03-02T07:00:00Z"), state("a3", at="2026-01-02T07:00:00Z"), count(machine="M2")
        )
        ranges = DirtyRange.objects.order_by("machine__code", "from_at").values_list(
            "machine__code", "from_at", "to_at"
        )
        assert [(code, from_at.isoformat()[5:16], to_at.isoformat()[5:16]) for code, from_at, to_at in ranges] == [
            ("M1", "01-02T07:00", "01-02T07:00"),
            ("M1", "03-02T05:15", "03-02T07:00"),
            ("M2", "03-02T06:20", "03-02T06:20"),
        ]

    def test_it_works_as_the_app_role(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
            assert cursor.fetchone() == (False,)
        assert sums(store(state())) == (1, 1, 0, 0)

    def test_an_empty_batch_is_no_trouble(self):
        assert sums(store()) == (0, 0, 0, 0)


@in_small_plant
class TestDuplicates:
    def test_the_same_again_is_acknowledged(self):
        assert sums(store(state(), count())) == (2, 2, 0, 0)
        assert sums(store(state(), count())) == (2, 0, 2, 0)
        assert Event.objects.count() == 2

    def test_the_same_twice_in_one_batch_counts_once(self):
        assert sums(store(state(), state())) == (2, 1, 1, 0)

    def test_the_same_moment_with_another_offset_is_the_same(self):
        store(state())
        assert sums(store(state(at="2026-03-02T05:15:00Z"))) == (1, 0, 1, 0)

    def test_the_same_id_of_another_source_is_another_event(self):
        store(state())
        assert sums(store(state(), source="erp-8")) == (1, 1, 0, 0)

    def test_other_content_is_a_conflict_and_overwrites_nothing(self):
        store(state())
        receipt = store(state(state="running"), count())
        assert sums(receipt) == (2, 1, 0, 1)
        assert [(problem.index, problem.event_id, problem.code) for problem in receipt.problems] == [
            (0, "a1", "conflict")
        ]
        assert Event.objects.get(event_id="a1").state == "down"
        assert json.loads(Quarantined.objects.get().raw)["state"] == "running"

    def test_a_conflict_within_a_batch_keeps_the_first(self):
        receipt = store(state(), state(state="running"), state())
        assert sums(receipt) == (3, 1, 1, 1)
        assert [problem.index for problem in receipt.problems] == [1]
        assert Event.objects.get().state == "down"

    def test_the_same_id_under_another_stamp_is_a_conflict_in_whatever_month(self):
        store(state())
        again = [state(at="2026-03-02T05:16:00Z"), state(at="2026-02-01T05:15:00Z"), state(at="1999-01-01T00:00:00Z")]
        for event in again:
            receipt = store(event)
            assert (sums(receipt), receipt.problems[0].code) == ((1, 0, 0, 1), "conflict")
        assert Event.objects.get().at == dt.datetime(2026, 3, 2, 5, 15, tzinfo=dt.UTC)
        assert DirtyRange.objects.count() == 1

    def test_the_same_id_under_two_stamps_in_one_batch_keeps_the_first(self):
        receipt = store(state(at="2026-02-01T05:15:00Z"), state(), state(at="2026-02-01T06:15:00+01:00"))
        assert (sums(receipt), [problem.index for problem in receipt.problems]) == ((3, 1, 1, 1), [1])
        assert Event.objects.get().at.month == 2

    def test_what_is_stored_decides_and_not_the_first_of_the_batch(self):
        store(state())
        receipt = store(state(state="idle"), state(), count())
        assert (sums(receipt), [problem.index for problem in receipt.problems]) == ((3, 1, 1, 1), [0])

    @pytest.mark.parametrize(("old", "new"), [(0, 300), (300, 0), (150, 150)])
    def test_a_batch_may_mix_new_and_known_at_will(self, old, new):
        store(*(state(f"a{n}") for n in range(old)))
        batch = [state(f"a{n}") for n in range(old)] + [state(f"b{n}") for n in range(new)]
        assert sums(store(*batch, *batch[:7])) == (len(batch) + 7, new, old + 7, 0)
        assert Event.objects.count() == EventKey.objects.count() == old + new


@in_small_plant
class TestCodes:
    def test_unknown_codes_are_created_with_a_fitting_class(self):
        receipt = store(
            state(reason="R1", product="P9", order="O9"),
            state("a2", state="setup", reason="R2"),
            state("a3", state="planned_stop", reason="R3"),
            count(reason="R4"),
        )
        assert receipt.created.reasons == ("R1", "R2", "R3", "R4")
        assert dict(Reason.objects.filter(code__startswith="R").values_list("name", "loss_class")) == {
            "R1": LossClass.UNPLANNED,
            "R2": LossClass.SETUP,
            "R3": LossClass.PLANNED,
            "R4": LossClass.QUALITY,
        }
        assert Product.objects.filter(code="P9", name="P9").exists()
        assert WorkOrder.objects.get(code="O9").product.code == "P9"

    def test_known_codes_are_left_as_they_are(self):
        store(state(state="setup", reason="jam"))
        assert Reason.objects.get(code="jam").loss_class == LossClass.UNPLANNED

    def test_an_unknown_machine_waits_in_quarantine(self):
        receipt = store(state(machine="M9"), count())
        assert sums(receipt) == (2, 1, 0, 1)
        assert receipt.problems[0].code == "unknown_machine"
        assert Quarantined.objects.get().position == 0
        assert not Machine.objects.filter(code="M9").exists()

    def test_an_unknown_machine_is_created_where_the_tenant_allows_it(self, alfa):
        alfa.creates_unknown_machines = True
        assert sums(store(state(machine="M9"))) == (1, 1, 0, 0)
        assert Machine.objects.get(code="M9").line == Line.objects.get(code="L1")


class TestTenants:
    def test_another_tenants_machine_is_unknown_here_and_hears_nothing(self, alfa, beta, small_plant):
        def as_beta(*events):
            with tenant_scope(beta):
                return store(*events), Event.objects.count(), Machine.objects.count()

        receipt, events, machines = Context().run(as_beta, state(), count())
        assert [problem.code for problem in receipt.problems] == ["unknown_machine", "unknown_machine"]
        assert (events, machines) == (0, 0)
        assert Event.objects.count() == DirtyRange.objects.count() == Quarantined.objects.count() == 0

    def test_it_needs_an_active_tenant(self, db):
        with pytest.raises(ScopeError):
            store(state())

    def test_machines_and_ids_belong_to_a_tenant(self, alfa, beta):
        for tenant in (alfa, beta):
            with tenant_scope(tenant):
                assert sums(store(state())) == (1, 0, 0, 1)
                site = Site.objects.create(tenant=tenant, code="s", name="S")
                line = Line.objects.create(tenant=tenant, code="l", name="L", site=site)
                Machine.objects.create(tenant=tenant, code="M1", name="M1", line=line)
                assert sums(store(state(), state(state="idle"))) == (2, 1, 0, 1)


@in_small_plant
class TestQuarantine:
    def test_the_good_rest_is_taken(self):
        receipt = store(state(), state("a2", state="broken"), {"nonsense": 1}, b"{", count())
        assert sums(receipt) == (5, 2, 0, 3)
        assert [(problem.index, problem.code) for problem in receipt.problems] == [
            (1, "unknown_state"),
            (2, "missing_field"),
            (3, "invalid_json"),
        ]

    def test_it_keeps_what_came(self):
        store(state("a2", state="broken"))
        row = Quarantined.objects.get()
        assert (row.source, row.event_id, row.position, row.code, row.received_at) == (
            "erp-7",
            "a2",
            0,
            "unknown_state",
            NOW,
        )
        assert json.loads(row.raw) == state("a2", state="broken")

    def test_the_same_again_does_not_pile_up(self):
        store(state("a2", state="broken"))
        assert sums(store(state("a2", state="broken"))) == (1, 0, 0, 1)
        assert Quarantined.objects.count() == 1

    def test_it_can_hold_what_the_database_cannot(self):
        store(b'{"event_id": "a\x00", "kind": "state"}', state("n", comment="\x00"), state("s", comment="\ud800"))
        assert [row.code for row in Quarantined.objects.order_by("position")] == [
            "invalid_json",
            "nul_character",
            "lone_surrogate",
        ]

    def test_a_stamp_ahead_of_time_is_kept_out(self):
        assert store(state(at="2026-03-02T08:35:01Z")).problems[0].code == "future_timestamp"

    @pytest.mark.parametrize("name", ["manual", "manual:ana", "inference", "inference:idle"])
    def test_a_machine_cannot_speak_with_a_persons_authority(self, name):
        assert store(state(source=name)).problems[0].code == "reserved_source"
        assert store(state(source="manual-station-3")).accepted == 1


ids = st.sampled_from("abcd")
any_event = st.one_of(
    st.builds(state, ids, state=st.sampled_from(["down", "running", "broken"]), machine=st.sampled_from(["M1", "M9"])),
    st.builds(count, ids, good=st.sampled_from([1, 2, -1])),
    st.just({"event_id": "a"}),
    st.just(b"{"),
)


@in_small_plant
class TestReceipt:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(batches=st.lists(st.lists(any_event, max_size=8), max_size=4))
    def test_it_always_adds_up_and_events_never_change(self, batches):
        first_seen = {}
        for batch in [*batches, *batches]:
            before = Event.objects.count()
            receipt = store(*batch)
            assert receipt.received == len(batch) == receipt.accepted + receipt.duplicate + receipt.quarantined
            assert receipt.quarantined == len(receipt.problems)
            assert Event.objects.count() == before + receipt.accepted
            assert EventKey.objects.count() == Event.objects.count()
            for event in Event.objects.all():
                said = event.kind, event.state, event.good, event.at, event.machine_id
                assert first_seen.setdefault(event.event_id, said) == said


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_two_doors_with_the_same_events_take_each_once(self, alfa, small_plant):
        events = [state(f"a{n}", reason=f"R{n % 7}") for n in range(400)]

        def send(batch):
            with closing(connection), tenant_scope(alfa):
                return store(*batch)

        with ThreadPoolExecutor(2) as pool:
            receipts = list(pool.map(send, [events, events[::-1], events, events[::-1]]))
        assert sum(receipt.accepted for receipt in receipts) == Event.objects.count() == 400
        assert all(receipt.accepted + receipt.duplicate == 400 for receipt in receipts)
        assert Reason.objects.filter(code__startswith="R").count() == 7

    def test_of_two_doors_with_the_same_ids_and_other_stamps_one_wins_each_id(self, alfa, small_plant):
        def send(day):
            events = [state(f"a{n}", at=f"2026-0{day}-01T05:15:00Z") for n in range(200)]
            with closing(connection), tenant_scope(alfa):
                return store(*events)

        with ThreadPoolExecutor(2) as pool:
            receipts = list(pool.map(send, [1, 2, 1, 2]))
        assert Event.objects.count() == EventKey.objects.count() == 200
        assert sum(receipt.accepted for receipt in receipts) == 200
        assert all(sum(sums(receipt)[1:]) == 200 for receipt in receipts)
        assert sum(receipt.quarantined for receipt in receipts) == 400
        assert {event.at for event in Event.objects.all()} == {key.at for key in EventKey.objects.all()}
