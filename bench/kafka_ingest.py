"""Kafka ingest: a topic of 200,000 events, read by one consumer, against bare COPY and against Django's bulk_create.

All read the same topic of librdkafka's own broker, which runs in another process. Measured is the time from joining the
group until three quarters of the topic are stored and committed: waiting for the end of a topic is no work.
`kafka_ingest_two` has one process as its peer and two of them as ours.
"""

import datetime as dt
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import fastavro
import msgspec
from confluent_kafka import Consumer, Message, Producer

from bench.measure import PROJECT, as_owner, bench_services, compare
from mesassist.embedded import Services

if TYPE_CHECKING:
    from bench.plant import Plant
    from production.models import KafkaSource
    from production.tests.kafka.brokers import MockBroker

# The mock broker keeps at most 5 MB and 100,000 records of a partition.
PARTITIONS = 6
EVENTS = 200_000
MEASURED = 150_000
AT_ONCE = 5_000
SINGLES = 1_500
SAMPLES = 5
DEADLINE_S = 300.0
START = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(days=2)
NUMBERS = count()

Values = Sequence[tuple[str, bytes]]
Decode = Callable[[bytes], Mapping[str, Any]]
Store = Callable[[list[Mapping[str, Any]]], None]


def main() -> None:
    """Print kafka_ingest (Avro), kafka_ingest_json, kafka_ingest_rows (a commit per row) and kafka_ingest_two."""
    with bench_services() as services, ExitStack() as stack:
        broker = _start_broker(stack)
        plant = _prepare(services)
        stage = Stage(broker, plant)
        for payload, bench in (("avro", "kafka_ingest"), ("json", "kafka_ingest_json")):
            topic = stage.fill(payload)
            compare(
                bench=bench,
                unit="events/s",
                n=MEASURED,
                ours=lambda topic=topic, payload=payload: stage.read_as_we_do(topic, payload),
                peer=lambda topic=topic, payload=payload: stage.read_plainly(topic, payload, bulk_create),
                limit=lambda topic=topic, payload=payload: stage.read_plainly(topic, payload, copy_bare),
                samples=SAMPLES,
            )
            if payload == "avro":
                compare_rows(stage, topic)
        compare_two(stage)


def compare_rows(stage: "Stage", topic: str) -> None:
    """Against one row per commit, of which a few are enough."""
    compare(
        bench="kafka_ingest_rows",
        unit="events/s",
        n=MEASURED,
        ours=lambda: stage.read_as_we_do(topic, "avro"),
        peer=lambda: stage.read_plainly(topic, "avro", insert_each, records=SINGLES, at_once=500),
        samples=3,
        warm_ups=0,
    )


def compare_two(stage: "Stage") -> None:
    """Two processes against one."""
    compare(
        bench="kafka_ingest_two",
        unit="events/s",
        n=MEASURED,
        ours=lambda: stage.read_in_processes(2),
        peer=lambda: stage.read_in_processes(1),
        samples=3,
        warm_ups=0,
    )


# --- what the topic holds -----------------------------------------------------------------------------------


def write_events() -> Iterator[dict[str, Any]]:
    """A third each of states, counts and measurements of twenty machines."""
    for number in range(EVENTS):
        at = START + dt.timedelta(milliseconds=500 * number)
        event: dict[str, Any] = {"event_id": f"k{number:012}", "machine": f"M{number % 20 + 1:03}", "at": at}
        if number % 3 == 0:
            stopped = {"state": "down", "reason": f"stop-{number % 10 + 1}", "comment": "belt 2"}
            yield event | {"kind": "state", "state": "running"} | (stopped if number % 2 else {})
        elif number % 3 == 1:
            yield event | {"kind": "count", "good": 3.0, "scrap": 1.0, "product": f"P{number % 4 + 1}"}
        else:
            yield event | {"kind": "measurement", "name": "power", "value": 12.5, "unit": "kW"}


def encode_events(payload: str) -> Iterator[tuple[str, bytes]]:
    """(machine, record) of every event; Avro with the schema's id 1."""
    for event in write_events():
        if payload == "json":
            text = json.dumps(event | {"at": event["at"].isoformat()})
            yield event["machine"], text.encode()
        else:
            body = io.BytesIO()
            fastavro.schemaless_writer(body, _schema(), event)
            yield event["machine"], b"\0\0\0\0\1" + body.getvalue()


