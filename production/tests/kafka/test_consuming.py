"""The consumer's own ways: what it does about crashes, people's decisions, changed sources and a broker in the way."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from mesassist.tenants.scope import tenant_scope
from mesassist.tenants.tests.approving import approved
from production.ingest.avro import SCHEMA_FILE
from production.ingest.progress import resume_partition
from production.models import (
    DecodeMark,
    Event,
    KafkaPartition,
    KafkaSource,
    KnownSchema,
    PartitionState,
    Payload,
    Quarantined,
)
from production.tests.kafka.consumers import (
    END_SECONDS,
    ROOT,
    consuming,
    database_url,
    read_to_the_end,
    wait_until,
)
from production.tests.kafka.records import make_events
from production.tests.kafka.test_ingest import OURS, written_with

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def avro(make_topic, small_plant, in_alfa, registry):
    """Alfa's topic of Avro records, in one partition."""
    return make_topic(in_alfa, partitions=1, payload=Payload.AVRO, registry_url=registry.url)


def run_unguarded():
    """`consume_events` to the end of every topic, with no look at schemas; gives its exit code."""
    command = [sys.executable, "-m", "production.tests.kafka.unguarded_consumer"]
    environment = os.environ | {"DATABASE_URL": database_url(), "KAFKA_SESSION_S": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, timeout=3 * END_SECONDS, stderr=subprocess.DEVNULL
    ).returncode


class TestCrash:
    def test_a_record_that_kills_the_process_is_set_aside_and_the_rest_is_read(self, avro, registry, in_alfa):
        following = {"name": "next", "type": ["null", "MachineEvent"], "default": None}
        required = OURS["fields"][:4]
        registry.register(f"{avro.name}-value", OURS)
        registry.register(f"{avro.name}-value", OURS | {"fields": [*required, following]})
        # One event inside the other, five bytes each, deeper than the decoder's stack.
        killer = b"\x00\x00\x00\x00\x02" + b"\x00\x00\x00\x00\x02" * 40_000 + b"\x00" * 5
        events = list(make_events(50))
        avro.send_raw([*written_with(OURS, 1, events[:20]), killer, *written_with(OURS, 1, events[20:])])

        codes = [run_unguarded()]
        while codes[-1] and len(codes) < 4:
            codes.append(run_unguarded())

        # It died of the record once, which proves that the record kills; then never again.
        assert codes == [-11, 0]
        assert Event.objects.count() == 50
        kept = Quarantined.objects.get()
        assert (kept.code, kept.partition, kept.offset, kept.schema_id) == ("crashes_decoder", 0, 20, 2)
        assert bytes(kept.content) == killer
        assert not DecodeMark.objects.exists()

    def test_with_the_look_at_schemas_nothing_dies(self, avro, registry, in_alfa):
        following = {"name": "next", "type": ["null", "MachineEvent"], "default": None}
        registry.register(f"{avro.name}-value", OURS | {"fields": [*OURS["fields"][:4], following]})
        avro.send_raw([b"\x00\x00\x00\x00\x01" + b"\x00\x00\x00\x00\x02" * 40_000 + b"\x00" * 5])
        assert read_to_the_end() == 0
        assert "contains itself" in Quarantined.objects.get(code="schema_refused").detail


class TestSchemas:
    def test_a_known_schema_needs_no_registry(self, avro, registry, in_alfa):
        KnownSchema.objects.create(
            tenant=in_alfa,
            source=avro.source,
            schema_id=9,
            subject=f"{avro.name}-value",
            definition=SCHEMA_FILE.read_text(),
            fetched_at=datetime(2026, 3, 2, tzinfo=UTC),
        )
        avro.send_raw(written_with(OURS, 9, make_events(10)))
        read_to_the_end()
        assert avro.sums() == (10, 10, 0, 0)
        assert registry.asked == []

    def test_a_new_one_is_asked_for_once(self, avro, registry, in_alfa):
        registry.register(f"{avro.name}-value", OURS)
        avro.send_raw(written_with(OURS, 1, make_events(10)))
        read_to_the_end()
        avro.send_raw(written_with(OURS, 1, make_events(10, prefix="f")))
        read_to_the_end()
        assert avro.sums() == (20, 20, 0, 0)
        assert registry.asked == ["GET /schemas/ids/1", "GET /schemas/ids/1/subjects"]


