"""Kafka in: what lands, where it lands, and what is set aside, with `consume_events` as a process of its own."""

import json
from collections import Counter
from contextvars import Context

import fastavro
import pytest
from confluent_kafka import Consumer, KafkaError

from mesassist.tenants.scope import tenant_scope
from production.ingest.avro import SCHEMA_FILE
from production.models import Event, KafkaPartition, KafkaSource, KnownSchema, PartitionState, Payload, Quarantined
from production.tests.kafka.checks import assert_rollups_are_those_of_the_events, checksum, stored_ids
from production.tests.kafka.consumers import consuming, read_to_the_end, wait_until
from production.tests.kafka.records import in_avro, make_events, produce

pytestmark = pytest.mark.django_db(transaction=True)
OURS = json.loads(SCHEMA_FILE.read_text())


def with_fields(*fields, without=()):
    """Our schema as a newer or older release of a producer has it."""
    kept = [field for field in OURS["fields"] if field["name"] not in without]
    return OURS | {"fields": [*kept, *fields]}


def written_with(schema, schema_id, events):
    parsed = fastavro.parse_schema(json.loads(json.dumps(schema)))
    return [in_avro(schema_id, parsed, event) for event in events]


def read_topic(address, name):
    """Every record of a topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": f"reads-{name}",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    partitions = len(consumer.list_topics(name, timeout=20).topics[name].partitions)
    consumer.subscribe([name])
    records, ended = [], set()
    while len(ended) < partitions:
        for record in consumer.consume(500, 1.0):
            if record.error() is None:
                records.append(record)
            elif record.error().code() == KafkaError._PARTITION_EOF:
                ended.add(record.partition())
    consumer.close()
    return records


class TestReading:
    def test_it_takes_each_event_once_and_counts_what_it_did(self, topic, in_alfa):
        events = list(make_events(3000))
        topic.send(events)
        topic.send(events[:50])
        assert read_to_the_end() == 0
        assert stored_ids(topic.name) == sorted(event["event_id"] for event in events)
        assert topic.sums() == (3050, 3000, 50, 0)
        assert topic.is_read(topic.ends())
        assert_rollups_are_those_of_the_events()

    def test_it_goes_on_where_it_was_and_doubles_nothing_when_sent_to_the_beginning(self, topic, in_alfa):
        topic.send(make_events(2000))
        read_to_the_end()
        topic.send(make_events(500, prefix="f"))
        read_to_the_end()
        assert topic.sums() == (2500, 2500, 0, 0)
        assert_rollups_are_those_of_the_events()
        before = checksum()
        topic.rewind()
        read_to_the_end()
        assert topic.sums() == (5000, 2500, 2500, 0)
        assert_rollups_are_those_of_the_events()
        assert checksum() == before

    def test_only_the_enabled_sources_are_read(self, topic, in_alfa):
        topic.send(make_events(10))
        KafkaSource.objects.update(enabled=False)
        with consuming("--once-empty") as consumer:
            assert consumer.reap() == 0
        assert not Event.objects.exists()


class TestTenants:
    def test_what_a_record_says_of_a_tenant_changes_nothing(self, topic, in_alfa, beta, betas_plant):
        event, other, third = make_events(3, machines=("M1",))
        topic.send_raw(
            [
                json.dumps(event).encode(),
                json.dumps(other | {"tenant": "beta"}).encode(),
                json.dumps(other | {"tenant_id": beta.pk}).encode(),
                json.dumps(third | {"machine": "M9"}).encode(),  # Beta's
            ]
        )
        read_to_the_end()
        assert stored_ids(topic.name) == ["e0"]
        codes = sorted(Quarantined.objects.values_list("code", flat=True))
        assert codes == ["unknown_field", "unknown_field", "unknown_machine"]

    def test_two_tenants_topics_on_one_broker_never_mix(self, make_topic, alfa, beta, small_plant, betas_plant):
        topic, betas = make_topic(alfa), make_topic(beta)
        topic.send(make_events(400, machines=("M1",)))
        betas.send(make_events(300, machines=("M1",), seed=2))
        read_to_the_end()
        for mine, tenant, number in ((topic, alfa, 400), (betas, beta, 300)):
            assert Context().run(self.what_landed, tenant) == (
                {(mine.name, tenant.pk): number},
                {mine.source.pk},
            )

    def what_landed(self, tenant):
        """({(source, tenant of the machine): events}, the sources with partitions), and nothing in quarantine."""
        with tenant_scope(tenant):
            assert not Quarantined.objects.exists()
            landed = Counter(Event.objects.values_list("source", "machine__line__site__tenant"))
            return landed, set(KafkaPartition.objects.values_list("source", flat=True))

    def test_a_key_or_a_source_in_the_record_does_not_move_it(self, topic, in_alfa, beta, betas_plant):
        event = next(make_events(1, machines=("M1",)))
        value = json.dumps(event | {"source": "beta"}).encode()
        produce(topic.broker.address, topic.name, [(b"beta/ostrava/M9", value)])
        read_to_the_end()
        stored = Event.objects.get()
        assert (stored.source, stored.machine.line.site.tenant_id) == ("beta", in_alfa.pk)


class TestBadRecords:
    def test_one_in_a_thousand_is_set_aside_and_sent_on(self, broker, make_topic, small_plant, in_alfa):
        broker.make_topic("aside-" + str(in_alfa.pk), 1)
        topic = make_topic(in_alfa, dead_letter_topic="aside-" + str(in_alfa.pk))
        values = [json.dumps(event).encode() for event in make_events(8000)]
        bad = [b'{"event_id": "x%d", "machine": ' % number for number in range(8)]
        for number, value in enumerate(bad):
            values.insert(number * 1000 + 500, value)
        topic.send_raw(values)
        read_to_the_end()
        assert topic.sums() == (8008, 8000, 0, 8)
        assert topic.states() <= {PartitionState.READING, PartitionState.LEFT}
        kept = Quarantined.objects.values_list("code", "kafka_source", "content")
        assert sorted((code, source, bytes(content)) for code, source, content in kept) == sorted(
            ("invalid_json", topic.source.pk, value) for value in bad
        )
        letters = read_topic(broker.address, topic.source.dead_letter_topic)
        assert sorted(letter.value() for letter in letters) == sorted(bad)
        assert {dict(letter.headers())["mesassist-code"] for letter in letters} == {b"invalid_json"}

    def test_nothing_but_bad_ones_stop_the_partition_and_only_it(self, topic, in_alfa):
        topic.send_raw([b"not an event %d" % number for number in range(3000)], partition=0)
        topic.send_raw([json.dumps(event).encode() for event in make_events(1000)], partition=1)
        with consuming() as consumer:
            wait_until(lambda: PartitionState.STOPPED in topic.states(), what="the stop")
            wait_until(lambda: Event.objects.count() == 1000, what="the other partition's events")
            consumer.leave()
        stopped = next(row for row in topic.rows if row.partition == 0)
        assert stopped.state == PartitionState.STOPPED
        # Enough to see what is wrong, and the rest is still there to be read once it is mended.
        assert 100 <= stopped.quarantined == stopped.committed < 1000
        assert Quarantined.objects.count() == stopped.quarantined
        # A restart alone does not let it go on.
        read_to_the_end()
        assert Quarantined.objects.count() == stopped.quarantined


class TestSchemas:
    @pytest.fixture
    def avro(self, make_topic, small_plant, in_alfa, registry):
        """Alfa's topic of Avro records."""
        return make_topic(in_alfa, payload=Payload.AVRO, registry_url=registry.url)

    def test_older_and_newer_writers_are_read_side_by_side(self, avro, registry, in_alfa):
        subject = f"{avro.name}-value"
        registry.shelf.set_level(subject, "BACKWARD_TRANSITIVE")
        optional = [field["name"] for field in OURS["fields"] if "default" in field]
        used = ("state", "reason", "good", "scrap", "name", "value", "unit")
        older = with_fields(without=[name for name in optional if name not in used])
        shift = {"type": "enum", "name": "Shift", "symbols": ["early", "late"]}
        newer = with_fields(
            {"name": "shift", "type": ["null", shift], "default": None},
            {"name": "samples", "type": {"type": "array", "items": "double"}, "default": []},
        )
        events = list(make_events(900))
        values = []
        for number, schema in enumerate((older, OURS, newer)):
            more = {"shift": "late", "samples": [1.5, 2.5]} if schema is newer else {}
            schema_id = registry.register(subject, schema)
            values += written_with(schema, schema_id, [event | more for event in events[number::3]])
        avro.send_raw(values)
        read_to_the_end()
        assert stored_ids(avro.name) == sorted(event["event_id"] for event in events)
        assert avro.sums() == (900, 900, 0, 0)
        assert_rollups_are_those_of_the_events()

    def test_json_and_avro_tell_the_same(self, avro, topic, registry, in_alfa):
        events = list(make_events(300))
        avro.send_raw(written_with(OURS, registry.register(f"{avro.name}-value", OURS), events))
        topic.send(events)
        read_to_the_end()
        columns = [f.attname for f in Event._meta.concrete_fields if f.attname not in ("source", "received_at")]
        told = {
            name: list(Event.objects.filter(source=name).order_by("event_id").values_list(*columns))
            for name in (avro.name, topic.name)
        }
        assert len(told[avro.name]) == 300
        assert told[avro.name] == told[topic.name]

    def test_a_schema_of_another_subject_is_refused(self, avro, registry, in_alfa):
        value = written_with(OURS, registry.register("payroll-value", OURS), make_events(1))
        avro.send_raw(value)
        read_to_the_end()
        assert list(Quarantined.objects.values_list("code", flat=True)) == ["schema_refused"]
        assert not Event.objects.exists()

    @pytest.mark.parametrize("fault", ["down", "broken", "html"])
    def test_a_registry_that_is_away_is_waited_for(self, avro, registry, in_alfa, fault):
        subject, events = f"{avro.name}-value", list(make_events(200))
        avro.send_raw(written_with(OURS, registry.register(subject, OURS), events[:100]))
        read_to_the_end()
        known = KnownSchema.objects.get()
        newer = with_fields({"name": "shift", "type": ["null", "string"], "default": None})
        new_id = registry.register(subject, newer)
        if fault == "down":
            registry.go_down()
        else:
            registry.fault = fault
        # What is known is read without the registry; what is not waits, and the records behind it with it.
        avro.send_raw(written_with(OURS, known.schema_id, events[100:150]), partition=0)
        avro.send_raw(written_with(newer, new_id, events[150:]), partition=0)
        with consuming() as consumer:
            wait_until(lambda: PartitionState.WAITING in avro.states(), what="the waiting")
            assert Event.objects.count() == 150
            assert consumer.is_alive
            registry.fault = ""
            if fault == "down":
                registry.come_back()
            wait_until(lambda: Event.objects.count() == 200, what="the rest")
            consumer.leave()
        assert avro.sums() == (200, 200, 0, 0)
        assert not Quarantined.objects.exists()
