"""Records: what a plant sends through Kafka in these tests, as JSON and in the Confluent wire format."""

import datetime as dt
import io
import itertools
import json
import random

import fastavro
from confluent_kafka import Producer

START = dt.datetime(2026, 3, 2, 5, tzinfo=dt.UTC)
STEP = dt.timedelta(seconds=10)
FLUSH_SECONDS = 60
# Librdkafka's broker forgets what is beyond 5 MB of a partition: compressed, 100,000 events are far below that.
PRODUCER = {"compression.type": "zstd", "linger.ms": 5, "batch.num.messages": 1000, "log_level": 0}
STATES = ("running", "running", "running", "idle", "down", "setup")


def make_events(number, *, machines=("M1", "M2"), seed=1, prefix="e"):
    """`number` events of the contract, in the order of their stamps: states, counts, readings; ids `<prefix>0` on."""
    draw = random.Random(seed)
    totals = dict.fromkeys(machines, 0)
    for index, machine in zip(range(number), itertools.cycle(machines), strict=False):
        at = START + STEP * (index // len(machines))
        key = {"event_id": f"{prefix}{index}", "machine": machine, "at": at.isoformat()}
        kind = draw.random()
        if kind < 0.4:
            yield {**key, "kind": "count", "good": draw.randrange(5), "scrap": draw.randrange(2)}
        elif kind < 0.6:
            totals[machine] += draw.randrange(9)
            yield {**key, "kind": "counter", "name": "parts", "value": totals[machine]}
        elif kind < 0.7:
            yield {**key, "kind": "measurement", "name": "oil", "value": draw.randrange(300, 600) / 10, "unit": "C"}
        else:
            state = draw.choice(STATES)
            yield {**key, "kind": "state", "state": state, **({"reason": "jam"} if state == "down" else {})}


def as_json(event):
    """(key, value) of an event as a JSON record; a machine's events stay in one partition, in order."""
    return event["machine"].encode(), json.dumps(event).encode()


def in_avro(schema_id, schema, event):
    """The event's value in the Confluent wire format; text stamps become what the logical type wants."""
    fields = {
        name: dt.datetime.fromisoformat(said) if name in ("at", "until") and isinstance(said, str) else said
        for name, said in event.items()
    }
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, fields)
    return b"\x00" + schema_id.to_bytes(4, "big") + body.getvalue()


def produce(address, topic, records, *, partition=None):
    """Write (key, value) records and wait until the broker has them all."""
    producer = Producer({"bootstrap.servers": address, **PRODUCER})
    more = {} if partition is None else {"partition": partition}
    for number, (key, value) in enumerate(records):
        producer.produce(topic, key=key, value=value, **more)
        if number % 1000 == 0:
            producer.poll(0)
    left = producer.flush(FLUSH_SECONDS)
    if left:
        raise TimeoutError(f"{left} records could not be written to {topic}")
