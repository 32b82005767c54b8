"""What people do with the quarantine: mend, send again, discard; once, and told when somebody was quicker."""

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.db import connection

from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_scope
from production.ingest.adapters import ADAPTERS
from production.ingest.adapters.message import Message
from production.ingest.decisions import (
    AlreadyDecided,
    StillRefused,
    discard_rows,
    list_cells,
    mend_row,
    replay_rows,
)
from production.ingest.files import import_file
from production.ingest.quarantine import Kept, keep
from production.ingest.store import store_events
from production.models import (
    DirtyRange,
    Event,
    FileMapping,
    KafkaSource,
    Line,
    Machine,
    Payload,
    Quarantined,
    QuarantineStatus,
    Reason,
)
from production.tests.test_files import FAULT, HEADER, NOW, SPEC, WORK


def event(number=1, **changed):
    at = f"2026-03-02T06:{number % 60:02}:00+00:00"
    return {"event_id": f"e{number}", "machine": "M1", "at": at, "kind": "state", "state": "running", **changed}


def send(now, *events, source="erp-7"):
    """Send events and give what was not taken of them."""
    store_events(events=events, source=source, now=now)
    return list(Quarantined.objects.order_by("pk"))


def create_machine(code):
    return Machine.objects.create(tenant=Line.objects.get().tenant, code=code, name=code, line=Line.objects.get())


class TestMend:
    def test_it_takes_what_was_mended_and_says_who_when_and_what(self, small_plant, now, boris):
        (row,) = send(now, event(machine="M9"))
        later = now + dt.timedelta(minutes=10)
        mended = json.dumps(event())
        receipt = mend_row(row=row, mended=mended, decided_by=boris, now=later)
        assert (receipt.received, receipt.accepted) == (1, 1)
        stored = Event.objects.get()
        assert (stored.source, stored.event_id, stored.machine.code, stored.received_at) == ("erp-7", "e1", "M1", later)
        row.refresh_from_db()
        assert (row.status, row.resolved_by, row.resolved_at) == (QuarantineStatus.REPLAYED, boris, later)
        assert (row.mended, json.loads(row.raw)["machine"], row.times) == (mended, "M9", 1)
        assert DirtyRange.objects.get().machine.code == "M1"

    @pytest.mark.parametrize(
        ("mended", "code"),
        [
            ('{"machine": "M1"', "invalid_json"),
            (json.dumps(event(machine="M8")), "unknown_machine"),
            (json.dumps(event(machine="M9")), "unknown_machine"),
            (json.dumps(event(source="manual:boris")), "reserved_source"),
            (json.dumps(event(at="2026-03-02T06:00:00")), "naive_timestamp"),
            ("", "invalid_json"),
            (json.dumps([event()]), "invalid_json"),
        ],
    )
    def test_what_is_still_refused_changes_nothing(self, small_plant, now, boris, mended, code):
        (row,) = send(now, event(machine="M9"))
        before = Quarantined.objects.values().get()
        with pytest.raises(StillRefused) as refused:
            mend_row(row=row, mended=mended, decided_by=boris, now=now)
        assert refused.value.code == code
        assert (Quarantined.objects.values().get(), Event.objects.count()) == (before, 0)

    def test_what_is_refused_creates_nothing_on_the_way(self, small_plant, now, boris):
        (row,) = send(now, event(machine="M9"))
        with pytest.raises(StillRefused):
            mend_row(row=row, mended=json.dumps(event(machine="M8", reason="new-reason")), decided_by=boris, now=now)
        assert not Reason.objects.filter(code="new-reason")

    def test_a_duplicate_closes_the_row(self, small_plant, now, boris):
        (row,) = send(now, event(1), event(2, machine="M9"))
        receipt = mend_row(row=row, mended=json.dumps(event(1)), decided_by=boris, now=now)
        assert (receipt.accepted, receipt.duplicate) == (0, 1)
        assert Quarantined.objects.get().status == QuarantineStatus.REPLAYED

    def test_a_conflict_is_mended_under_a_new_id(self, small_plant, now, boris):
        (row,) = send(now, event(1), event(1, state="down"))
        mend_row(row=row, mended=json.dumps(event(1, state="down", event_id="e1b")), decided_by=boris, now=now)
        assert set(Event.objects.values_list("event_id", "state")) == {("e1", "running"), ("e1b", "down")}

    def test_the_second_of_two_people_is_told(self, small_plant, now, boris):
        (row,) = send(now, event(machine="M9"))
        assert discard_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now) == 1
        with pytest.raises(AlreadyDecided):
            mend_row(row=row, mended=json.dumps(event()), decided_by=boris, now=now)
        assert (Event.objects.count(), Quarantined.objects.get().status) == (0, QuarantineStatus.DISCARDED)

    def test_the_rows_of_another_tenant_cannot_be_decided(self, small_plant, now, boris, beta):
        (row,) = send(now, event(machine="M9"))
        with platform_scope("test", role=PlatformRole.STAFF):
            Quarantined.objects.update(tenant=beta)
        with pytest.raises(AlreadyDecided):
            mend_row(row=row, mended=json.dumps(event()), decided_by=boris, now=now)
        assert Event.objects.count() == 0


