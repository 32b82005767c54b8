"""Avro: records in the Confluent wire format, read by our own schema; what could kill the decoder is refused unread.

The decoder follows a schema where it leads: one that contains itself, or a list of nothing, lets a few bytes end the
process or fill its memory, and no `except` helps. So a schema is looked at before the first record is decoded by it.
Where a schema repeats something, a count of 2^62 would keep the decoder skipping behind the end of the record for
years: there every read is checked.
"""

import io
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
import msgspec

from production.ingest.refusals import EventRefused

SCHEMA_FILE = Path(__file__).with_name("schemas") / "machine_event_v1.avsc"
MAGIC = 0
HEADER_BYTES = 5
FIXED_BYTES = 1024 * 1024
DEFINITION_BYTES = 256 * 1024
DEPTH = 16
# How many values one record may consist of, arrays counted once; also bounds records of nothing but records.
VALUES = 5_000
PRIMITIVE = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}

Definition = Any


class Schema(NamedTuple):
    """A writer's schema as the decoder wants it; where it holds arrays or maps, also the part of it that we know."""

    writer: Definition
    known: Definition | None = None


class CheckedBytes(io.BytesIO):
    """A record that says where it ends, which the decoder does not look at while it skips."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Exactly `size` bytes; raises EOFError where there are fewer."""
        found = super().read(size)
        if size is None or len(found) != size:
            raise EOFError(f"{size} bytes wanted, {len(found)} left")
        return found


class SchemaRefused(Exception):
    """Records of a schema are not decoded; the message says why."""


def read_header(value: bytes) -> int:
    """The schema id in front of a record; raises `EventRefused` when there is none."""
    if len(value) < HEADER_BYTES or value[0] != MAGIC:
        raise EventRefused.because("no_schema_id")
    return int.from_bytes(value[1:HEADER_BYTES], "big")


def decode_record(value: bytes, schema: Schema) -> dict[str, Any]:
    """The fields of a record in the wire format, those that say nothing left out; raises `EventRefused`.

    `schema` is what `parse_definition` gave. Fields that ours does not know are left out as well.
    """
    # Built whole, a record without arrays is read quicker; of one with them the unknown fields are skipped, because a
    # megabyte of records in a list takes a quarter of a gigabyte.
    body = CheckedBytes(value) if schema.known else io.BytesIO(value)
    body.seek(HEADER_BYTES)
    try:
        found: Any = fastavro.schemaless_reader(body, schema.writer, schema.known)
    # Whatever bytes can make a decoder raise: the record is to blame, and only the record is set aside.
    except Exception as error:
        raise EventRefused.because("undecodable", f"{type(error).__name__}: {error}"[:300]) from error
    if body.tell() != len(value):
        raise EventRefused.because("undecodable", "bytes are left over")
    known = known_fields()
    return {name: said for name, said in found.items() if said is not None and name in known}


@cache
def known_fields() -> frozenset[str]:
    """The names of `MachineEvent`'s fields."""
    return frozenset(field["name"] for field in reader_schema()["fields"])


@cache
def reader_schema() -> Definition:
    """`MachineEvent` of this version."""
    return fastavro.parse_schema(json.loads(SCHEMA_FILE.read_text()))


def parse_definition(definition: str) -> Schema:
    """A writer's schema, ready for `decode_record`; only one that `check_definition` let pass, or in a process that may
    die of it. Raises `SchemaRefused`."""
    try:
        found = _keep_times(msgspec.json.decode(definition))
        # Encoded anew: in the text as it came an escape could hide the word.
        text = msgspec.json.encode(found)
        if b'"array"' not in text and b'"map"' not in text:
            return Schema(fastavro.parse_schema(found))
        ours = [field for field in found["fields"] if field["name"] in known_fields()]
        told = msgspec.json.encode(ours)
        if b'"array"' in told or b'"map"' in told:
            raise TypeError("a field of an event is a list or a map")
        return Schema(fastavro.parse_schema(found), fastavro.parse_schema(found | {"fields": ours}))
    except Exception as error:  # whatever somebody else's text makes the parser raise
        raise SchemaRefused(f"The schema cannot be read ({type(error).__name__}: {error})."[:300]) from error


