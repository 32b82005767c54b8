"""Mutations: endless seeded streams of spoilt records, and the schemas that a hostile producer would register."""

import datetime as dt
import io
import json
import math
import random

import fastavro

from production.tests.kafka.records import in_avro, make_events

# Varints that announce more than there is: 2^62 bytes, -1, -2^63, 10^9, one more than a byte can say.
BOMBS = [
    bytes.fromhex(text)
    for text in ("fcffffffffffffff7f", "01", "ffffffffffffffffff01", "80a8d6b907", "feffffff0f", "8001", "ff" * 12)
]
HEADER = b"\x00\x00\x00\x00\x01"
AT = {"type": "long", "logicalType": "timestamp-micros"}
OPTIONAL = [
    ("source", "string"),
    ("sequence", "long"),
    ("state", "string"),
    ("reason", "string"),
    ("good", "double"),
    ("scrap", "double"),
    ("name", "string"),
    ("value", "double"),
    ("unit", "string"),
]


def record(*fields, name="MachineEvent"):
    return {"type": "record", "name": name, "namespace": "mesassist.v1", "fields": list(fields)}


def field(name, kind, **more):
    return {"name": name, "type": kind, **more}


REQUIRED = [field("event_id", "string"), field("machine", "string"), field("at", AT), field("kind", "string")]
PLAIN = record(*REQUIRED, *(field(name, ["null", kind], default=None) for name, kind in OPTIONAL))
RICH = record(
    *REQUIRED,
    field("state", ["null", "string"], default=None),
    field("reason", ["null", {"type": "enum", "name": "Why", "symbols": ["jam", "tool"]}], default=None),
    field("good", ["null", "int", "long", "float"], default=None),
    field("tags", {"type": "map", "values": "string"}, default={}),
    field("samples", {"type": "array", "items": "double"}, default=[]),
    field("nested", ["null", record(field("a", "long"), field("b", "bytes"), name="Inner")], default=None),
    field("price", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}, default="\x00"),
)
# Each of these has ended a process, filled its memory or kept it busy for minutes somewhere.
HOSTILE = {
    "recursive": record(*REQUIRED, field("next", ["null", "mesassist.v1.MachineEvent"], default=None)),
    "recursive array": record(*REQUIRED, field("next", {"type": "array", "items": "MachineEvent"}, default=[])),
    "endless": record(field("self", "MachineEvent")),
    "array of null": record(*REQUIRED, field("nulls", {"type": "array", "items": "null"}, default=[])),
    "array of nothing": record(*REQUIRED, field("empty", {"type": "array", "items": record(name="Nothing")})),
    "array of fixed 0": record(
        *REQUIRED, field("f", {"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}})
    ),
    "huge fixed": record(field("f", {"type": "fixed", "name": "F", "size": 2**31})),
    "map of null": record(*REQUIRED, field("m", {"type": "map", "values": "null"}, default={})),
}
DEEP = 500
# No danger by itself: but a hundred kilobytes of digits kept the decoder busy for a quarter of a minute.
DECIMAL = record(field("event_id", {"type": "bytes", "logicalType": "decimal", "precision": 12}), *REQUIRED[1:])


def hostile_schemas():
    """{name: text}; the deep one is nested beyond what any walk of it survives unguarded."""
    inner = "long"
    for _ in range(DEEP):
        inner = {"type": "array", "items": inner}
    return {
        name: json.dumps(schema)
        for name, schema in (HOSTILE | {"deep": record(*REQUIRED, field("deep", inner))}).items()
    }


# What a field may hold by its type and should not by its meaning.
ODD_TEXTS = (
    "", " ", "\x00", "M1\x00", "\u202e", "\ufeff", "\U0001f600", "x" * 64, "x" * 65, "x" * 10_000, "running", "DOWN",
    "null", "NaN", "manual", "inference:x", "../..", "<b>", "' OR 1=1 --", "2026-03-02T06:15:00+01:00", "count", "beta",
    "\r\n",
)  # fmt: skip
ODD_WHOLE = (0, -1, 1, 2**31 - 1, -(2**31), 2**31, 2**53 + 1, 2**63 - 1, -(2**63))
ODD_REALS = (0.0, -0.0, -1.0, 0.1, 1e-308, 5e-324, 1e308, -1e308, float("inf"), float("-inf"), float("nan"), 1e15)
# 1979, 1996, the last second of 9999 and the first beyond it, which no clock of ours can say.
ODD_STAMPS = (315_532_799_000_000, 820_454_400_000_000, 253_402_300_799_000_000, 253_402_300_800_000_000, *ODD_WHOLE)
ODD = {"string": ODD_TEXTS, "long": ODD_WHOLE, "int": ODD_WHOLE[:5], "double": ODD_REALS, "float": ODD_REALS[:4]}


def avro_cases(seed):
    """(schema's text, the record's bytes behind the five of its header) without end.

    Half of them hold odd values and are whole otherwise; of the others the bytes are spoilt, or the schema.
    """
    draw = random.Random(seed)
    events = list(make_events(200))
    kinds = {
        "plain": (PLAIN, fastavro.parse_schema(PLAIN), events),
        "rich": (RICH, fastavro.parse_schema(RICH), [enrich(event, draw) for event in events]),
    }
    texts = {name: json.dumps(schema) for name, (schema, _, _) in kinds.items()}
    others = {"d": json.dumps(DECIMAL), **hostile_schemas()}
    while True:
        name = draw.choice(list(kinds))
        schema, parsed, said = kinds[name]
        event = draw.choice(said)
        if draw.random() < 0.5:
            yield texts[name], in_avro(1, parsed, make_odd(event, schema, draw))[5:]
            continue
        text = texts[draw.choice(list(kinds))] if draw.random() < 0.8 else draw.choice(list(others.values()))
        if draw.random() < 0.1:
            text = spoil_text(text, draw)
        odd = make_odd(event, schema, draw) if draw.random() < 0.5 else event
        yield text, spoil_bytes(in_avro(1, parsed, odd)[5:], draw)


def make_odd(event, schema, draw):
    """The event with one to three of the schema's fields given an odd value of their type, or left out."""
    odd = dict(event)
    for one in draw.sample(schema["fields"], draw.randrange(1, 4)):
        kind = draw.choice(one["type"]) if isinstance(one["type"], list) else one["type"]
        if kind is AT:
            odd[one["name"]] = draw.choice(ODD_STAMPS)
        elif kind == "null":
            odd[one["name"]] = None
        elif isinstance(kind, str):
            odd[one["name"]] = draw.choice(ODD[kind])
    return odd


def enrich(event, draw):
    event = {name: said for name, said in event.items() if name not in ("good",)}
    return {
        **event,
        "good": draw.randrange(9),
        "reason": draw.choice([None, "jam", "tool"]),
        "tags": {f"k{n}": "v" * n for n in range(draw.randrange(4))},
        "samples": [draw.random() for _ in range(draw.randrange(6))],
        "nested": draw.choice([None, {"a": draw.randrange(-9, 9), "b": draw.randbytes(3)}]),
        "price": b"\x01\x02",
    }


def spoil_bytes(value, draw):
    """The bytes after one to four mishaps of transport, or of malice."""
    for _ in range(draw.randrange(1, 5)):
        at = draw.randrange(len(value) + 1)
        match draw.randrange(7):
            case 0 if value:
                flipped = bytearray(value)
                flipped[at - 1] ^= 1 << draw.randrange(8)
                value = bytes(flipped)
            case 1:
                value = value[:at]
            case 2:
                value = value[:at] + draw.choice(BOMBS) + value[at:]
            case 3:
                value = value[:at] + draw.choice(BOMBS) + value[at + 1 :]
            case 4:
                value = value[:at] + draw.randbytes(draw.randrange(1, 40)) + value[at:]
            case 5:
                value = draw.randbytes(draw.randrange(60))
            case 6:
                value = value[:at] + value
    return value[:20_000]


JSON_PIECES = (
    *("NaN", "Infinity", "-1e999", "1e400", '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', "null", "true", "[]", "{}"),
    *("[" * 2000, '{"a":' * 2000, '"' + "x" * 5000 + '"', "9" * 400, "-0", "0.1e-400", '"2026-13-01T00:00:00Z"'),
    *('"9999-12-31T23:59:59.999999-14:00"', '"0001-01-01T00:00:00+14:00"', '"2026-03-29T02:30:00"', "\x00", "\ufeff"),
    *('"kind":"state",', '"event_id":"twice",', '"tenant":"beta",', ",", ":", '"', "\\", "//", "'"),
)


ODD_JSON = (
    *ODD_TEXTS,
    *ODD_WHOLE,
    *(real for real in ODD_REALS if math.isfinite(real)),
    None,
    True,
    [],
    {},
    [0],
    10**30,
)


def json_cases(seed):
    """JSON records without end: half of them hold odd values and are whole otherwise, half are spoilt as text."""
    draw = random.Random(seed)
    events = list(make_events(400))
    while True:
        event = dict(draw.choice(events))
        if draw.random() < 0.5:
            odd = draw.sample([*event, *(name for name, _ in OPTIONAL)], draw.randrange(1, 3))
            yield json.dumps(event | {name: draw.choice(ODD_JSON) for name in odd}).encode()
            continue
        text = json.dumps(event)
        for _ in range(draw.randrange(1, 4)):
            text = spoil_text(text, draw)
        value = text.encode(errors="surrogatepass")
        yield spoil_bytes(value, draw) if draw.random() < 0.3 else value


def spoil_text(text, draw):
    """The text with a piece put in, taken out, doubled, or a value changed for something awkward."""
    at, to = sorted((draw.randrange(len(text) + 1), draw.randrange(len(text) + 1)))
    match draw.randrange(5):
        case 0:
            return text[:at] + draw.choice(JSON_PIECES) + text[at:]
        case 1:
            return text[:at] + text[min(to, at + 20) :]
        case 2:
            return text[:to] + text[at:to][:200] + text[to:]
        case 3:
            colon = text.find(": ", at)
            end = min((found for sign in ",}" if (found := text.find(sign, colon)) > 0), default=len(text))
            return text[: colon + 2] + draw.choice(JSON_PIECES) + text[end:] if colon > 0 else text + "}"
    return text[:at] + chr(draw.choice((0, 9, 0x7F, 0xD800, 0x202E, 0x1F600))) + text[at + 1 :]


def recursive_bytes(depth):
    """A record that follows the recursive schema `depth` times: `next` is there, and there, and there."""
    body = io.BytesIO()
    plain = fastavro.parse_schema(record(*REQUIRED))
    event = {"event_id": "r", "machine": "M1", "at": dt.datetime(2026, 3, 2, tzinfo=dt.UTC), "kind": "state"}
    fastavro.schemaless_writer(body, plain, event)
    return (body.getvalue() + b"\x02") * depth + body.getvalue() + b"\x00"
