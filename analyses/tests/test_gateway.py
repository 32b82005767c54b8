"""The gateway against the offline analyst over HTTP: every way a call ends, as the gateway alone tells it."""

import datetime as dt
import hashlib
import json
import time
from email.utils import format_datetime

import pytest

from analyses import wire
from analyses.answers import Answer, Delta
from analyses.gateway import (
    GatewayError,
    canonical_bytes,
    find_destination,
    list_models,
    read_retry_after,
    stream_answer,
    try_endpoint,
)
from analyses.tests.servers import chunk, server, sse
from mesassist.tenants.tests.approving import approved
from offline_analyst.process import clear_log, read_log

TOKEN = "sk-test-0123456789abcdef"
PROMPT = """\
<<<FACTS
F1: OEE was 53.0 %.
F2: Press 2 was down for 5 h 12 min.
FACTS>>>
<<<TABLE
machine,OEE %
TABLE>>>
Question:
What stands out?"""


def request_for(model, **more):
    messages = [{"role": "system", "content": "Answer language: en"}, {"role": "user", "content": PROMPT}]
    return {
        "model": model,
        "messages": messages,
        "temperature": 0.2,
        "max_completion_tokens": 400,
        "stream": True,
        "stream_options": {"include_usage": True},
    } | more


def call(endpoint, model, *, token=TOKEN, deadline_s=5.0, request=None, **more):
    """All deltas and the answer of one call."""
    pieces = list(
        stream_answer(
            endpoint=endpoint,
            token=token,
            request=request or request_for(model),
            deadline_s=deadline_s,
            prompt_tokens_estimated=80,
            **more,
        )
    )
    return pieces[:-1], pieces[-1]


@pytest.fixture(autouse=True)
def hang_up():
    yield
    wire.close_lines()


@pytest.fixture(autouse=True)
def their_hosts():
    """What the tests below call though nobody is there."""
    with approved("127.0.0.1:1", "nowhere.invalid:80"):
        yield


@pytest.fixture
def fresh(analyst):
    clear_log(analyst)
    return analyst


class TestAnswer:
    def test_it_arrives_in_pieces_and_whole(self, fresh):
        deltas, answer = call(fresh, "offline-analyst")
        assert all(isinstance(delta, Delta) for delta in deltas)
        assert len(deltas) > 3
        assert isinstance(answer, Answer)
        assert "".join(delta.text for delta in deltas) == answer.text
        assert (answer.model, answer.finish_reason, answer.failure) == ("offline-analyst", "stop", "")
        assert answer.usage.prompt_tokens > 50
        assert not answer.usage.estimated
        assert answer.provider_request_id.startswith("req_")

    def test_its_hash_is_that_of_the_bytes_the_server_got(self, fresh):
        _, answer = call(fresh, "offline-analyst")
        (seen,) = read_log(fresh)
        assert seen["body_sha256"] == answer.request_sha256
        assert seen["body_sha256"] == hashlib.sha256(canonical_bytes(request_for("offline-analyst"))).hexdigest()

    def test_it_keeps_the_connection_for_the_next_call(self):
        ports = []

        def answer(handler, body):
            ports.append(handler.client_address)
            handler.send(200, sse(chunk("ready", "stop")), content_type="text/event-stream")

        with server(answer) as (url, _):
            for _ in range(3):
                call(url, "m-1")
        assert len(set(ports)) == 1

    def test_its_waiting_is_interruptible_while_nothing_arrives(self, fresh):
        class Enough(Exception):
            pass

        began = time.monotonic()

        def look():
            if time.monotonic() - began > 0.6:
                raise Enough

        with pytest.raises(Enough):
            call(fresh, "fault-timeout", deadline_s=20, on_wait=look)
        assert time.monotonic() - began < 3


class TestWhatIsSent:
    def test_no_token_sends_no_authorization(self, fresh):
        call(fresh, "offline-analyst", token="")
        assert [seen["authorization_present"] for seen in read_log(fresh)] == [False]

    def test_nothing_of_this_machine_or_its_environment_goes_along(self, monkeypatch):
        monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-platform")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "x-platform: secret\nAuthorization: Bearer platform")
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        with server(lambda handler, body: handler.send(200, sse(chunk("a", "stop")))) as (url, seen):
            call(url, "m-1")
        ((headers, _),) = seen
        assert set(headers) == {
            "host",
            "accept",
            "accept-encoding",
            "connection",
            "user-agent",
            "content-type",
            "content-length",
            "authorization",
        }
        assert headers["authorization"] == f"Bearer {TOKEN}"

    def test_cookies_of_one_call_do_not_reach_the_next(self):
        def answer(handler, body):
            handler.send(200, sse(chunk("a", "stop")), set_cookie="tenant=alfa")

        with server(answer) as (url, seen):
            call(url, "m-1")
            call(url, "m-1")
        assert [headers.get("cookie") for headers, _ in seen] == [None, None]

    @pytest.mark.parametrize(
        ("refused", "sent_instead"),
        [("max_completion_tokens", {"max_tokens": 400}), ("temperature", {}), ("stream_options", {})],
    )
    def test_a_refused_parameter_is_corrected_once(self, refused, sent_instead):
        def answer(handler, body):
            if refused in body:
                error = {
                    "message": f"Unsupported parameter: '{refused}'.",
                    "param": refused,
                    "code": "unsupported_parameter",
                }
                handler.send(400, json.dumps({"error": error}).encode())
            else:
                handler.send(200, sse(chunk("a", "stop")), content_type="text/event-stream")

        with server(answer) as (url, seen):
            _, got = call(url, "m-1")
        bodies = [body for _, body in seen]
        expected = {name: value for name, value in request_for("m-1").items() if name != refused} | sent_instead
        assert bodies == [request_for("m-1"), expected]
        assert got.request == expected
        assert got.request_sha256 == hashlib.sha256(canonical_bytes(expected)).hexdigest()