@pytest.mark.django_db(transaction=True)
class TestRace:
    def test_of_many_who_mend_at_once_one_succeeds(self, small_plant, alfa, now, boris):
        (row,) = send(now, event(machine="M9"))

        def mend(number):
            try:
                with tenant_scope(alfa), suppress(AlreadyDecided):
                    mend_row(row=row, mended=json.dumps(event(number)), decided_by=boris, now=now)
                    return number
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            won = [number for number in pool.map(mend, range(10, 18)) if number]
        assert [stored.event_id for stored in Event.objects.all()] == [f"e{number}" for number in won]
        assert len(won) == 1


class TestReplay:
    def test_it_takes_what_a_new_machine_makes_right(self, small_plant, now, boris):
        send(now, *(event(number, machine="M9") for number in range(1, 4)), event(9, machine="M8"))
        create_machine("M9")
        told = replay_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now)
        assert (told.accepted, told.duplicate, told.refused, told.left) == (3, 0, {"unknown_machine": 1}, 0)
        assert Event.objects.filter(machine__code="M9", source="erp-7").count() == 3
        (waiting,) = Quarantined.objects.filter(status=QuarantineStatus.WAITING)
        assert (waiting.event_id, waiting.times, waiting.resolved_by) == ("e9", 1, None)

    def test_again_it_does_nothing(self, small_plant, now, boris):
        send(now, event(machine="M9"))
        create_machine("M9")
        replay_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now)
        again = replay_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now)
        assert (again.accepted, again.duplicate, again.refused.total(), Event.objects.count()) == (0, 0, 0, 1)

    def test_what_came_otherwise_meanwhile_is_known_already(self, small_plant, now, boris):
        send(now, event(machine="M9"))
        create_machine("M9")
        store_events(events=[event(machine="M9")], source="erp-7", now=now)
        told = replay_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now)
        assert (told.accepted, told.duplicate, Event.objects.count()) == (0, 1, 1)
        assert Quarantined.objects.get().status == QuarantineStatus.REPLAYED

    def test_each_keeps_the_source_that_it_came_from(self, small_plant, now, boris):
        for source in ("erp-7", "erp-8"):
            send(now, event(machine="M9"), source=source)
        create_machine("M9")
        assert replay_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now).accepted == 2
        assert set(Event.objects.values_list("source", flat=True)) == {"erp-7", "erp-8"}

    def test_what_was_no_text_is_not_sent_as_something_else(self, small_plant, now, boris):
        broken = json.dumps(event(comment="St\N{REPLACEMENT CHARACTER}rung"), ensure_ascii=False)
        keep(entries=[Kept("invalid_json", "No UTF-8.", "e1", 0, broken)], source="erp-7", now=now)
        told = replay_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now)
        assert (told.refused, Event.objects.count()) == ({"invalid_json": 1}, 0)

    def test_it_takes_only_the_rows_that_were_asked_for(self, small_plant, now, boris):
        send(now, event(1, machine="M9"), event(2, machine="M9"))
        create_machine("M9")
        replay_rows(rows=Quarantined.objects.filter(event_id="e2"), decided_by=boris, now=now)
        assert [stored.event_id for stored in Event.objects.all()] == ["e2"]

    def test_it_goes_on_where_it_stopped(self, small_plant, now, boris, monkeypatch):
        monkeypatch.setattr("production.ingest.decisions.MOST_AT_ONCE", 2)
        rows = send(now, *(event(number, machine="M9") for number in range(1, 6)))
        first = replay_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now)
        assert (first.refused.total(), first.left, first.last) == (2, 3, rows[1].pk)
        create_machine("M9")
        second = replay_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now, after=first.last)
        assert (second.accepted, second.left) == (2, 1)

    def test_five_hundred_rows_cost_three_batches(self, small_plant, now, boris, django_assert_max_num_queries):
        send(now, *(event(number, event_id=str(number), machine="M9") for number in range(500)))
        create_machine("M9")
        with django_assert_max_num_queries(90):
            assert replay_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now).accepted == 500


