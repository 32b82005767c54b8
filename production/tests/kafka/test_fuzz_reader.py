"""Fuzz: no record, and no schema, ends, blocks or fills the process that reads it."""

import json
import os
import random
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from production.ingest.avro import SchemaRefused, check_definition, decode_record, parse_definition
from production.ingest.refusals import EventRefused
from production.tests.kafka.consumers import ROOT
from production.tests.kafka.mutations import BOMBS, DECIMAL, HEADER, HOSTILE, PLAIN, RICH, enrich, hostile_schemas
from production.tests.kafka.records import in_avro, make_events

GROWN_MB = 150
# Per record; a hung decoder would otherwise only be noticed when the broker misses it.
SLOWEST_S = 2.0
UNREADABLE = ("undecodable", "schema_refused", "invalid_json")


def read_mutated(payload, number, seed, *, within_s):
    """What the reader in its process tells of so many records; fails if it ends or does not end."""
    command = [sys.executable, "-m", "production.tests.kafka.fuzz_reader", payload, str(number), str(seed)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=within_s)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def check(told, errors, number):
    became = told["became"]
    assert "mistakes" not in became, errors[-3000:]
    assert sum(became.values()) > number
    assert len(became) > 3  # the mutations do reach different parts of the reader
    # What cannot be decoded never reaches what looks at its values, so a good part must be.
    assert sum(records for code, records in became.items() if code not in UNREADABLE) > 0.3 * number
    assert became["read"] > number / 50
    assert told["grown_mb"] < GROWN_MB
    assert told["slowest_s"] < SLOWEST_S


class TestReader:
    @pytest.mark.parametrize("payload", ["avro", "json"])
    def test_a_few_thousand_mutated_records_are_read_or_refused(self, payload):
        check(*read_mutated(payload, 4000, 1, within_s=60), 4000)

    @pytest.mark.fuzz
    @pytest.mark.parametrize("payload", ["avro", "json"])
    def test_a_hundred_thousand_mutated_records_are_read_or_refused(self, payload):
        told, errors = read_mutated(payload, 100_000, 7, within_s=1200)
        sys.stdout.write(f"{payload}: {told}\n")
        check(told, errors, 100_000)

    @pytest.mark.fuzz
    @pytest.mark.parametrize("payload", ["umh", "sparkplug", "packml"])
    def test_the_adapters_survive_them_too(self, payload):
        told, errors = read_mutated(payload, 20_000, 7, within_s=600)
        sys.stdout.write(f"{payload}: {told}\n")
        assert "mistakes" not in told["became"], errors[-3000:]
        assert told["grown_mb"] < GROWN_MB


class TestHostileSchemas:
    @pytest.mark.parametrize("name", [*HOSTILE, "deep"])
    def test_it_is_refused_before_anything_is_decoded_by_it(self, name):
        with pytest.raises(SchemaRefused):
            check_definition(hostile_schemas()[name])

    @pytest.mark.parametrize("schema", [PLAIN, RICH, DECIMAL], ids=["plain", "rich", "decimal"])
    def test_an_honest_one_passes(self, schema):
        check_definition(json.dumps(schema))


class TestSlowRecords:
    def test_a_count_beyond_the_end_of_the_record_is_noticed_at_once(self):
        """The decoder skips fields that we do not know, and does not look whether there is anything left to skip."""
        schema = parse_definition(json.dumps(RICH))
        good = in_avro(1, schema.writer, enrich(next(make_events(1)), random.Random(1)))
        assert decode_record(good, schema)["machine"] == "M1"
        for at in range(5, len(good)):
            for bomb in BOMBS:
                began = time.perf_counter()
                with suppress(EventRefused):
                    decode_record(good[:at] + bomb, schema)
                assert time.perf_counter() - began < SLOWEST_S

    def test_digits_are_not_turned_into_a_number(self):
        schema = parse_definition(json.dumps(DECIMAL))
        digits = b"\x80\xb5\x18" + b"\x7f" * 200_000
        began = time.perf_counter()
        assert decode_record(HEADER + digits + b"\x04M1\x02\x02a", schema)["machine"] == "M1"
        assert time.perf_counter() - began < SLOWEST_S