def ends(code, **more):
    return {"code": code, "retryable": False, "http_status": None, **more}


# Calls that bring no answer: fault -> how the error reads. The others end in an Answer (`ANSWERS`).
ERRORS = {
    "fault-401": ends("credentials", http_status=401),
    "fault-403": ends("credentials", http_status=403),
    "fault-404": ends("model_not_found", http_status=404),
    "fault-429-retry-after-1": ends("rate_limited", http_status=429, retryable=True),
    "fault-quota": ends("quota_exhausted", http_status=429),
    "fault-500": ends("unreachable", http_status=500, retryable=True),
    "fault-503-twice": ends("unreachable", http_status=503, retryable=True),
    "fault-timeout": ends("timeout", retryable=True),
    "fault-drip": ends("timeout"),
    "fault-garbage": ends("protocol", retryable=True),
    "fault-html": ends("protocol", retryable=True),
    "fault-empty-choices": ends("protocol", retryable=True),
    "fault-huge": ends("protocol"),
    "fault-redirect": ends("blocked_destination", http_status=307),
}
# fault -> finish_reason, failure, usage estimated
ANSWERS = {
    "fault-cut": ("incomplete", "incomplete", True),
    "fault-silent-cut": ("incomplete", "incomplete", True),
    "fault-length": ("length", "", False),
    "fault-content-filter": ("content_filter", "content_filter", False),
    "fault-refusal": ("refusal", "refused", False),
    "fault-no-usage": ("stop", "", True),
    "fault-absurd-usage": ("stop", "", True),
    "fault-wrong-numbers": ("stop", "", False),
    "fault-echo": ("stop", "", False),
    "fault-obey": ("stop", "", False),
}


class TestFaults:
    def test_the_tables_are_complete(self, analyst):
        offered = {name for name in list_models(endpoint=analyst, token="") if name.startswith("fault-")}
        assert offered == set(ERRORS) | set(ANSWERS)

    @pytest.mark.parametrize("fault", ERRORS)
    def test_it_ends_in_this_error(self, fresh, fault, settings):
        settings.MODEL_IDLE_TIMEOUT_S = 1.0
        began = time.monotonic()
        with pytest.raises(GatewayError) as caught:
            call(fresh, fault, deadline_s=1.5)
        error = caught.value
        assert {name: getattr(error, name) for name in ("code", "retryable", "http_status")} == ERRORS[fault]
        assert error.failure.message
        assert error.failure.next_step
        assert TOKEN[:8] not in f"{error} {error.failure}"
        assert time.monotonic() - began < 4
        assert len(read_log(fresh)) == 1

    @pytest.mark.parametrize("fault", ANSWERS)
    def test_it_ends_in_this_answer(self, fresh, fault):
        _, answer = call(fresh, fault)
        assert (answer.finish_reason, answer.failure, answer.usage.estimated) == ANSWERS[fault]
        assert answer.text
        assert 0 < answer.usage.total_tokens < 2000
        assert len(read_log(fresh)) == 1

    def test_a_redirect_is_not_followed(self, fresh):
        with pytest.raises(GatewayError):
            call(fresh, "fault-redirect")
        assert {seen["path"] for seen in read_log(fresh)} == {"/v1/chat/completions"}

    def test_the_wait_that_was_asked_for_is_told(self, fresh):
        with pytest.raises(GatewayError) as caught:
            call(fresh, "fault-429-retry-after-1")
        assert caught.value.retry_after == 1.0

    def test_more_than_the_cap_is_cut_off(self, fresh, settings):
        settings.MODEL_ANSWER_MAX_BYTES = 100_000
        with pytest.raises(GatewayError, match="far more than an answer"):
            call(fresh, "fault-huge")


