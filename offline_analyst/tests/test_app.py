"""The endpoint speaks as the real service does; the real SDK and plain HTTP are the judges."""

import hashlib
import json
import time

import openai
import pytest

from offline_analyst.answers import write_answer
from offline_analyst.app import CREATED, MOST_BODY_BYTES
from offline_analyst.faults import FAULTS
from offline_analyst.process import clear_log, read_log
from offline_analyst.reading import read_prompt
from offline_analyst.tokens import count_message_tokens, count_tokens

from .conftest import ask, read_stream

MODEL = "offline-analyst"
HONEST = write_answer(read_prompt(ask()))
PROMPT_TOKENS = count_message_tokens(ask())


class TestModels:
    def test_it_lists_what_it_offers(self, client):
        offered = client.models.list().data
        assert [model.id for model in offered] == [MODEL, "offline-analyst-slow", *FAULTS]
        assert (offered[0].object, offered[0].owned_by, offered[0].created) == ("model", MODEL, CREATED)

    def test_it_shows_one_model(self, client):
        assert client.models.retrieve(MODEL).id == MODEL

    def test_it_knows_no_other_model(self, client):
        with pytest.raises(openai.NotFoundError) as refused:
            client.models.retrieve("gpt-4.1-mini")
        assert refused.value.code == "model_not_found"


class TestWholeAnswer:
    def test_it_has_the_services_shape(self, http):
        body = http.post("chat/completions", json={"model": MODEL, "messages": ask()}).json()
        assert body.pop("id").startswith("chatcmpl-")
        assert abs(body.pop("created") - time.time()) < 60
        spent = count_tokens(HONEST)
        assert body == {
            "object": "chat.completion",
            "model": MODEL,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": HONEST, "refusal": None, "annotations": []},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "service_tier": "default",
            "system_fingerprint": "fp_offline",
            "usage": {
                "prompt_tokens": PROMPT_TOKENS,
                "completion_tokens": spent,
                "total_tokens": PROMPT_TOKENS + spent,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": 0,
                    "audio_tokens": 0,
                    "accepted_prediction_tokens": 0,
                    "rejected_prediction_tokens": 0,
                },
            },
        }

    def test_it_names_the_request_and_ignores_what_it_does_not_know(self, client):
        answer = client.chat.completions.create(
            model=MODEL, messages=ask(), temperature=0.2, seed=1, extra_body={"custom": True}
        )
        assert answer.choices[0].message.content == HONEST
        assert answer._request_id.startswith("req_")

    @pytest.mark.parametrize("limit", ["max_completion_tokens", "max_tokens"])
    def test_it_stops_at_the_callers_limit(self, client, limit):
        answer = client.chat.completions.create(model=MODEL, messages=ask(), **{limit: 10})
        assert answer.choices[0].finish_reason == "length"
        assert HONEST.startswith(answer.choices[0].message.content)
        assert answer.usage.completion_tokens == 10

    def test_it_reads_parts_and_the_developer_role(self, client):
        system, user = ask(language="pl")
        parts = [{"type": "text", "text": user["content"]}]
        answer = client.chat.completions.create(
            model=MODEL, messages=[system | {"role": "developer"}, user | {"content": parts}]
        )
        assert answer.choices[0].message.content == write_answer(read_prompt(ask(language="pl")))

    def test_it_survives_half_a_character(self, http):
        body = '{"model": "fault-echo", "messages": [{"role": "user", "content": "jam \\ud800"}]}'
        answer = http.post("chat/completions", content=body)
        assert answer.json()["choices"][0]["message"]["content"] == "jam ?"


