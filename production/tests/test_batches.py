"""Batches: events, quarantine and progress of one partition's records, in one transaction."""

import json

import pytest
from confluent_kafka import Message
from django.db import DataError

from mesassist.tenants.scope import tenant_scope
from production.ingest import batches
from production.ingest.batches import Plant, take_batch
from production.ingest.decoding import find_crash, find_killers, mark_decoding
from production.ingest.progress import (
    Window,
    find_resumed,
    note_state,
    read_partition,
    resume_partition,
    stop_partition,
)
from production.models import (
    DecodeMark,
    Event,
    KafkaPartition,
    KafkaSource,
    Machine,
    PartitionState,
    Payload,
    Quarantined,
)
from production.tests.kafka.records import as_json, make_events


@pytest.fixture
def source(small_plant, in_alfa):
    return KafkaSource.objects.create(tenant=in_alfa, name="line-1", topic="line-1", bootstrap_servers="127.0.0.1:1")


@pytest.fixture
def plant(source, now):
    read_partition(source=source, partition=3, now=now)
    plant = Plant.of(source)
    yield plant
    plant.schemas.close()


def records(values, *, first=0, partition=3):
    """As the library hands them over."""
    return [
        Message(topic="line-1", partition=partition, offset=first + number, key=b"M1", value=value, timestamp=(1, 0))
        for number, value in enumerate(values)
    ]


def values(number, **more):
    return [as_json(event)[1] for event in make_events(number, **more)]


def take(plant, taken, now, *, window=None, suspects=None):
    return take_batch(plant=plant, records=taken, window=window or Window(), suspects=suspects, now=now)


def counts():
    row = KafkaPartition.objects.get()
    return row.committed, row.records, row.accepted, row.duplicate, row.quarantined


class TestTaking:
    def test_events_and_progress_are_stored_together(self, plant, now):
        done = take(plant, records(values(30), first=70), now)
        assert (done.tally.following, done.taken, done.bad) == (100, 30, set())
        assert Event.objects.filter(source="line-1").count() == 30
        assert counts() == (100, 30, 30, 0, 0)
        assert not DecodeMark.objects.exists()

    def test_what_comes_again_counts_as_duplicate(self, plant, now):
        for _ in range(2):
            take(plant, records(values(30)), now)
        assert counts() == (30, 60, 30, 30, 0)

    def test_a_tombstone_tells_of_nothing_and_is_passed(self, plant, now):
        done = take(plant, records([*values(2), None]), now)
        assert (done.tally.following, done.bad) == (3, set())
        assert counts() == (3, 3, 2, 0, 0)

    def test_a_record_that_cannot_be_read_is_kept_with_its_place(self, plant, source, now):
        done = take(plant, records([*values(2), b"\xff\x00nonsense"], first=40), now)
        assert done.bad == {2}
        kept = Quarantined.objects.get()
        assert (kept.code, kept.kafka_source, kept.partition, kept.offset) == ("invalid_json", source, 3, 42)
        assert (bytes(kept.content), kept.raw) == (b"\xff\x00nonsense", b"\xff\x00nonsense".hex())
        assert counts() == (43, 3, 2, 0, 1)

    def test_an_event_that_is_not_taken_is_kept_with_its_record(self, plant, source, now):
        known, unknown, conflicting = make_events(3)
        several = json.dumps([known, unknown | {"machine": "M9"}, known | {"state": "setup"}])
        assert conflicting["event_id"] == "e2"
        done = take(plant, records([several.encode()]), now)
        assert done.bad == {0}
        kept = Quarantined.objects.order_by("position").values_list("code", "position", "offset", "kafka_source")
        assert next(iter(kept)) == ("unknown_machine", 1, 0, source.pk)
        assert json.loads(Quarantined.objects.get(position=1).raw)["machine"] == "M9"
        row = KafkaPartition.objects.get()
        assert (row.records, row.accepted + row.duplicate + row.quarantined) == (1, 3)

    def test_nothing_of_it_lands_in_another_tenant(self, plant, beta, now):
        with tenant_scope(plant.source.tenant):
            take(plant, records(values(5)), now)
        assert Machine.objects.filter(code="M1").count() == 1