def decoder_of(payload: str) -> Decode:
    """How whoever has no contract to keep would read a record."""
    if payload == "json":
        return msgspec.json.decode
    schema = _schema()

    def decode(value: bytes) -> Mapping[str, Any]:
        body = io.BytesIO(value)
        body.seek(5)
        found: Mapping[str, Any] = fastavro.schemaless_reader(body, schema, None)
        return found

    return decode


def _schema() -> Any:
    from production.ingest.avro import reader_schema

    return reader_schema()


# --- how others store it ------------------------------------------------------------------------------------

COLUMNS = (
    "tenant_id, source, event_id, machine_id, at, received_at, kind, state, reason_id, comment, operator, product_id, "
    "good, scrap, name, value, unit"
)


def row_of(event: Mapping[str, Any], now: dt.datetime, source: str) -> tuple[Any, ...]:
    """The event's columns; codes become numbers by reading their digits, as a limit may."""
    reason, product = event.get("reason"), event.get("product")
    return (
        1,
        source,
        event["event_id"],
        int(event["machine"][1:]),
        event["at"],
        now,
        event["kind"],
        event.get("state") or "",
        reason and int(reason[5:]),
        event.get("comment") or "",
        event.get("operator") or "",
        product and int(product[1:]),
        event.get("good"),
        event.get("scrap"),
        event.get("name") or "",
        event.get("value"),
        event.get("unit") or "",
    )


def copy_bare(events: list[Mapping[str, Any]], source: str) -> None:
    """The limit: COPY into a table with the columns and indexes of ours, nothing looked at."""
    from django.db import connection

    now = dt.datetime.now(dt.UTC)
    with connection.cursor() as cursor, cursor.copy(f"COPY bench_raw ({COLUMNS}) FROM STDIN") as copy:
        for event in events:
            copy.write_row(row_of(event, now, source))


def bulk_create(events: list[Mapping[str, Any]], source: str) -> None:
    """The peer: model instances, those with a known id ignored."""
    from bench.rest_doors import PlainEvent

    names, now = COLUMNS.split(", "), dt.datetime.now(dt.UTC)
    rows = [PlainEvent(**dict(zip(names, row_of(event, now, source), strict=True))) for event in events]
    PlainEvent.objects.bulk_create(rows, ignore_conflicts=True)


def insert_each(events: list[Mapping[str, Any]], source: str) -> None:
    """For scale: a statement and a commit for each."""
    from django.db import connection

    marks = ", ".join(["%s"] * len(COLUMNS.split(", ")))
    insert = f"INSERT INTO bench_plain ({COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING"
    now = dt.datetime.now(dt.UTC)
    with connection.cursor() as cursor:
        for event in events:
            cursor.execute(insert, row_of(event, now, source))


# --- the stage ----------------------------------------------------------------------------------------------


