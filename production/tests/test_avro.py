"""Avro: our schema says what the contract says, old and new writers are read, and nothing dangerous is decoded."""

import datetime as dt
import io
import json
import typing

import fastavro
import msgspec
import pytest

from production.ingest.avro import (
    SCHEMA_FILE,
    SchemaRefused,
    check_definition,
    decode_record,
    parse_definition,
    read_header,
)
from production.ingest.contract import MachineEvent, Moment, Order, read_event
from production.ingest.refusals import EventRefused
from production.tests.kafka.mutations import hostile_schemas

OURS = json.loads(SCHEMA_FILE.read_text())
AT = dt.datetime(2026, 3, 2, 6, 15, 0, 123456, tzinfo=dt.UTC)
STAMP = {"type": "long", "logicalType": "timestamp-micros"}
EVENT = {"event_id": "a1", "machine": "M4", "at": AT, "kind": "state", "state": "down", "reason": "jam"}


def schema(*fields, name="MachineEvent", **more):
    return {"type": "record", "name": name, "namespace": "mesassist.v1", "fields": list(fields), **more}


def optional(name, kind="string"):
    return {"name": name, "type": ["null", kind], "default": None}


REQUIRED = [
    {"name": "event_id", "type": "string"},
    {"name": "machine", "type": "string"},
    {"name": "at", "type": STAMP},
    {"name": "kind", "type": "string"},
]


def written(definition, event=EVENT):
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(json.loads(json.dumps(definition))), event)
    return b"\x00\x00\x00\x00\x07" + body.getvalue()


def decoded(definition, event=EVENT):
    return decode_record(written(definition, event), parse_definition(json.dumps(definition)))


def avro_type(kind):
    """What a field of the contract is in Avro."""
    kinds = [inner for inner in typing.get_args(kind) if inner is not type(None)] if is_optional(kind) else [kind]
    (kind,) = kinds
    if kind == Moment:
        return STAMP
    if kind == Order:
        return "long"
    base = typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind
    return "double" if base is float else "string"


def is_optional(kind):
    return type(None) in typing.get_args(kind)


class TestOurSchema:
    def test_it_has_every_field_of_the_contract_with_its_type(self):
        wanted = {"kind": ("string", True)}
        for kind in typing.get_args(MachineEvent):
            hints = typing.get_type_hints(kind, include_extras=True)
            for field in msgspec.structs.fields(kind):
                is_required = field.name in ("event_id", "machine", "at")
                wanted[field.encode_name] = (avro_type(hints[field.name]), is_required)
        told = {
            field["name"]: (field["type"] if "default" not in field else field["type"][1], "default" not in field)
            for field in OURS["fields"]
        }
        assert told == wanted

    def test_what_it_leaves_out_is_empty(self):
        assert {field["default"] for field in OURS["fields"] if "default" in field} == {None}
        assert (OURS["namespace"], OURS["name"]) == ("mesassist.v1", "MachineEvent")

    def test_it_may_be_decoded(self):
        check_definition(SCHEMA_FILE.read_text())

    def test_a_record_of_it_is_the_same_event_as_in_json(self):
        event = read_event(decoded(OURS))
        assert event == read_event(json.dumps(EVENT | {"at": AT.isoformat()}).encode())