class TestStreamedAnswer:
    def test_it_streams_the_same_text_with_the_usage_last(self, client):
        chunks = list(
            client.chat.completions.create(
                model=MODEL, messages=ask(), stream=True, stream_options={"include_usage": True}
            )
        )
        assert {(chunk.id, chunk.object, chunk.model) for chunk in chunks} == {
            (chunks[0].id, "chat.completion.chunk", MODEL)
        }
        assert chunks[0].choices[0].delta.role == "assistant"
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == HONEST
        assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
        assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert chunks[-1].choices == []
        assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (
            PROMPT_TOKENS,
            count_tokens(HONEST),
        )

    def test_it_reports_no_usage_that_nobody_asked_for(self, client):
        stream = client.chat.completions.create(model=MODEL, messages=ask(), stream=True)
        assert read_stream(stream) == (HONEST, "", "stop", None)

    def test_it_ends_with_done(self, http):
        answer = http.post("chat/completions", json={"model": MODEL, "messages": ask(), "stream": True})
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.text.endswith("data: [DONE]\n\n")
        assert all(line.startswith("data: ") for line in answer.text.split("\n\n") if line)

    def test_it_stops_at_the_callers_limit(self, client):
        stream = client.chat.completions.create(model=MODEL, messages=ask(), stream=True, max_completion_tokens=10)
        text, _, finish_reason, _ = read_stream(stream)
        assert HONEST.startswith(text)
        assert finish_reason == "length"

    def test_it_can_take_its_time(self, client):
        started = time.monotonic()
        with client.chat.completions.create(model="offline-analyst-slow", messages=ask(), stream=True) as stream:
            pieces = []
            for chunk in stream:
                pieces.append(chunk.choices[0].delta.content or "")
                if time.monotonic() - started > 0.6:
                    break
        # A moment of about seven seconds: something has come, and far from everything.
        assert HONEST.startswith("".join(pieces))
        assert 0 < len("".join(pieces)) < len(HONEST) / 2


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "status", "code", "param"),
        [
            ({"model": None}, 400, None, None),
            ({"model": "gpt-4.1-mini"}, 404, "model_not_found", None),
            ({"messages": None}, 400, "missing_required_parameter", "messages"),
            ({"messages": []}, 400, "empty_array", "messages"),
            ({"messages": "hello"}, 400, "invalid_type", "messages"),
            ({"messages": ["hello"]}, 400, "invalid_type", "messages[0]"),
            ({"messages": [{"role": "boss", "content": "x"}]}, 400, "invalid_value", "messages[0].role"),
            ({"messages": [{"role": "user", "content": 7}]}, 400, "invalid_type", "messages[0].content"),
            ({"max_completion_tokens": 0}, 400, "integer_below_min_value", "max_completion_tokens"),
            ({"max_tokens": "many"}, 400, "invalid_type", "max_tokens"),
            ({"temperature": 3}, 400, "invalid_value", "temperature"),
            ({"stream_options": {"include_usage": True}}, 400, None, "stream_options"),
        ],
    )
    def test_it_says_what_is_wrong_as_the_service_does(self, http, change, status, code, param):
        asked = {"model": MODEL, "messages": ask()} | change
        answer = http.post("chat/completions", json=asked)
        error = answer.json()["error"]
        assert answer.status_code == status
        assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
        assert error["message"]

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000])
    def test_it_refuses_a_body_that_is_no_json_object(self, http, body):
        answer = http.post("chat/completions", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith("We could not parse the JSON body of your request.")

    def test_it_refuses_more_than_it_reads(self, http):
        answer = http.post("chat/completions", content=b" " * (MOST_BODY_BYTES + 1))
        assert answer.status_code == 413

    def test_it_refuses_more_than_its_context_window(self, client):
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model=MODEL, messages=ask("jam " * 130_000))
        assert refused.value.code == "context_length_exceeded"

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", "chat/completions", 405), ("POST", "models", 405), ("GET", "files", 404), ("GET", "/models", 404)],
    )
    def test_it_has_no_other_doors(self, http, analyst, method, path, status):
        address = analyst.removesuffix("/v1") + path if path.startswith("/") else path
        answer = http.request(method, address)
        assert answer.status_code == status
        assert answer.json()["error"]["type"] == "invalid_request_error"


class TestLog:
    def test_it_keeps_the_hash_of_the_exact_bytes(self, http, analyst):
        clear_log(analyst)
        body = json.dumps({"model": MODEL, "messages": ask(), "stream": False}, indent=3).encode()
        http.post("chat/completions", content=body, headers={"authorization": "Bearer k"})
        (seen,) = read_log(analyst)
        at = seen.pop("at")
        assert at.endswith("+00:00")
        assert seen == {
            "method": "POST",
            "path": "/v1/chat/completions",
            "port": int(analyst.split(":")[2].split("/")[0]),
            "model": MODEL,
            "authorization_present": True,
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "body_bytes": len(body),
        }

    def test_it_forgets_when_told(self, http, analyst):
        http.get("models")
        clear_log(analyst)
        assert read_log(analyst) == []

    def test_it_logs_requests_that_are_refused(self, http, analyst):
        clear_log(analyst)
        http.post("chat/completions", content=b"{")
        assert [(seen["model"], seen["authorization_present"]) for seen in read_log(analyst)] == [(None, False)]
