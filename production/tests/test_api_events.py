"""The events door: complete in its answer, harmless to repeat, and not to be talked into taking everything."""

import gzip
import json

import pytest

from production.models import Event, Quarantined

EVENTS = "/api/v1/events/"


def stop(**changes):
    return {
        "event_id": "a1",
        "machine": "M1",
        "at": "2026-03-02T06:15:00+01:00",
        "kind": "state",
        "state": "down",
        "reason": "jam",
    } | changes


@pytest.fixture
def send(caller, api_key, alfa, small_plant):
    """Sends events, or a raw body, with Alfa's ingest key."""
    key = api_key(alfa, "ingest")

    def go(body, content_type="application/json", **headers):
        if isinstance(body, list):
            body = json.dumps({"events": body})
        headers = {"Authorization": f"Api-Key {key}"} | headers
        return caller().post(EVENTS, body, content_type=content_type, headers=headers)

    return go


def problem_of(answer):
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


class TestAnswer:
    def test_new_events_are_accepted(self, send):
        answer = send([stop(), stop(event_id="a2", at="2026-03-02T06:30:00+01:00", state="running", reason=None)])
        assert answer.status_code == 200
        assert answer.json() == {"received": 2, "accepted": 2, "duplicate": 0, "quarantined": 0, "problems": []}

    def test_the_source_is_the_keys_name_unless_the_event_names_one(self, send):
        send([stop(), stop(event_id="a2", source="plc")])
        assert sorted(Event.objects.values_list("source", "event_id")) == [("erp-7", "a1"), ("plc", "a2")]

    def test_sending_it_again_adds_nothing(self, send):
        send([stop()])
        again = send([stop(at="2026-03-02T05:15:00Z")])
        assert again.json() == {"received": 1, "accepted": 0, "duplicate": 1, "quarantined": 0, "problems": []}
        assert Event.objects.count() == 1

    def test_each_problem_names_its_event_and_what_to_do(self, send):
        answer = send(
            [
                stop(),
                stop(event_id="a2", machine="M9"),
                stop(event_id="a3", at="2026-03-02T06:15:00"),
                stop(event_id="a4", at="2126-03-02T06:15:00+01:00"),
                stop(event_id="a5", colour="red"),
                stop(event_id="a1", state="running"),
                "nonsense",
            ]
        ).json()
        problems = answer.pop("problems")
        assert answer == {"received": 7, "accepted": 1, "duplicate": 0, "quarantined": 6}
        assert [(one["index"], one["event_id"], one["code"]) for one in problems] == [
            (1, "a2", "unknown_machine"),
            (2, "a3", "naive_timestamp"),
            (3, "a4", "future_timestamp"),
            (4, "a5", "unknown_field"),
            (5, "a1", "conflict"),
            (6, "", "invalid_json"),
        ]
        assert all(one["detail"] for one in problems)
        assert Quarantined.objects.count() == 6

    def test_every_one_of_5000_can_be_a_problem(self, send):
        answer = send([stop(event_id=f"a{n}", machine=f"X{n}") for n in range(5000)]).json()
        assert (answer["received"], answer["quarantined"], len(answer["problems"])) == (5000, 5000, 5000)

    def test_the_order_of_arrival_is_kept(self, send):
        send([stop(sequence=41), stop(event_id="a2", sequence=2**63 - 1), stop(event_id="a3")])
        assert sorted(Event.objects.values_list("event_id", "sequence")) == [
            ("a1", 41),
            ("a2", 2**63 - 1),
            ("a3", None),
        ]

    def test_no_events_are_no_problem(self, send):
        answer = send([])
        assert answer.json() == {"received": 0, "accepted": 0, "duplicate": 0, "quarantined": 0, "problems": []}

    def test_two_tenants_may_use_the_same_ids(self, send, caller, api_key, beta):
        send([stop()])
        headers = {"Authorization": f"Api-Key {api_key(beta, 'ingest')}"}
        body = json.dumps({"events": [stop()]})
        answer = caller().post(EVENTS, body, content_type="application/json", headers=headers).json()
        assert (answer["accepted"], answer["problems"][0]["code"]) == (0, "unknown_machine")
        assert Event.objects.count() == 1


