"""Adapters: what others publish, as documented by them, becomes events of our contract or a clear refusal."""

import datetime as dt
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from production.ingest.adapters import ADAPTERS
from production.ingest.adapters.message import Message, unpack_message
from production.ingest.adapters.packml import BY_NAME, BY_NUMBER, read_state
from production.ingest.adapters.umh import STATES, read_code
from production.ingest.contract import Refused, read_event
from production.ingest.refusals import EventRefused
from production.ingest.store import store_events
from production.models import Event

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "payload_samples"
FIGURES = SAMPLES.parent / "figures.json"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the public samples are not beside the project")

STAMP = dt.datetime(2026, 3, 2, 7, tzinfo=dt.UTC)
MILLIS = 1_589_788_888_888
AT = "2020-05-18T08:01:28.888000+00:00"


def translate(vocabulary, address, value, stamped_at=None):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return ADAPTERS[vocabulary](Message(address, body, stamped_at))


def one(vocabulary, address, value, stamped_at=None):
    """The one event of a message, without its id; it must be one of our contract."""
    (event,) = translate(vocabulary, address, value, stamped_at)
    assert not isinstance(event, Refused), event.detail
    read_event(event)
    return {name: said for name, said in event.items() if name != "event_id"}


def refusal(vocabulary, address, value):
    (refused,) = translate(vocabulary, address, value)
    assert isinstance(refused, Refused)
    return refused


class TestUmh:
    def test_a_state_code_becomes_one_of_our_states_with_its_reason(self):
        said = one("umh", "ia/factory/aachen/M4/state", {"timestamp_ms": MILLIS, "state": 180000})
        assert said == {"machine": "M4", "kind": "state", "at": AT, "state": "down", "reason": "EquipmentFailure"}

    def test_topics_of_kafka_have_dots(self):
        said = one("umh", "ia.factory.aachen.M4.state", {"timestamp_ms": MILLIS, "state": 10000})
        assert said == {"machine": "M4", "kind": "state", "at": AT, "state": "running"}

    def test_scrap_is_a_part_of_what_was_counted(self):
        said = one("umh", "ia/factory/aachen/M4/count", {"timestamp_ms": MILLIS, "count": "10", "scrap": 4})
        assert said == {"machine": "M4", "kind": "count", "at": AT, "good": 6.0, "scrap": 4.0}

    def test_more_scrap_than_pieces_is_refused(self):
        refused = refusal("umh", "ia/factory/aachen/M4/count", {"timestamp_ms": MILLIS, "count": 1, "scrap": 4})
        assert refused.code == "more_scrap_than_made"

    def test_a_state_with_an_end_is_an_interval(self):
        value = {"timestamp_ms": MILLIS, "timestamp_ms_end": MILLIS + 1000, "new_state": 150000}
        said = one("umh", "ia/factory/aachen/M4/modifyState", value)
        assert said["until"] == "2020-05-18T08:01:29.888000+00:00"
        assert (said["state"], said["reason"]) == ("planned_stop", "OperatorBreak")

    def test_readings_are_named_by_their_path(self):
        value = {"timestamp_ms": MILLIS, "pos": {"x": 12.5, "y": 7.3}, "note": "7"}
        events = translate("umh", "umh/v1/acme/cologne/cnc-cutter/_historian/head", value)
        assert {(event["machine"], event["name"], event["value"]) for event in events} == {
            ("cnc-cutter", "head.pos.x", 12.5),
            ("cnc-cutter", "head.pos.y", 7.3),
        }

    def test_a_batch_of_a_product_counts_where_it_ends(self):
        value = {
            "external_product_type_id": "5678",
            "start_time_unix_ms": MILLIS - 60_000,
            "end_time_unix_ms": MILLIS,
            "quantity": 100,
            "bad_quantity": 5,
        }
        said = one("umh", "umh/v1/acme/cologne/cnc-cutter/_analytics/product/add", value)
        assert said == {
            **{"machine": "cnc-cutter", "kind": "count", "at": AT, "good": 95.0, "scrap": 5.0},
            "product": "5678",
        }

    def test_two_pieces_of_one_millisecond_are_two(self):
        ids = {
            translate(
                "umh",
                "ia/f/a/M4/uniqueProduct",
                {"end_timestamp_ms": MILLIS, "product_id": "P", "isScrap": False, "uniqueProductAlternativeID": piece},
            )[0]["event_id"]
            for piece in ("1", "2")
        }
        assert len(ids) == 2

    def test_seconds_where_milliseconds_are_named_are_refused_and_explained(self):
        refused = refusal("umh", "ia/f/a/M4/processValue", {"timestamp_ms": 1702286893, "temperature_c": 154.1})
        assert refused.code == "seconds_for_milliseconds"
        assert "2023-12-11 09:28" in refused.detail

    def test_orders_and_products_are_left_aside(self):
        assert translate("umh", "ia/f/a/M4/addOrder", {"order_id": "7"}) == []
        assert translate("umh", "umh/v1/acme/cologne/M4/_analytics/work-order/start", {}) == []

    def test_a_correction_of_pieces_is_refused_not_forgotten(self):
        refused = refusal("umh", "ia/f/a/M4/modifyProducedPieces", {"timestamp_ms": MILLIS, "count": 10, "scrap": 10})
        assert refused.code == "unmapped_message"
        again = unpack_message(refused.raw)
        assert (again.address, json.loads(again.value)["count"]) == ("ia/f/a/M4/modifyProducedPieces", 10)

    @pytest.mark.parametrize("code", [9_999, 230_000, "x", None, True])
    def test_a_code_outside_the_table_is_refused(self, code):
        with pytest.raises(EventRefused) as caught:
            read_code(code)
        assert caught.value.code == "unmapped_state"

    @needs_samples
    def test_every_documented_state_has_a_meaning(self):
        codes = json.loads((SAMPLES / "umh_state_codes.json").read_text())
        assert len(codes) == json.loads(FIGURES.read_text())["payload_samples"]["umh_state_codes"]
        names = {row["code"]: row["name"].removesuffix("State").removesuffix("Stop").replace(" ", "") for row in codes}
        told = {code: read_code(code)[1] for code in names}
        plain = {10_000, 20_000, 30_000, 40_000, 50_000}
        assert {code: reason for code, reason in told.items() if code not in plain} == {
            code: name.replace("NOOrder", "NoOrder") for code, name in names.items() if code not in plain
        }

    def test_its_table_is_in_order(self):
        assert [code for code, _, _ in STATES] == sorted(code for code, _, _ in STATES)


