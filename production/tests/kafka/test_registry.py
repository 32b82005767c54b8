"""The stand-in for the schema registry answers as its clients expect, and our own schema stays readable."""

import json
import urllib.error
import urllib.request

import pytest

from production.ingest.avro import SCHEMA_FILE
from production.tests.kafka.compatibility import find_breaks

OURS = json.loads(SCHEMA_FILE.read_text())


def record(*fields):
    return {"type": "record", "name": "E", "fields": list(fields)}


A = {"name": "a", "type": "string"}
B = {"name": "b", "type": ["null", "long"], "default": None}


def ask(registry, method, path, body=None):
    """(status, answer)."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(registry.url + path, data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def wrap(schema):
    return {"schema": json.dumps(schema)}


class TestRegistry:
    def test_it_gives_ids_versions_and_schemas(self, registry):
        assert ask(registry, "POST", "/subjects/t-value/versions", wrap(record(A))) == (200, {"id": 1})
        assert ask(registry, "POST", "/subjects/t-value/versions", wrap(record(A, B))) == (200, {"id": 2})
        assert ask(registry, "POST", "/subjects/u-value/versions", wrap(record(A))) == (200, {"id": 1})
        assert ask(registry, "GET", "/schemas/ids/2") == (200, wrap(record(A, B)))
        assert ask(registry, "GET", "/schemas/ids/1/subjects") == (200, ["t-value", "u-value"])
        assert ask(registry, "GET", "/schemas/ids/2/versions") == (200, [{"subject": "t-value", "version": 2}])
        latest = {"subject": "t-value", "id": 2, "version": 2, **wrap(record(A, B))}
        assert ask(registry, "GET", "/subjects/t-value/versions/latest") == (200, latest)
        assert ask(registry, "POST", "/subjects/t-value", wrap(record(A, B))) == (200, latest)

    @pytest.mark.parametrize(
        ("path", "code"),
        [("/schemas/ids/9", 40403), ("/subjects/x/versions", 40401), ("/subjects/t-value/versions/7", 40402)],
    )
    def test_it_says_what_it_has_not(self, registry, path, code):
        registry.register("t-value", record(A))
        status, said = ask(registry, "GET", path)
        assert (status, said["error_code"]) == (404, code)

    def test_it_refuses_what_cannot_read_the_earlier_ones(self, registry):
        registry.register("t-value", record(A))
        registry.register("t-value", record(A, B))
        ask(registry, "PUT", "/config/t-value", {"compatibility": "BACKWARD_TRANSITIVE"})
        without_default = record(A, {"name": "b", "type": ["null", "long"]})
        status, said = ask(registry, "POST", "/subjects/t-value/versions", wrap(without_default))
        assert (status, said["error_code"]) == (409, 409)
        assert ".b: the writer has no such field and the reader no default" in said["message"]
        answer = ask(registry, "POST", "/compatibility/subjects/t-value/versions/2", wrap(without_default))
        assert answer == (200, {"is_compatible": True, "messages": []})


class TestOurSchema:
    """BACKWARD_TRANSITIVE: every version of ours that was ever released can be read by the one of today."""

    @pytest.mark.parametrize("path", sorted(SCHEMA_FILE.parent.glob("*.avsc")), ids=lambda path: path.stem)
    def test_it_reads_every_release(self, path):
        assert find_breaks(OURS, json.loads(path.read_text())) == []

    def test_every_field_beyond_the_first_four_may_be_missing(self):
        required = [field["name"] for field in OURS["fields"] if "default" not in field]
        assert required == ["event_id", "machine", "at", "kind"]


class TestRules:
    @pytest.mark.parametrize(
        ("reader", "writer", "breaks"),
        [
            ("long", "int", 0),
            ("int", "long", 1),
            ("string", "bytes", 0),
            (["null", "string"], "string", 0),
            ("string", ["null", "string"], 1),
            ({"type": "enum", "name": "S", "symbols": ["a"]}, {"type": "enum", "name": "S", "symbols": ["a", "b"]}, 1),
            ({"type": "array", "items": "double"}, {"type": "array", "items": "int"}, 0),
            ({"type": "map", "values": "int"}, {"type": "map", "values": "string"}, 1),
            ({"type": "fixed", "name": "F", "size": 4}, {"type": "fixed", "name": "F", "size": 8}, 1),
            (record(A), record(A, B), 0),
            (record(A, B), record(A), 0),
            (record(B, A), record(B), 1),
            (record({"name": "n", "type": ["null", "E"]}), record({"name": "n", "type": ["null", "E"]}), 0),
        ],
    )
    def test_it_knows_what_reads_what(self, reader, writer, breaks):
        assert len(find_breaks(reader, writer)) == breaks