class TestDiscard:
    def test_it_keeps_the_row_with_who_and_when(self, small_plant, now, boris):
        send(now, event(machine="M9"))
        assert discard_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now) == 1
        row = Quarantined.objects.get()
        assert (row.status, row.resolved_by, row.resolved_at) == (QuarantineStatus.DISCARDED, boris, now)
        assert json.loads(row.raw)["machine"] == "M9"

    def test_what_is_decided_stays_as_it_was_decided(self, small_plant, now, boris, ana):
        send(now, event(machine="M9"))
        discard_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now)
        assert discard_rows(rows=Quarantined.objects.all(), decided_by=ana, now=now) == 0
        assert Quarantined.objects.get().resolved_by == boris


class TestFileRows:
    @pytest.fixture
    def load(self, small_plant, tmp_path):
        """Import rows of a file whose mapping creates no machines, and give what was not taken."""
        spec = {**SPEC, "machines": {"create": False}}
        FileMapping.objects.create(tenant=small_plant.tenant, name=spec["name"], spec=spec)

        def load(*rows):
            path = tmp_path / "log.csv"
            path.write_text("\n".join([HEADER, *rows, ""]))
            import_file(path=path, mapping_name=None, zone="Europe/Warsaw", dry_run=False, requested_by=None, now=NOW)
            return list(Quarantined.objects.select_related("import_run").order_by("pk"))

        return load

    def test_its_cells_are_mended_one_by_one(self, load, boris):
        (row,) = load(WORK.replace("P1", "M1").replace(";100;", ";1oo;"))
        cells = list_cells(row=row)
        assert (cells["Good"], cells["Machine"], list(cells)) == ("1oo", "M1", HEADER.split(";"))
        with pytest.raises(StillRefused) as refused:
            mend_row(row=row, mended=json.dumps(cells | {"Good": "many"}), decided_by=boris, now=NOW)
        assert (refused.value.code, Event.objects.count()) == ("invalid_number", 0)
        receipt = mend_row(row=row, mended=json.dumps(cells | {"Good": "100"}), decided_by=boris, now=NOW)
        assert receipt.accepted == 2
        counted = Event.objects.get(kind="count")
        assert (counted.good, counted.source, counted.import_run) == (100, "file:press-log", row.import_run)
        row.refresh_from_db()
        assert (row.status, json.loads(row.mended)["Good"]) == (QuarantineStatus.REPLAYED, "100")

    def test_what_a_new_machine_makes_right_is_taken_as_it_is(self, load, boris):
        load(WORK, FAULT)
        create_machine("P1")
        told = replay_rows(rows=Quarantined.objects.all(), decided_by=boris, now=NOW)
        assert (told.accepted, told.refused.total()) == (2, 0)
        assert set(Event.objects.values_list("machine__code", "import_run__file_name")) == {("P1", "log.csv")}

    def test_a_row_that_does_not_fit_its_header_is_entered_anew(self, load, boris):
        (row,) = load("M1;02.03.2026 06:00")
        cells = list_cells(row=row)
        assert set(cells.values()) == {""}
        assert {"Machine", "From", "To", "What"} <= set(cells)
        assert replay_rows(rows=Quarantined.objects.all(), decided_by=boris, now=NOW).refused.total() == 1
        filled = {"Machine": "M1", "From": "02.03.2026 06:00", "To": "02.03.2026 07:00", "What": "work"}
        assert mend_row(row=row, mended=json.dumps(cells | filled), decided_by=boris, now=NOW).accepted == 1

    @pytest.mark.parametrize("mended", ["", "[]", '{"Good": 5}', "Machine;From"])
    def test_what_are_no_cells_is_refused(self, load, boris, mended):
        (row,) = load("M1;02.03.2026 06:00")
        with pytest.raises(StillRefused):
            mend_row(row=row, mended=mended, decided_by=boris, now=NOW)
        assert Quarantined.objects.get().status == QuarantineStatus.WAITING