class TestSparkplug:
    ADDRESS = "spBv1.0/Works/DDATA/edge-1/M4"

    def metric(self, name, value, **more):
        return {"timestamp": MILLIS, "metrics": [{"name": name, "timestamp": MILLIS, "value": value, **more}], "seq": 1}

    def test_a_state_by_its_packml_name(self):
        said = one("sparkplug", self.ADDRESS, self.metric("Status/StateCurrent", 6))
        assert said == {"machine": "M4", "at": AT, "kind": "state", "state": "running"}

    def test_a_counter_by_its_packml_name(self):
        said = one("sparkplug", self.ADDRESS, self.metric("Admin/ProdDefectiveCount/3/AccCount", 17))
        assert said == {"machine": "M4", "at": AT, "kind": "counter", "name": "defective.3", "value": 17.0}

    def test_any_other_number_is_a_measurement(self):
        said = one("sparkplug", self.ADDRESS, self.metric("Supply Voltage", 12.3))
        assert said == {"machine": "M4", "at": AT, "kind": "measurement", "name": "Supply Voltage", "value": 12.3}

    def test_levels_with_dots(self):
        said = one("sparkplug", self.ADDRESS.replace("/", "."), self.metric("Speed", 1))
        assert said["machine"] == "M4"

    def test_a_birth_that_repeats_a_value_is_the_same_event(self):
        data = translate("sparkplug", self.ADDRESS, self.metric("Speed", 1))
        birth = self.metric("Speed", 1) | {"timestamp": MILLIS + 5000, "seq": 0}
        assert translate("sparkplug", self.ADDRESS.replace("DDATA", "DBIRTH"), birth) == data

    def test_the_death_of_a_device_is_lost_contact(self):
        said = one("sparkplug", "spBv1.0/Works/DDEATH/edge-1/M4", {"timestamp": MILLIS, "seq": 2})
        assert said == {"machine": "M4", "at": AT, "kind": "state", "state": "unknown"}

    def test_a_metric_without_a_name_is_refused(self):
        value = {"timestamp": MILLIS, "metrics": [{"alias": 3, "value": 1}]}
        assert refusal("sparkplug", self.ADDRESS, value).code == "unnamed_metric"

    def test_commands_are_left_aside(self):
        assert translate("sparkplug", "spBv1.0/Works/DCMD/edge-1/M4", self.metric("Outputs/Green", True)) == []


