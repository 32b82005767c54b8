"""Records: one Kafka record is one event, several, none on purpose, or refused; the tenant is never its to say."""

import datetime as dt
import json

import pytest

from production.ingest.contract import Refused, StateEvent
from production.ingest.records import EVENTS_PER_RECORD, RECORD_BYTES, read_record
from production.ingest.refusals import EventRefused
from production.models import KafkaSource, Payload


def event(number=1, **more):
    return {
        "event_id": f"e{number}",
        "machine": "M1",
        "at": "2026-03-02T06:15:00+01:00",
        "kind": "state",
        "state": "down",
    } | more


def source(payload=Payload.JSON, topic="presses"):
    return KafkaSource(name="presses", topic=topic, payload=payload)


def read(value, payload=Payload.JSON, **more):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_record(source=source(payload), value=raw, **more)


class TestJson:
    def test_one_event_is_one_event(self):
        (told,) = read(event())
        assert (type(told), told.event_id, told.state) == (StateEvent, "e1", "down")

    @pytest.mark.parametrize("wrap", [list, lambda events: {"events": events}], ids=["list", "body"])
    def test_several_are_read_in_order_and_a_bad_one_spoils_no_other(self, wrap):
        told = read(wrap([event(1), event(2, state="asleep"), event(3)]))
        assert [type(one) for one in told] == [StateEvent, Refused, StateEvent]
        assert (told[1].code, told[1].event_id) == ("unknown_state", "e2")

    def test_none_are_none(self):
        assert read([]) == read({"events": []}) == []

    @pytest.mark.parametrize(
        ("value", "code"),
        [
            (b"", "invalid_json"),
            (b"hello", "invalid_json"),
            (b"\xff\xfe", "invalid_json"),
            (b"[{", "invalid_json"),
            (b'{"events": 3}', "invalid"),
            (json.dumps(event(tenant="beta")).encode(), "unknown_field"),
            (json.dumps([{}] * (EVENTS_PER_RECORD + 1)).encode(), "too_many_events"),
            (b" " * (RECORD_BYTES + 1), "too_large"),
        ],
    )
    def test_what_cannot_be_read_is_refused_as_a_whole(self, value, code):
        with pytest.raises(EventRefused) as refused:
            read(value)
        assert refused.value.code == code


class TestAdapters:
    def test_the_key_is_the_address_and_the_records_stamp_is_passed_on(self):
        stamped = dt.datetime(2026, 3, 2, 5, 15, tzinfo=dt.UTC)
        address = "umh/v1/plant/line/M1/_event/state"
        by_key = read({"timestamp_ms": 1772428500000, "state": 10000}, Payload.UMH, address=address, stamped_at=stamped)
        by_topic = read_record(
            source=source(Payload.UMH, topic=address),
            value=b'{"timestamp_ms": 1772428500000, "state": 10000}',
            stamped_at=stamped,
        )
        assert by_key == by_topic

    def test_nonsense_is_told_as_refused_and_raises_nothing_else(self):
        for payload in (Payload.UMH, Payload.SPARKPLUG, Payload.PACKML):
            try:
                told = read(b"\x00nonsense", payload)
            except EventRefused:
                continue
            assert all(isinstance(one, Refused) for one in told)