class Stage:
    """The broker, the plant, and who reads."""

    def __init__(self, broker: "MockBroker", plant: "Plant") -> None:
        self.broker, self.plant = broker, plant

    def fill(self, payload: str) -> str:
        """A new topic with all events; gives its name."""
        topic = f"bench-{next(NUMBERS)}"
        self.broker.make_topic(topic, PARTITIONS)
        self.produce(topic, encode_events(payload))
        return topic

    def produce(self, topic: str, records: Iterator[tuple[str, bytes]]) -> None:
        """Machine by machine into its partition, spread evenly."""
        wanted = {"bootstrap.servers": self.broker.address, "compression.type": "zstd", "linger.ms": 5}
        producer = Producer(wanted)
        for number, (machine, value) in enumerate(records):
            producer.produce(topic, value, machine, partition=int(machine[1:]) % PARTITIONS)
            if number % 1000 == 0:
                producer.poll(0)
        if producer.flush(DEADLINE_S):
            raise RuntimeError("The mock broker did not take the records.")

    def read_as_we_do(self, topic: str, payload: str) -> float:
        """Everything on; gives the seconds of MEASURED records."""
        from production.ingest.consumer import Reading

        source = self.bind(topic, payload)
        begun, taken = time.perf_counter(), 0
        reading = Reading(source)
        try:
            while taken < MEASURED:
                reading.turn()
                taken = sum(lane.following or 0 for lane in reading.lanes.values())
                _check_time(begun)
            return (time.perf_counter() - begun) * MEASURED / taken
        finally:
            reading.close()

    def read_plainly(
        self, topic: str, payload: str, store: Callable[..., None], *, records: int = 0, at_once: int = AT_ONCE
    ) -> float:
        """Consume, decode, store, commit; gives the seconds of MEASURED records, worked out from `records` of them."""
        source, decode = f"plain-{next(NUMBERS)}", decoder_of(payload)
        begun, taken = time.perf_counter(), 0
        consumer = self.join(topic, source)
        try:
            while taken < (records or MEASURED):
                messages = consumer.consume(at_once, 0.5)
                if messages:
                    store([decode(_value_of(message)) for message in messages], source)
                    consumer.commit(asynchronous=True)
                taken += len(messages)
                _check_time(begun)
            return (time.perf_counter() - begun) * MEASURED / taken
        finally:
            consumer.close()

    def join(self, topic: str, group: str) -> Consumer:
        """A consumer in a group of its own, set up as a careful one would be."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.broker.address,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "partition.assignment.strategy": "cooperative-sticky",
                "queued.max.messages.kbytes": 65_536,
            }
        )
        consumer.subscribe([topic])
        return consumer

    def bind(self, topic: str, payload: str) -> "KafkaSource":
        """The topic bound to the plant under a name of its own, so that every event of it is new."""
        from mesassist.tenants.scope import tenant_scope
        from production.ingest.avro import SCHEMA_FILE
        from production.models import KafkaSource, KnownSchema

        tenant, name = self.plant.tenant, f"round-{next(NUMBERS)}"
        with tenant_scope(tenant):
            KafkaSource.objects.all().delete()
            source: KafkaSource = KafkaSource.objects.create(
                tenant=tenant, name=name, topic=topic, bootstrap_servers=self.broker.address, payload=payload
            )
            KnownSchema.objects.create(
                tenant=tenant,
                source=source,
                schema_id=1,
                subject=f"{topic}-value",
                definition=SCHEMA_FILE.read_text(),
                fetched_at=START,
            )
        return source

    def read_in_processes(self, number: int) -> float:
        """So many `consume_events` wait for the topic; gives the seconds of MEASURED records once it is full."""
        topic = f"bench-{next(NUMBERS)}"
        self.broker.make_topic(topic, PARTITIONS)
        source = self.bind(topic, "avro")
        with ExitStack() as stack:
            for _ in range(number):
                stack.enter_context(_consumer_process())
            self.wait_for(lambda: self.readers(source) == number)
            self.produce(topic, encode_events("avro"))
            begun, first = time.perf_counter(), self.records(source)
            last = self.wait_for(lambda: self.records(source) >= EVENTS - 20_000 and self.records(source))
            return (time.perf_counter() - begun) * MEASURED / (last - first)

    def readers(self, source: "KafkaSource") -> int:
        """How many processes have partitions."""
        from mesassist.tenants.scope import tenant_scope
        from production.models import KafkaPartition

        with tenant_scope(self.plant.tenant):
            rows = KafkaPartition.objects.filter(source=source).values_list("reader", "partition")
            return len({reader for reader, _ in rows}) if len(rows) == PARTITIONS else 0

    def records(self, source: "KafkaSource") -> int:
        """How many records were taken."""
        from mesassist.tenants.scope import tenant_scope
        from production.models import KafkaPartition

        with tenant_scope(self.plant.tenant):
            return sum(KafkaPartition.objects.filter(source=source).values_list("records", flat=True))

    def wait_for(self, holds: Callable[[], int]) -> int:
        """Ask until it holds; gives what was answered."""
        begun = time.perf_counter()
        while not (found := holds()):
            _check_time(begun)
            time.sleep(0.05)
        return found


@contextmanager
def _consumer_process() -> Iterator[None]:
    command = [sys.executable, "manage.py", "consume_events"]
    environ = os.environ | {"KAFKA_SESSION_S": "6"}
    with subprocess.Popen(command, cwd=PROJECT, env=environ, stdout=subprocess.DEVNULL, stderr=sys.stderr) as process:
        try:
            yield
        finally:
            process.terminate()


def _start_broker(stack: ExitStack) -> "MockBroker":
    from production.tests.kafka.brokers import MockBroker

    broker = MockBroker()
    # Before the settings are read: a broker of this machine needs an approval.
    os.environ["APPROVED_ENDPOINTS"] = broker.address
    stack.callback(broker.close)
    return broker


def _prepare(services: Services) -> "Plant":
    from bench.plant import make_plant
    from bench.rest_doors import MAKE_TABLES

    with as_owner(services) as owner:
        owner.execute(MAKE_TABLES)
    return make_plant()


def _value_of(message: Message) -> bytes:
    value = message.value()
    if value is None:
        raise RuntimeError(f"The consumer got no record: {message.error()}")
    return value


def _check_time(begun: float) -> None:
    if time.perf_counter() - begun > DEADLINE_S:
        raise RuntimeError(f"Not read within {DEADLINE_S:.0f} s.")