class TestPackml:
    def test_a_plain_number_takes_the_stamp_of_the_transport(self):
        said = one("packml", "Site/Area/M4/Status/StateCurrent", b"11", STAMP)
        assert said == {
            **{"machine": "M4", "at": STAMP.isoformat(), "kind": "state"},
            **{"state": "down", "reason": "Held"},
        }

    @pytest.mark.parametrize("value", [b"Execute", b'"Execute"', b"6", b'"6"', b'{"value": 6}'])
    def test_a_state_may_be_a_name_or_a_number_in_text_or_not(self, value):
        assert one("packml", "Site/Area/M4/Status/StateCurrentStr", value, STAMP)["state"] == "running"

    def test_its_own_stamp_comes_first(self):
        said = one("packml", "Site/Area/M4/Status/StateCurrent", {"value": 6, "timestamp": MILLIS}, STAMP)
        assert said["at"] == AT

    def test_without_any_stamp_it_is_refused(self):
        assert refusal("packml", "Site/Area/M4/Status/StateCurrent", 6).code == "missing_field"

    def test_only_the_counter_that_never_starts_anew_is_read(self):
        address = "Site/Area/M4/Admin/ProdProcessedCount/26"
        said = one("packml", f"{address}/AccCount", b'"120"', STAMP)
        assert (said["kind"], said["name"], said["value"]) == ("counter", "processed.26", 120.0)
        assert translate("packml", f"{address}/Count", b"7", STAMP) == []

    def test_commands_are_left_aside(self):
        assert translate("packml", "Site/Area/M4/Command/Start", b"1", STAMP) == []

    def test_an_unknown_state_is_refused(self):
        with pytest.raises(EventRefused) as caught:
            read_state("Dancing")
        assert caught.value.code == "unmapped_state"

    def test_numbers_and_names_agree(self):
        assert {name for name, _ in BY_NUMBER.values()} == {name for name, _ in BY_NAME.values()}

    @needs_samples
    def test_every_documented_tag_is_read_or_left_aside_and_none_refused(self):
        for tag in json.loads((SAMPLES / "packml_topics.json").read_text()):
            value = {"StateCurrent": b"6", "StateCurrentStr": b"Execute"}.get(tag["topic"].rsplit("/", 1)[-1], b"1")
            for event in translate("packml", tag["topic"], value, STAMP):
                read_event(event)