class TestEvolution:
    def test_an_older_writer_without_our_newer_fields_is_read(self):
        assert decoded(schema(*REQUIRED, optional("state"), optional("reason"))) == EVENT

    def test_a_newer_writers_field_is_left_out(self):
        newer = schema(*OURS["fields"], optional("batch"), optional("tools", {"type": "array", "items": "string"}))
        assert decoded(newer, EVENT | {"batch": "B7", "tools": ["T1", "T2"]}) == EVENT

    def test_fields_in_another_order_are_read_by_name(self):
        assert decoded(schema(optional("reason"), optional("state"), *reversed(REQUIRED))) == EVENT

    def test_whole_numbers_are_read_as_pieces(self):
        counts = schema(*REQUIRED, {"name": "good", "type": "long"})
        event = read_event(decoded(counts, {**EVENT, "kind": "count", "good": 3, "state": None, "reason": None}))
        assert event.good == 3.0

    @pytest.mark.parametrize(("unit", "kept"), [("millis", 123000), ("micros", 123456)])
    def test_a_stamp_is_read_in_the_unit_that_its_writer_names(self, unit, kept):
        fields = [*REQUIRED[:2], {"name": "at", "type": STAMP | {"logicalType": f"timestamp-{unit}"}}, REQUIRED[3]]
        assert decoded(schema(*fields))["at"] == AT.replace(microsecond=kept)

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("long", 1_772_432_100),
            ({"type": "long", "logicalType": "local-timestamp-micros"}, AT.replace(tzinfo=None)),
        ],
    )
    def test_a_stamp_that_names_no_moment_is_refused(self, kind, value):
        fields = [*REQUIRED[:2], {"name": "at", "type": kind}, REQUIRED[3]]
        found = decoded(schema(*fields, optional("state")), EVENT | {"at": value})
        with pytest.raises(EventRefused) as refused:
            read_event(found)
        assert refused.value.code in ("invalid_timestamp", "naive_timestamp")

    def test_a_writer_without_a_required_field_is_told_which(self):
        with pytest.raises(EventRefused) as refused:
            read_event(decoded(schema(*REQUIRED[:1], *REQUIRED[2:], optional("state"))))
        assert (refused.value.code, refused.value.detail.split("`")[1]) == ("missing_field", "machine")


class TestHeader:
    def test_it_gives_the_id_behind_the_magic_byte(self):
        assert read_header(b"\x00\x00\x00\x01\x02rest") == 258

    @pytest.mark.parametrize("value", [b"", b"\x00\x00\x00\x01", b"\x01\x00\x00\x00\x01x", b'{"event_id": "a"}'])
    def test_a_record_without_one_is_refused(self, value):
        with pytest.raises(EventRefused) as refused:
            read_header(value)
        assert refused.value.code == "no_schema_id"


class TestBadBytes:
    ready = parse_definition(json.dumps(OURS))

    def test_every_cut_and_every_addition_is_refused_and_nothing_else_happens(self):
        whole = written(OURS)
        for length in range(5, len(whole)):
            with pytest.raises(EventRefused) as refused:
                decode_record(whole[:length], self.ready)
            assert refused.value.code == "undecodable"
        with pytest.raises(EventRefused, match="left over"):
            decode_record(whole + b"\x00", self.ready)

    def test_a_count_behind_the_end_does_not_keep_it_busy(self):
        listed = schema(*REQUIRED, {"name": "tools", "type": {"type": "array", "items": "int"}, "default": []})
        whole = written(listed, EVENT | {"tools": []})
        with pytest.raises(EventRefused, match="does not fit"):
            decode_record(whole[:-1] + bytes.fromhex("fcffffffffffffff7f"), parse_definition(json.dumps(listed)))


HARMLESS = {"decimal key"}


class TestDangerousSchemas:
    @pytest.mark.parametrize(("name", "text"), [(n, t) for n, t in hostile_schemas().items() if n not in HARMLESS])
    def test_it_is_refused_unread(self, name, text):
        with pytest.raises(SchemaRefused):
            check_definition(text)

    def test_records_of_records_of_nothing_are_counted(self):
        inner = schema(name="R0")
        for number in range(1, 10):
            defined = {"name": "f0", "type": inner}
            again = [{"name": f"f{n}", "type": f"R{number - 1}"} for n in range(1, 9)]
            inner = schema(defined, *again, name=f"R{number}")
        with pytest.raises(SchemaRefused, match="over 5,000 values"):
            check_definition(json.dumps(schema(*REQUIRED, {"name": "x", "type": inner})))

    @pytest.mark.parametrize(
        ("definition", "said"),
        [
            ('"string"', "not a record"),
            ("{", "not JSON"),
            (json.dumps(schema({"name": "a", "type": "Elsewhere"})), "references are not followed"),
            (json.dumps(schema({"name": "a", "type": 7})), "no type"),
            (json.dumps({"type": "record", "name": "a"}), "no list of fields"),
            (json.dumps(schema(doc="x" * 300_000)), "over 262,144 bytes"),
        ],
    )
    def test_it_says_what_is_wrong(self, definition, said):
        with pytest.raises(SchemaRefused, match=said):
            check_definition(definition)