class TestShapes:
    def test_lines_are_events_too(self, send):
        lines = "\n".join(json.dumps(stop(event_id=f"a{n}")) for n in range(3)) + "\n\n"
        assert send(lines, "application/x-ndjson").json()["accepted"] == 3

    def test_a_packed_body_is_unpacked(self, send):
        body = gzip.compress(json.dumps({"events": [stop()]}).encode())
        assert send(body, **{"Content-Encoding": "gzip"}).json()["accepted"] == 1

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "invalid"),
            (b"{", "invalid"),
            (b"[]", "invalid"),
            (b"{}", "invalid"),
            (b'{"events": 1}', "invalid"),
            (b'{"events": [], "tenant": 1}', "invalid"),
            (b"\xff", "invalid"),
            (b"[" * 100_000, "invalid"),
        ],
    )
    def test_what_is_no_batch_is_refused_as_a_whole(self, send, body, code):
        assert problem_of(send(body)) == (400, code)

    @pytest.mark.parametrize(("value", "status"), [("NaN", 400), ("Infinity", 400), ("1e999", 200)])
    def test_a_number_that_is_none_is_refused(self, send, value, status):
        event = '{"event_id": "c1", "machine": "M1", "at": "2026-03-02T06:15:00Z", "kind": "count", "good": 7.5}'
        answer = send('{"events": [' + event.replace("7.5", value) + "]}")
        assert answer.status_code == status
        assert answer.json().get("accepted", 0) == 0
        assert Event.objects.count() == 0

    def test_a_duplicate_key_a_nul_or_half_a_pair_is_refused_alone(self, send):
        bad = [
            '{"event_id":"b1","machine":"M1","at":"2026-03-02T06:15:00Z","kind":"state","state":"down","state":"idle"}',
            '{"event_id":"b2","machine":"M1","at":"2026-03-02T06:15:00Z","kind":"state","state":"down","comment":"\\u0000"}',
            '{"event_id":"b3","machine":"M1","at":"2026-03-02T06:15:00Z","kind":"state","state":"down","comment":"\\ud800"}',
        ]
        answer = send("\n".join([*bad, json.dumps(stop())]), "application/x-ndjson").json()
        assert (answer["accepted"], answer["quarantined"]) == (1, 3)

    def test_another_content_type_or_encoding_is_refused(self, send):
        assert problem_of(send("a,b", "text/csv")) == (415, "unsupported_media_type")
        assert problem_of(send("{}", **{"Content-Encoding": "br"})) == (415, "unsupported_encoding")


class TestLimits:
    def test_too_many_events_are_refused_and_none_taken(self, send, settings):
        settings.EVENTS_PER_REQUEST = 2
        assert problem_of(send([stop(event_id=f"a{n}") for n in range(3)])) == (413, "too_many_events")
        assert Event.objects.count() == 0

    def test_too_large_a_body_is_refused(self, send, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        assert problem_of(send([stop(comment="x" * 1000)])) == (413, "too_large")

    def test_a_body_that_unpacks_to_more_than_the_limit_is_refused(self, send):
        bomb = gzip.compress(b" " * 50_000_000)
        assert len(bomb) < 60_000
        assert problem_of(send(bomb, **{"Content-Encoding": "gzip"})) == (413, "too_large")

    @pytest.mark.parametrize("spoil", [lambda body: body[:-9], lambda body: body + b"more", lambda body: b"no"])
    def test_a_spoilt_packed_body_is_refused(self, send, spoil):
        body = spoil(gzip.compress(json.dumps({"events": [stop()]}).encode()))
        assert problem_of(send(body, **{"Content-Encoding": "gzip"})) == (400, "parse_error")


class TestWho:
    @pytest.mark.parametrize("scope", ["read", "analyse", "configure"])
    def test_another_scope_is_not_enough(self, caller, api_key, alfa, scope):
        headers = {"Authorization": f"Api-Key {api_key(alfa, scope)}"}
        answer = caller().post(EVENTS, {"events": []}, content_type="application/json", headers=headers)
        assert problem_of(answer) == (403, "scope_missing")

    def test_a_manager_may_send_by_hand_and_is_the_source(self, client_of, boris, small_plant):
        answer = client_of(boris).post(EVENTS, {"events": [stop()]}, content_type="application/json")
        assert answer.json()["accepted"] == 1
        assert Event.objects.get().source == "boris"

    def test_an_operator_may_not(self, client_of, ana, small_plant):
        answer = client_of(ana).post(EVENTS, {"events": [stop()]}, content_type="application/json")
        assert problem_of(answer) == (403, "role_too_low")

    def test_it_is_for_sending_only(self, caller, api_key, alfa):
        headers = {"Authorization": f"Api-Key {api_key(alfa, 'ingest', 'read')}"}
        assert problem_of(caller().get(EVENTS, headers=headers)) == (405, "method_not_allowed")

    @pytest.mark.parametrize("name", ["manual", "manual:ana", "inference:idle"])
    def test_an_old_key_of_a_reserved_name_lends_no_authority(self, caller, api_key, alfa, small_plant, name):
        headers = {"Authorization": f"Api-Key {api_key(alfa, 'ingest', name=name)}"}
        answer = caller().post(EVENTS, {"events": [stop()]}, content_type="application/json", headers=headers)
        assert answer.json()["accepted"] == 1
        assert Event.objects.get().source == f"sent by {name}"

    def test_a_foreign_tenants_header_finds_nothing(self, send, beta):
        assert problem_of(send([stop()], **{"X-Tenant": "beta"})) == (404, "not_found")
        assert Event.objects.count() == 0
