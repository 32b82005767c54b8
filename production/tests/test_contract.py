"""Contract: what an event must look like, and what its sender is told when it does not."""

import datetime as dt
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from production.ingest.contract import (
    BatchRefused,
    CounterEvent,
    CountEvent,
    MeasurementEvent,
    Refused,
    StateEvent,
    find_problem,
    hash_content,
    in_utc,
    read_batch,
    read_event,
    read_lines,
    read_or_refuse,
    write_event,
)
from production.ingest.refusals import SENTENCES, EventRefused
from production.models import EventKind, State

NOW = dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)
STATE = {"event_id": "a1", "machine": "M4", "at": "2026-03-02T06:15:00+01:00", "kind": "state", "state": "down"}
COUNT = {"event_id": "a1", "machine": "M4", "at": "2026-03-02T06:15:00+01:00", "kind": "count", "good": 3}


def code_of(raw):
    with pytest.raises(EventRefused) as refused:
        read_event(raw)
    return refused.value.code


def as_json(**changed):
    return json.dumps({**STATE, **changed}).encode()


class TestReadEvent:
    def test_it_reads_a_state(self):
        event = read_event(as_json(reason="jam", comment="belt 2", until="2026-03-02T06:20:00+01:00"))
        assert (event.machine, event.state, event.reason, event.comment) == ("M4", "down", "jam", "belt 2")
        assert event.until - event.at == dt.timedelta(minutes=5)

    def test_it_reads_the_other_kinds(self):
        key = {"event_id": "a1", "machine": "M4", "at": "2026-03-02T06:15:00Z"}
        assert read_event({**key, "kind": "count", "good": 3, "scrap": 0}) == CountEvent(
            event_id="a1", machine="M4", at=dt.datetime(2026, 3, 2, 6, 15, tzinfo=dt.UTC), good=3.0, scrap=0.0
        )
        counter = read_event({**key, "kind": "counter", "name": "parts", "value": 3763, "max": 9999})
        assert (type(counter), counter.value, counter.maximum) == (CounterEvent, 3763.0, 9999.0)
        measured = read_event({**key, "kind": "measurement", "name": "oil", "value": -4.5, "unit": "C"})
        assert (type(measured), measured.value, measured.unit) == (MeasurementEvent, -4.5, "C")

    def test_it_knows_the_states_and_kinds_of_the_models(self):
        assert [read_event({**STATE, "state": state}).state for state in State.values] == State.values
        tags = {kind.__struct_config__.tag for kind in (StateEvent, CountEvent, CounterEvent, MeasurementEvent)}
        assert tags == set(EventKind.values)

    @pytest.mark.parametrize(
        ("raw", "code"),
        [
            ({**STATE, "at": "2026-03-02T06:15:00"}, "naive_timestamp"),
            ({**STATE, "until": "2026-03-02T06:15:00"}, "naive_timestamp"),
            ({**STATE, "at": "2026-02-30T06:15:00Z"}, "invalid_timestamp"),
            ({**STATE, "at": 1_772_432_100}, "invalid_timestamp"),
            ({**STATE, "until": "2026-03-02T06:14:59+01:00"}, "ends_before_start"),
            ({**STATE, "state": "broken"}, "unknown_state"),
            ({**STATE, "kind": "alarm"}, "unknown_kind"),
            ({**STATE, "colour": "red"}, "unknown_field"),
            ({**STATE, "good": 1}, "unknown_field"),
            ({name: value for name, value in STATE.items() if name != "machine"}, "missing_field"),
            ({**STATE, "event_id": ""}, "invalid"),
            ({**STATE, "event_id": "x" * 65}, "invalid"),
            ({**STATE, "event_id": 7}, "invalid"),
            ({**STATE, "comment": "a\x00b"}, "nul_character"),
            ({**STATE, "comment": "\ud800"}, "lone_surrogate"),
            ({**COUNT, "good": -1}, "negative_quantity"),
            ({**COUNT, "good": "3"}, "invalid"),
            ({**COUNT, "good": None}, "empty_count"),
            ({**COUNT, "good": float("inf")}, "invalid"),
        ],
    )
    def test_it_refuses_with_a_code(self, raw, code):
        assert code_of(raw) == code
        if raw.get("comment") != "\ud800" and raw.get("good") != float("inf"):
            assert code_of(json.dumps(raw).encode()) == code

    @pytest.mark.parametrize(
        ("raw", "code"),
        [
            (b'{"event_id": "a", "event_id": "b"' + as_json()[17:], "duplicate_key"),
            (as_json() + b"]", "invalid_json"),
            (b'{"kind": "count", "good": NaN}', "invalid_json"),
            (b'{"kind": "count", "good": 1e999}', "invalid"),
            (b'{"kind": "state", "comment": "\\ud800 and more"}', "lone_surrogate"),
            (b'{"kind": "state", "comment": "\xff"}', "invalid_json"),
            (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b',"kind":"state"}', "too_deep"),
            (b"[1]", "invalid_json"),
            (b"", "invalid_json"),
        ],
    )
    def test_it_refuses_what_only_json_can_hold(self, raw, code):
        assert code_of(raw) == code

    def test_it_finds_a_repeated_key_behind_escaped_quotes(self):
        raw = as_json(comment="????")[:-1].replace(b"????", b"\\u0022\\u0022\\u0022\\u0022") + b', "state": "idle"}'
        assert code_of(raw) == "duplicate_key"

    def test_it_takes_escaped_text(self):
        assert read_event(as_json(comment='ż "ä" \n')).comment == 'ż "ä" \n'

    def test_every_sentence_says_what_to_do(self):
        assert {code for code, sentence in SENTENCES.items() if not sentence.endswith((".", "these."))} == set()

    def test_a_sentence_names_the_field(self):
        with pytest.raises(EventRefused, match=r"`until` has no offset, so it names no moment\. Send it like"):
            read_event({**STATE, "until": "2026-03-02T06:15:00"})