@needs_samples
class TestSamples:
    """The payloads that the projects document, under every address they name."""

    def umh(self):
        for line in (SAMPLES / "umh_messages.jsonl").read_text().splitlines():
            sample = json.loads(line)
            kind = sample["file"].removesuffix(".md")
            if kind == "_historian":
                address = "umh/v1/acme/cologne/M4/_historian"
            elif kind == "_analytics":
                address = "umh/v1/acme/cologne/M4/_analytics/" + {
                    "Create": "work-order/create",
                    "Start": "work-order/start",
                    "Stop": "work-order/stop",
                    "Set Bad Quantity": "product/setBadQuantity",
                    "Delete": "shift/delete",
                }.get(sample["section"], "state/add" if "state" in (sample["payload"] or {}) else "shift/add")
            else:
                address = f"ia/acme/cologne/M4/{kind}"
            yield sample, Message(address, sample["raw"].encode())

    def test_what_is_no_json_is_refused_and_kept(self):
        refused = [
            sample
            for sample, message in self.umh()
            for event in ADAPTERS["umh"](message)
            if isinstance(event, Refused) and event.code == "invalid_json"
        ]
        figures = json.loads(FIGURES.read_text())["payload_samples"]
        # A recommendation is left aside unread: what is wrong within it harms nothing.
        expected = [place for place in figures["umh_invalid"] if place[0] != "recommendation.md"]
        assert [[sample["file"], sample["line"]] for sample in refused] == expected

    def test_seconds_in_a_field_of_milliseconds_are_found(self):
        found = [
            [sample["file"], sample["line"], "timestamp_ms", 1702286893]
            for sample, message in self.umh()
            for event in ADAPTERS["umh"](message)
            if isinstance(event, Refused) and event.code == "seconds_for_milliseconds"
        ]
        documented = json.loads(FIGURES.read_text())["payload_samples"]["stamps_in_seconds_although_named_ms"]
        # The other one is a cycle time of a product, which is master data.
        assert found == [place for place in documented if place[2] == "timestamp_ms"]

    def test_every_other_message_becomes_events_of_the_contract_or_is_named(self):
        for _sample, message in self.umh():
            for event in ADAPTERS["umh"](message):
                if not isinstance(event, Refused):
                    read_event(event)

    def test_sparkplugs_samples(self):
        refused = 0
        for line in (SAMPLES / "sparkplug_b_messages.jsonl").read_text().splitlines():
            sample = json.loads(line)
            address = sample["topic"] or "spBv1.0/Devices/DDATA/Raspberry Pi/Pibrella"
            events = ADAPTERS["sparkplug"](Message(address, sample["raw"].encode()))
            refused += any(isinstance(event, Refused) and event.code == "invalid_json" for event in events)
            for event in events:
                if not isinstance(event, Refused):
                    read_event(event)
        figures = json.loads(FIGURES.read_text())["payload_samples"]
        assert refused == figures["sparkplug_invalid_because_no_break_space"]


class TestPacking:
    @given(
        address=st.text(max_size=30),
        value=st.text(max_size=30),
        stamp=st.none() | st.datetimes(timezones=st.just(dt.UTC)),
    )
    def test_a_refused_message_can_be_made_again(self, address, value, stamp):
        address, value = (text.replace("\x00", "").encode(errors="ignore").decode() for text in (address, value))
        message = Message(address, value.encode(), stamp)
        assert unpack_message(message.pack()) == message

    @pytest.mark.parametrize("text", ["", "7", "[]", "{}", '{"address": 1}', '{"address": "a", "value": 3}'])
    def test_anything_else_is_none(self, text):
        assert unpack_message(text) is None


class TestNothingBreaksThem:
    @given(
        vocabulary=st.sampled_from(sorted(ADAPTERS)),
        address=st.one_of(
            st.text(max_size=60),
            st.sampled_from(
                [
                    *(
                        "ia/f/a/M4/state",
                        "ia/f/a/M4/count",
                        "umh/v1/a/b/M4/_historian",
                        "umh/v1/a/M4/_analytics/product/add",
                    ),
                    *(
                        "spBv1.0/g/DDATA/n/d",
                        "spBv1.0/g/NBIRTH/n",
                        "s/a/l/Status/StateCurrent",
                        "s/a/l/Admin/ProdProcessedCount/0/AccCount",
                    ),
                ]
            ),
        ),
        value=st.one_of(
            st.binary(max_size=80),
            st.recursive(
                st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(
                            ["timestamp_ms", "timestamp", "state", "count", "scrap", "metrics", "name", "value"]
                        ),
                        inner,
                        max_size=5,
                    )
                ),
                max_leaves=12,
            ).map(lambda value: json.dumps(value).encode()),
        ),
    )
    def test_every_answer_is_events_or_refusals(self, vocabulary, address, value):
        for event in ADAPTERS[vocabulary](Message(address, value, STAMP)):
            assert isinstance(event, Refused | dict)


class TestStored:
    def test_a_message_told_twice_is_stored_once(self, small_plant, now):
        address = "ia/factory/aachen/M1/count"
        events = translate("umh", address, {"timestamp_ms": MILLIS, "count": 10, "scrap": 4})
        receipts = [store_events(events=events, source="umh", now=now) for _ in range(2)]
        assert [(r.accepted, r.duplicate, r.quarantined) for r in receipts] == [(1, 0, 0), (0, 1, 0)]
        assert Event.objects.get().good == 6
