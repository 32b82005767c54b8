"""Mutations: valid batches of events, spoilt in the ways that networks, clocks and people spoil them; seeded."""

import gzip
import json

VALUES = (
    "NaN", "-Infinity", "1e999", "-1e308", "9" * 400, "1" * 5000, "-0", "0x10", "01", "true", "null", '""', "[]", "{}",
    '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', '"' + "x" * 70_000 + '"', '"2026-02-30T25:61:61Z"',
    '"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59-23:59"', '"1979-12-31T23:59:59Z"', '"2026-03-02T06:15:00"',
    '"2026-03-02T06:15:60Z"', '"1996-02-29T00:00:00Z"', "[" * 600 + "]" * 600, '{"a":' * 600 + "1" + "}" * 600,
    '"manual"', '"inference:x"', '"M1"', '"down"', "9223372036854775808", "-9223372036854775809", "1e-400",
    '"\U0001f600"', '"\\uFFFE"', '"\x7f"', '"\x01"', "'single'", "[1,2", '"open',
)  # fmt: skip
KINDS = (
    {"kind": "state", "state": "down", "reason": "jam", "until": "2026-03-02T07:15:00+01:00"},
    {"kind": "state", "state": "running", "comment": "belt 2", "operator": "ana", "order": "O1", "product": "P1"},
    {"kind": "count", "good": 3, "scrap": 1, "rework": 0, "product": "P1"},
    {"kind": "counter", "name": "parts", "value": 7, "max": 100},
    {"kind": "measurement", "name": "oil", "value": 41.5, "unit": "C"},
)
BAD_BYTES = (b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\x1f\x8b")


def valid_event(rng, number):
    event = {"event_id": f"f{number}", "machine": "M1", "at": "2026-03-02T06:15:00+01:00", "sequence": number}
    return event | rng.choice(KINDS)


def mutate_event(rng, number):
    """The text of one event, spoilt in one of ten ways, or not at all."""
    event = valid_event(rng, number)
    name = rng.choice(list(event))
    fields = [f"{json.dumps(key)}:{json.dumps(value)}" for key, value in event.items()]
    way = rng.randrange(10)
    if way < 5:
        fields = [field for field in fields if not field.startswith(f'"{name}":')]
        fields.append(f"{json.dumps(name)}:{rng.choice(VALUES)}")
    elif way == 5:
        fields.append(rng.choice(fields))
    elif way == 6:
        fields.append(f"{json.dumps(rng.choice(['tenant', 'id', 'until', 'good', '', 'é']))}:{rng.choice(VALUES)}")
    elif way == 7:
        fields.remove(next(field for field in fields if field.startswith(f'"{name}":')))
    text = "{" + ",".join(fields) + "}"
    if way == 8:
        cut = rng.randrange(len(text))
        text = text[:cut] + rng.choice(["", "\\", '"', "}", "{", "\\u12", "\n"]) + text[cut + 1 :]
    return text


def mutate_batch(rng, first, size):
    """(body, content type, content encoding) of a batch of `size` mutated events, itself spoilt now and then."""
    events = [mutate_event(rng, first + number) for number in range(size)]
    lines = rng.random() < 0.5
    body = ("\n".join(events) if lines else '{"events":[' + ",".join(events) + "]}").encode(errors="surrogatepass")
    if rng.random() < 0.1:
        cut = rng.randrange(len(body) + 1)
        body = body[:cut] + rng.choice([b"", *BAD_BYTES]) + (b"" if rng.random() < 0.5 else body[cut + 1 :])
    encoding = "identity"
    if rng.random() < 0.2:
        encoding, body = "gzip", gzip.compress(body, 1)
        if rng.random() < 0.3:
            body = body[: rng.randrange(len(body) + 1)] + rng.choice([b"", *BAD_BYTES])
    return body, "application/x-ndjson" if lines else "application/json", encoding