class TestFindProblem:
    def at(self, **late):
        return read_event({**STATE, "at": (NOW + dt.timedelta(**late)).isoformat()})

    def test_it_takes_what_is_five_minutes_ahead(self):
        assert find_problem(self.at(minutes=5), now=NOW) is None

    def test_it_refuses_what_is_further_ahead(self):
        assert find_problem(self.at(minutes=5, microseconds=1), now=NOW).code == "future_timestamp"

    def test_it_refuses_an_end_further_ahead(self):
        event = read_event({**STATE, "until": "2026-03-02T08:36:00Z"})
        assert find_problem(event, now=NOW).code == "future_timestamp"

    def test_it_refuses_a_clock_that_was_never_set(self):
        assert find_problem(read_event({**STATE, "at": "1970-01-01T00:00:00Z"}), now=NOW).code == (
            "implausible_timestamp"
        )


class TestReadBatch:
    def body(self, *events):
        return json.dumps({"events": events}).encode()

    def test_it_reads_all(self):
        assert list(read_batch(self.body(STATE, COUNT), limit=2)) == [read_event(STATE), read_event(COUNT)]

    def test_a_bad_event_leaves_the_others_alone(self):
        good, bad, other = read_batch(self.body(STATE, {**STATE, "state": "broken"}, COUNT), limit=3)
        assert (good, other) == (read_event(STATE), read_event(COUNT))
        assert isinstance(bad, Refused)
        assert (bad.code, bad.event_id, json.loads(bad.raw)) == ("unknown_state", "a1", {**STATE, "state": "broken"})

    def test_it_finds_the_event_with_the_repeated_key(self):
        body = self.body(STATE, STATE).replace(b'"state": "down"}]', b'"state": "down", "state": "idle"}]')
        good, bad = read_batch(body, limit=2)
        assert (good, bad.code) == (read_event(STATE), "duplicate_key")

    def test_it_refuses_more_than_the_limit(self):
        with pytest.raises(BatchRefused, match="2 events at once; send at most 1"):
            read_batch(self.body(STATE, STATE), limit=1)

    @pytest.mark.parametrize("body", [b"", b"[]", b'{"events": 3}', b'{"events": [], "more": 1}', b'{"events": ['])
    def test_it_refuses_what_is_no_batch(self, body):
        with pytest.raises(BatchRefused) as refused:
            read_batch(body, limit=10)
        assert refused.value.code == "invalid"

    def test_it_reads_lines(self):
        first, second = read_lines(as_json() + b"\n\n" + b"{}\n", limit=2)
        assert (first, second.code) == (read_event(STATE), "missing_field")


class TestHash:
    def test_the_same_moment_in_another_zone_is_the_same_content(self):
        other = {**STATE, "at": "2026-03-02T05:15:00Z"}
        assert hash_content(in_utc(read_event(STATE))) == hash_content(in_utc(read_event(other)))

    def test_a_field_that_is_not_recorded_is_not_nought(self):
        assert hash_content(read_event(COUNT)) != hash_content(read_event({**COUNT, "scrap": 0}))


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=64)
moments = st.datetimes(dt.datetime(1980, 1, 2), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001
pieces = st.none() | st.floats(0, 1e12)
keys = {"event_id": texts, "machine": texts, "at": moments, "source": st.none() | texts}
events = st.one_of(
    st.builds(
        StateEvent, **keys, state=st.sampled_from(State.values), reason=st.none() | texts, comment=st.none() | texts
    ),
    st.builds(CountEvent, **keys, good=st.floats(0, 1e12), scrap=pieces, product=st.none() | texts),
    st.builds(CounterEvent, **keys, name=texts, value=st.floats(-1e300, 1e300), maximum=pieces),
    st.builds(MeasurementEvent, **keys, name=texts, value=st.floats(-1e300, 1e300)),
)


class TestRepeatedKeys:
    @given(event=events, pick=st.randoms(use_true_random=False), text=st.text(alphabet='"\\\\u02ab: ', max_size=9))
    def test_they_are_found_wherever_they_stand(self, event, pick, text):
        pairs = list(msgspec.json.decode(write_event(event)).items())
        again = pick.choice([pair for pair in pairs if pair[0] != "kind"])
        pairs.insert(pick.randrange(1, len(pairs) + 1), (again[0], pick.choice([again[1], text])))
        body = ", ".join(f"{json.dumps(name)} : {json.dumps(value)}" for name, value in pairs)
        # Either value may be at fault in another way as well; but no such event is ever taken.
        assert isinstance(read_or_refuse(f"{{{body}}}".encode()), Refused)


class TestRoundTrip:
    @given(events)
    def test_what_is_written_reads_as_the_same(self, event):
        read = read_event(write_event(event))
        assert read == event
        assert hash_content(read) == hash_content(event)

    @given(st.binary(max_size=200) | st.builds(lambda value: msgspec.json.encode(value), st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*STATE, "x"]), inner, max_size=6),
    )))  # fmt: skip
    def test_whatever_comes_is_read_or_refused(self, raw):
        outcome = read_or_refuse(raw)
        assert isinstance(outcome, StateEvent | CountEvent | CounterEvent | MeasurementEvent) or outcome.detail