class TestOtherEndpoints:
    def test_nobody_listens(self):
        with pytest.raises(GatewayError) as caught:
            call("http://127.0.0.1:1/v1", "m")
        assert (caught.value.code, caught.value.retryable) == ("unreachable", True)

    def test_the_name_does_not_resolve(self):
        with pytest.raises(GatewayError) as caught:
            call("http://nowhere.invalid/v1", "m")
        assert (caught.value.code, caught.value.retryable) == ("unreachable", True)

    @pytest.mark.parametrize(
        "url", ["ftp://host/v1", "file:///etc/passwd", "//host/v1", "http://", "host", "http://a:b@host/v1"]
    )
    def test_an_address_that_must_not_be_called_is_refused(self, url):
        with pytest.raises(GatewayError) as caught:
            find_destination(url)
        assert caught.value.code == "blocked_destination"

    def test_a_public_address_is_taken(self, db):
        find_destination("https://93.184.215.14/v1")

    @pytest.mark.parametrize("url", ["http://127.0.0.1:8009/v1", "http://llm:8000/v1", "http://[::1]:8009/v1"])
    def test_one_of_the_plants_own_network_needs_an_approval(self, db, url):
        with pytest.raises(GatewayError) as caught:
            find_destination(url)
        server = url.removeprefix("http://").removesuffix("/v1")
        assert caught.value.failure.next_step.startswith(f"Ask platform staff to approve {server}, ")
        with approved(url):
            find_destination(url)

    def test_a_compressed_answer_is_refused(self):
        with (
            server(lambda handler, body: handler.send(200, b"x" * 50, content_encoding="gzip")) as (url, _),
            pytest.raises(GatewayError, match="compressed"),
        ):
            call(url, "m-1")

    def test_an_error_in_mid_stream_before_any_text_may_be_tried_again(self):
        error = {"error": {"message": "overloaded", "type": "server_error"}}
        with (
            server(lambda handler, body: handler.send(200, sse(error))) as (url, _),
            pytest.raises(GatewayError) as caught,
        ):
            call(url, "m-1")
        assert (caught.value.code, caught.value.retryable) == ("unreachable", True)

    def test_a_prompt_that_is_too_long_says_so(self):
        error = {"error": {"message": "maximum context length is 8192 tokens", "code": "context_length_exceeded"}}
        with (
            server(lambda handler, body: handler.send(400, json.dumps(error).encode())) as (url, _),
            pytest.raises(GatewayError) as caught,
        ):
            call(url, "m-1")
        assert (caught.value.code, caught.value.retryable) == ("context_too_long", False)

    def test_the_words_of_a_refused_request_never_hold_the_token(self):
        error = {"error": {"message": f"bad request for key {TOKEN}"}}
        with (
            server(lambda handler, body: handler.send(400, json.dumps(error).encode())) as (url, _),
            pytest.raises(GatewayError) as caught,
        ):
            call(url, "m-1")
        assert (
            caught.value.failure.message
            == "The endpoint refused the request: " + caught.value.failure.message.split(": ", 1)[1]
        )
        assert TOKEN not in caught.value.failure.message

    def test_texts_that_a_database_refuses_are_mended(self):
        raw = [
            chunk("a\u0000b"),
            '{"choices":[{"delta":{"content":"\\ud83d"}}]}',
            '{"choices":[{"delta":{"content":"\\ude00 \\udc00"},"finish_reason":"stop"}]}',
        ]
        with server(lambda handler, body: handler.send(200, sse(*raw))) as (url, _):
            _, answer = call(url, "m-1")
        assert answer.text == "ab\U0001f600 \ufffd"

    def test_a_wordless_answer_is_a_failure_of_its_own(self):
        with server(lambda handler, body: handler.send(200, sse(chunk("", "stop")))) as (url, _):
            _, answer = call(url, "m-1")
        assert (answer.finish_reason, answer.failure) == ("stop", "incomplete")


class TestRetryAfter:
    NOW = dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"retry-after": "7"}, 7.0),
            ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
            ({"retry-after": format_datetime(NOW + dt.timedelta(seconds=90), usegmt=True)}, 90.0),
            ({"retry-after": "soon"}, None),
            ({"retry-after": "-5"}, 0.0),
            ({"retry-after": "999999"}, 3600.0),
            ({"retry-after-ms": "soon"}, None),
        ],
    )
    def test_it_reads(self, headers, seconds):
        assert read_retry_after(headers, now=self.NOW.timestamp()) == seconds


class TestModels:
    def test_it_lists_what_is_offered(self, analyst):
        assert list_models(endpoint=analyst, token="")[-2:] == ["offline-analyst", "offline-analyst-slow"]

    def test_it_says_why_it_cannot(self):
        with pytest.raises(GatewayError, match="cannot be reached"):
            list_models(endpoint="http://127.0.0.1:1/v1", token="")


class TestTrial:
    def test_it_names_the_model_that_answered(self, analyst):
        trial = try_endpoint(endpoint=analyst, token="", model="offline-analyst")
        assert (trial.ok, trial.model, trial.error) == (True, "offline-analyst", None)
        assert trial.latency_ms < 5000

    def test_it_says_what_to_do(self, analyst):
        trial = try_endpoint(endpoint=analyst, token=TOKEN, model="fault-401")
        assert (trial.ok, trial.error.code) == (False, "credentials")
        assert "token" in trial.error.next_step