class TestOutOfTheOrdinary:
    def test_more_bad_records_than_allowed_end_the_batch_there(self, plant, now):
        bad = [b"bad %d" % number for number in range(500)]
        done = take(plant, records([*values(10), *bad]), now)
        assert done.taken == 110
        assert counts() == (110, 110, 10, 0, 100)

    def test_what_the_database_refuses_is_one_records_fault(self, plant, now, monkeypatch):
        # The contract lets nothing through that PostgreSQL refuses; this stands for what it may miss one day.
        poison, store = "e5", batches.store_events

        def store_or_refuse(*, events, **more):
            if any(event.event_id == poison for event in events):
                raise DataError("out of range")
            return store(events=events, **more)

        monkeypatch.setattr(batches, "store_events", store_or_refuse)
        waiting, taken = records(values(8)), []
        while waiting:
            done = take(plant, waiting, now)
            taken.append(done.taken)
            waiting = waiting[done.taken :]
        assert taken == [4, 1, 1, 2]
        assert counts() == (8, 8, 7, 0, 1)
        assert (Quarantined.objects.get().code, Quarantined.objects.get().offset) == ("not_storable", 5)

    def test_a_mistake_of_ours_in_reading_is_met_by_its_record_alone(self, plant, now, monkeypatch):
        read = batches.read_value

        def stumble(payload, record, find_schema):
            if b'"e1"' in record[0]:
                raise KeyError("ours")
            return read(payload, record, find_schema)

        monkeypatch.setattr(batches, "read_value", stumble)
        done = take(plant, records(values(3)), now)
        assert done.bad == {1}
        assert Quarantined.objects.get().code == "undecodable"


class TestJournal:
    def test_a_mark_that_is_found_tells_what_was_being_decoded(self, plant, source, now):
        assert find_crash(source=source, partition=3) is None
        mark_decoding(source=source, partition=3, first=10, last=20, now=now)
        mark_decoding(source=source, partition=3, first=20, last=30, now=now)
        assert find_crash(source=source, partition=3) == (20, 30)
        assert DecodeMark.objects.get().crashes == 1

    def test_suspects_that_do_no_harm_are_taken(self, plant, source, now):
        mark_decoding(source=source, partition=3, first=0, last=4, now=now)
        done = take(plant, records([*values(5), None]), now, suspects=(0, 4))
        assert (done.taken, done.bad) == (6, set())
        assert counts() == (6, 6, 5, 0, 0)

    def test_a_trial_tells_killers_from_what_is_only_bad(self, source):
        source.payload = Payload.PACKML
        tried = [(b"not json", "a/b", None), (b"[" * 100_000, "a/b", None), (b'{"a": 1}', "a/b", None)]
        assert find_killers(source=source, records=tried, schemas=None) == (set(), 3)


class TestWindow:
    def test_a_small_sample_is_no_reason_to_stop(self):
        window = Window()
        assert window.note(99, range(99)) is None
        assert not window.is_full

    def test_the_hundredth_bad_one_is(self):
        window = Window()
        assert window.note(500, range(200)) == 100
        assert window.is_full

    def test_five_in_a_hundred_are_borne_for_ever_and_six_are_not(self):
        borne, stopped = Window(), Window()
        for _ in range(100):
            assert borne.note(100, range(5)) is None
        rounds = next(number for number in range(100) if stopped.note(100, range(94, 100)) is not None)
        assert rounds == 16  # the hundredth bad one

    def test_trying_changes_nothing(self):
        window = Window()
        window.copy().note(500, range(200))
        assert (len(window.lately), window.bad) == (0, 0)


class TestStates:
    def state(self, source, state, now):
        note_state(source=source, partition=3, state=state, detail="", newest=7, rate=1.5, now=now)
        return KafkaPartition.objects.get().state

    def test_a_stop_is_lifted_by_people_alone(self, plant, source, now):
        stop_partition(source=source, partition=3, detail="bad", now=now)
        assert self.state(source, PartitionState.LEFT, now) == PartitionState.STOPPED
        assert read_partition(source=source, partition=3, now=now).state == PartitionState.STOPPED
        assert find_resumed(source=source, stopped=[3]) == set()
        assert resume_partition(row=KafkaPartition.objects.get())
        assert self.state(source, PartitionState.STOPPED, now) == PartitionState.LEFT
        assert find_resumed(source=source, stopped=[3]) == {3}
        assert not resume_partition(row=KafkaPartition.objects.get())

    def test_a_reader_that_lost_the_partition_says_nothing_more_of_it(self, plant, source, now):
        KafkaPartition.objects.update(reader="another-host-1")
        assert self.state(source, PartitionState.PAUSED, now) == PartitionState.READING
        assert KafkaPartition.objects.get().newest == 0
