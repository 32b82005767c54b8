"""Causes: which machine a refusal names, and which line of what came it is about."""

import json

import pytest

from dashboards.causes import ADVICE, advise, read_machine, read_pairs, show_content
from production.ingest.contract import read_or_refuse
from production.ingest.refusals import SENTENCES, EventRefused
from production.models import Quarantined

EVENT = {"event_id": "e1", "machine": "M1", "at": "2026-03-02T06:00:00Z", "kind": "state", "state": "running"}


def row_of(raw, **fields):
    text = raw if isinstance(raw, str) else json.dumps(raw)
    return Quarantined(raw=text, **{"code": "invalid", "detail": "", **fields})


def faults(row):
    return [line.text for line in show_content(row) if line.fault]


class TestReadMachine:
    @pytest.mark.parametrize("code", ["M9", "it's", 'a "b"', "press\n9", "Förderband 3", "{0!r}"])
    def test_it_reads_back_what_the_refusal_named(self, code):
        assert read_machine(EventRefused.because("unknown_machine", code).detail) == code

    @pytest.mark.parametrize("why", ["", "There is no machine.", SENTENCES["unknown_machine"], "x" * 5000])
    def test_other_words_name_none(self, why):
        assert read_machine(why) == ""

    def test_what_is_no_plain_text_is_not_run(self):
        why = SENTENCES["unknown_machine"].replace("{0!r}", "__import__('os').getpid()")
        assert read_machine(why) == ""


class TestFault:
    @pytest.mark.parametrize(
        ("changed", "line"),
        [
            ({"state": "on fire"}, 'state: "on fire"'),
            ({"kind": "party"}, 'kind: "party"'),
            ({"at": "2026-03-02T06:00:00"}, 'at: "2026-03-02T06:00:00"'),
            ({"at": "noon"}, 'at: "noon"'),
            ({"colour": "red"}, 'colour: "red"'),
            ({"machine": 7}, "machine: 7"),
            ({"machine": ""}, 'machine: ""'),
        ],
    )
    def test_the_field_that_the_contract_refuses_is_marked(self, changed, line):
        raw = json.dumps(EVENT | changed)
        refused = read_or_refuse(raw.encode())
        assert faults(row_of(raw, code=refused.code, detail=refused.detail)) == [line]

    def test_a_field_that_is_missing_is_shown_as_missing(self):
        raw = json.dumps({key: value for key, value in EVENT.items() if key != "machine"})
        refused = read_or_refuse(raw.encode())
        lines = show_content(row_of(raw, code=refused.code, detail=refused.detail))
        assert [line.text for line in lines if line.missing] == ["machine: –"]

    def test_both_of_two_equal_keys_are_marked(self):
        assert faults(row_of('{"a": 1, "b": 2, "a": 3}', code="duplicate_key")) == ["a: 1", "a: 3"]

    def test_the_cell_that_a_refusal_begins_with_is_marked(self):
        row = row_of({"Span": "x", "Good": "1"}, code="invalid_number", detail="Span is 'x', no number.")
        row.import_run_id = 1
        assert faults(row) == ['Span: "x"']

    @pytest.mark.parametrize("raw", ["", "no json", "[1, 2]", "7", "null", "[" * 100_000])
    def test_what_is_no_object_is_shown_as_it_came(self, raw):
        assert read_pairs(raw) is None
        assert faults(row_of(raw)) == []

    def test_objects_within_are_shown_whole(self):
        assert [line.text for line in show_content(row_of('{"a": {"b": [{"c": 1}]}}'))] == ['a: {"b": [{"c": 1}]}']

    def test_bytes_are_shown_as_digits_and_what_can_be_read(self):
        lines = show_content(row_of("00ff", content=b"\x00\xff" + b"A" * 600))
        assert lines[0].text.startswith("0000  00 ff 41 41")
        assert lines[-1].text == "... 602 bytes in all"

    def test_a_record_that_is_text_is_shown_as_text(self):
        assert [line.text for line in show_content(row_of('{"a": 1}', content=b'{"a": 1}'))] == ["a: 1"]


class TestAdvice:
    def test_every_cause_has_something_to_do(self):
        assert all(advise(code) for code in [*ADVICE, "something new"])