class TestRecords:
    @pytest.fixture
    def topic(self, in_alfa):
        def make(payload):
            return KafkaSource.objects.create(
                tenant=in_alfa, name="press", topic="press", bootstrap_servers="broker:9092", payload=payload
            )

        return make

    def test_an_event_of_a_json_topic_is_taken_again(self, small_plant, topic, now, boris):
        entry = Kept("unknown_machine", "No M9.", "e1", 0, json.dumps(event(machine="M9")), partition=0, offset=5)
        keep(entries=[entry], source="press", now=now, kafka_source=topic(Payload.JSON))
        create_machine("M9")
        assert replay_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now).accepted == 1
        assert Event.objects.get().source == "press"

    def test_a_record_that_is_no_text_is_mended_as_an_event(self, small_plant, topic, now, boris):
        entry = Kept("no_schema_id", "No id.", "", 0, "00ff", content=b"\x00\xff", partition=0, offset=5)
        keep(entries=[entry], source="press", now=now, kafka_source=topic(Payload.AVRO))
        row = Quarantined.objects.select_related("kafka_source").get()
        assert replay_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now).refused == {"no_schema_id": 1}
        mend_row(row=row, mended=json.dumps(event()), decided_by=boris, now=now)
        assert (Event.objects.get().event_id, Event.objects.get().source) == ("e1", "press")

    def test_a_message_of_an_adapter_keeps_the_address_that_names_its_machine(self, small_plant, topic, now, boris):
        message = Message(
            "ia/acme/warsaw/M1/state", json.dumps({"timestamp_ms": 1_589_788_888_888, "state": 7}).encode()
        )
        (refused,) = ADAPTERS["umh"](message)
        entry = Kept(refused.code, refused.detail, "", 0, refused.raw, None, 0, 4, None)
        keep(entries=[entry], source="press", now=now, kafka_source=topic(Payload.UMH))
        row = Quarantined.objects.select_related("kafka_source").get()
        mended = json.loads(row.raw)
        mended["value"] = mended["value"].replace(": 7", ": 10000")
        receipt = mend_row(row=row, mended=json.dumps(mended), decided_by=boris, now=now)
        assert receipt.accepted == 1
        event = Event.objects.get()
        assert (event.machine.code, event.state) == ("M1", "running")

    def test_a_registry_that_does_not_answer_is_asked_once(self, small_plant, topic, now, boris):
        wire = b"\x00\x00\x00\x00\x07rest"
        source = topic(Payload.AVRO)
        entries = [Kept("undecodable", "No.", "", 0, n, content=wire, partition=0, offset=int(n)) for n in "123"]
        keep(entries=entries, source="press", now=now, kafka_source=source)
        told = replay_rows(rows=Quarantined.objects.all(), decided_by=boris, now=now)
        assert (told.refused, told.away) == ({"registry_away": 3}, {source.pk})
        assert Quarantined.objects.filter(status=QuarantineStatus.WAITING).count() == 3

    def test_it_has_no_cells(self, small_plant, topic, now):
        keep(entries=[Kept("invalid", "No.", "", 0, "{}")], source="press", now=now, kafka_source=topic(Payload.JSON))
        assert list_cells(row=Quarantined.objects.get()) is None
