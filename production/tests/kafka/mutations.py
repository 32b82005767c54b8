"""Mutations: endless seeded streams of spoilt records, and the schemas that a hostile producer would register."""

import datetime as dt
import io
import json
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


def avro_cases(seed):
    """(schema's text, the record's bytes behind the five of its header) without end."""
    draw = random.Random(seed)
    plain, rich = fastavro.parse_schema(PLAIN), fastavro.parse_schema(RICH)
    valid = [in_avro(1, plain, event)[5:] for event in make_events(200)]
    richer = [in_avro(2, rich, enrich(event, draw))[5:] for event in make_events(200)]
    texts = {"plain": json.dumps(PLAIN), "rich": json.dumps(RICH), "d": json.dumps(DECIMAL), **hostile_schemas()}
    names = list(texts)
    while True:
        text = texts[draw.choice(("plain", "rich")) if draw.random() < 0.8 else draw.choice(names)]
        if draw.random() < 0.1:
            text = spoil_text(text, draw)
        yield text, spoil_bytes(draw.choice(valid if draw.random() < 0.5 else richer), draw)


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


def json_cases(seed):
    """Spoilt JSON records without end."""
    draw = random.Random(seed)
    valid = [json.dumps(event) for event in make_events(400)]
    while True:
        text = draw.choice(valid)
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