def _keep_times(node: Any) -> Any:
    """The schema without logical types except moments: turning 100 kB into a decimal takes a quarter of a minute."""
    if isinstance(node, list):
        return [_keep_times(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    return {
        name: _keep_times(inner)
        for name, inner in node.items()
        if name != "logicalType" or (isinstance(inner, str) and "timestamp-" in inner)
    }


def check_definition(definition: str) -> None:
    """Raise `SchemaRefused` for a schema that is no record, or by which few bytes could mean too much."""
    if len(definition.encode(errors="replace")) > DEFINITION_BYTES:
        raise SchemaRefused(f"The schema is over {DEFINITION_BYTES:,} bytes.")
    try:
        found = msgspec.json.decode(definition)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise SchemaRefused(f"The schema is not JSON: {error}."[:300]) from error
    if not isinstance(found, dict) or found.get("type") != "record":
        raise SchemaRefused("The schema is not a record.")
    _Survey().measure(found)


class _Survey:
    """Walks a schema once, before any library does: how deep it is, how many values it makes, what it repeats."""

    def __init__(self) -> None:
        # By full name; None while the type is being measured, so that meeting it again means that it contains itself.
        self.known: dict[str, tuple[int, int] | None] = {}

    def measure(self, node: Any, space: str = "", depth: int = 1) -> tuple[int, int]:
        """(values, least bytes) of a value of this type; raises `SchemaRefused`."""
        if depth > DEPTH:
            raise SchemaRefused(f"The schema is nested deeper than {DEPTH} levels.")
        values, least = self._measure(node, space, depth)
        if values > VALUES:
            raise SchemaRefused(f"A record of the schema has over {VALUES:,} values.")
        return values, least

    def _measure(self, node: Any, space: str, depth: int) -> tuple[int, int]:
        if isinstance(node, str):
            return self._named(node, space)
        if isinstance(node, list):
            branches = [self.measure(branch, space, depth + 1) for branch in node]
            return 1 + sum(values for values, _ in branches), 1
        if not isinstance(node, dict):
            raise SchemaRefused("The schema holds something that is no type.")
        kind = node.get("type")
        if kind in ("array", "map"):
            return self._repeated(node.get("items" if kind == "array" else "values"), space, depth)
        if kind in ("record", "error", "enum", "fixed"):
            return self._defined(node, space, depth)
        return self.measure(kind, space, depth + 1)

    def _named(self, name: str, space: str) -> tuple[int, int]:
        if name in PRIMITIVE:
            return 1, 0 if name == "null" else 1
        full = f"{space}.{name}" if space and "." not in name else name
        found = full if full in self.known else name
        if found not in self.known:
            raise SchemaRefused(f"The type {name[:100]} is not in the schema; references are not followed.")
        size = self.known[found]
        if size is None:
            raise SchemaRefused(f"The type {name[:100]} contains itself.")
        return size

    def _repeated(self, items: Any, space: str, depth: int) -> tuple[int, int]:
        values, least = self.measure(items, space, depth + 1)
        if least == 0:
            raise SchemaRefused("It repeats a type that takes no bytes: five bytes could mean a billion values.")
        return 1 + values, 1

    def _defined(self, node: Mapping[str, Any], space: str, depth: int) -> tuple[int, int]:
        name, space = _full_name(node, space)
        if name in self.known:
            raise SchemaRefused(f"The type {name[:100]} is defined twice.")
        self.known[name] = None
        values, least = 1, 0
        if node["type"] == "enum":
            least = 1
        elif node["type"] == "fixed":
            size = node.get("size")
            least = size if isinstance(size, int) and 0 <= size <= FIXED_BYTES else _refuse_size()
        else:
            for field in _fields_of(node):
                more, bytes_more = self.measure(field.get("type"), space, depth + 1)
                values, least = values + more, least + bytes_more
        self.known[name] = values, least
        return values, least


def _full_name(node: Mapping[str, Any], space: str) -> tuple[str, str]:
    """The full name of a definition and the name space inside it."""
    name, own = str(node.get("name", "")), node.get("namespace")
    if "." in name:
        return name, name.rpartition(".")[0]
    inside = own if isinstance(own, str) else space
    return f"{inside}.{name}" if inside else name, inside


def _fields_of(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    fields = node.get("fields")
    if not isinstance(fields, list) or not all(isinstance(field, dict) for field in fields):
        raise SchemaRefused("A record has no list of fields.")
    return fields


def _refuse_size() -> int:
    raise SchemaRefused("A fixed type has no sensible size.")