class TestPeople:
    def test_a_stopped_partition_goes_on_while_the_consumer_runs_when_a_person_says_so(self, make_topic, in_alfa):
        topic = make_topic(in_alfa, partitions=1)
        topic.send_raw([b"not an event %d" % number for number in range(150)])
        with consuming() as consumer:
            wait_until(lambda: topic.states() == {PartitionState.STOPPED}, what="the stop")
            row = KafkaPartition.objects.get()
            assert (row.committed, row.quarantined) == (100, 100)
            assert row.detail.startswith("100 of the last 100 records went to quarantine.")
            assert resume_partition(row=row)
            wait_until(lambda: topic.is_read({0: 150}), what="the rest")
            consumer.leave()
        assert Quarantined.objects.count() == 150

    def test_sources_that_are_added_and_switched_off_are_noticed(self, topic, make_topic, small_plant, in_alfa):
        topic.send(make_events(20))
        with consuming() as consumer:
            wait_until(lambda: Event.objects.count() == 20, what="the first topic's events")
            added = make_topic(in_alfa, partitions=1)
            added.send(make_events(30, prefix="f"))
            wait_until(lambda: Event.objects.count() == 50, within_s=20, what="the added topic's events")
            KafkaSource.objects.filter(pk=added.source.pk).update(enabled=False)
            wait_until(lambda: added.states() == {PartitionState.LEFT}, within_s=20, what="the farewell")
            consumer.leave()

    def test_it_reads_only_what_it_was_told_to(self, topic, make_topic, small_plant, in_alfa):
        other = make_topic(in_alfa, partitions=1)
        topic.send(make_events(20))
        other.send(make_events(30, prefix="f"))
        with consuming("--once-empty", "--tenant", "alfa", "--source", other.source.name) as consumer:
            assert consumer.reap() == 0
        assert Event.objects.count() == 30


class TestBroker:
    def test_a_broker_that_is_away_is_told_and_come_back_to(self, broker, make_topic, small_plant, in_alfa):
        topic = make_topic(in_alfa, partitions=1)
        topic.send(make_events(10))
        with consuming() as consumer:
            wait_until(lambda: Event.objects.count() == 10, what="the events")
            broker.go_down()
            try:
                wait_until(lambda: KafkaSource.objects.get().problem, what="the problem")
                assert "cannot be reached" in KafkaSource.objects.get().problem
            finally:
                broker.come_back()
            topic.send(make_events(10, prefix="f"))
            wait_until(lambda: Event.objects.count() == 20, what="the events after it")
            wait_until(lambda: not KafkaSource.objects.get().problem, what="the end of the problem")
            consumer.leave()

    def test_a_source_that_cannot_be_opened_says_why_and_holds_up_no_other(self, make_topic, small_plant, in_alfa):
        with tenant_scope(in_alfa):
            wrong = KafkaSource.objects.create(
                tenant=in_alfa, name="wrong", topic="t", bootstrap_servers="127.0.0.1:1", security="SSL", ca_pem="none"
            )
        topic = make_topic(in_alfa, partitions=1)
        topic.send_raw([json.dumps(event).encode() for event in make_events(5)])
        with approved("127.0.0.1:1"), consuming() as consumer:
            wait_until(lambda: Event.objects.count() == 5, what="the events")
            problem = wait_until(lambda: KafkaSource.objects.get(pk=wrong.pk).problem, what="the problem")
            assert "ssl.ca.pem" in problem
            consumer.leave()
