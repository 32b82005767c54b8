"""Wire: an answer as the bytes of a chat completion, whole or streamed, over one ASGI exchange."""

import asyncio
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Self

from offline_analyst.asking import ApiError, Call
from offline_analyst.tokens import clip_text, count_tokens

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON_TYPE = "application/json"
SSE_TYPE = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"
# The model that answers, whatever name was asked for: slow and faulty names are the same analyst.
ANSWERING_MODEL = "offline-analyst"
WORDS_PER_CHUNK = 4


class ClientLeft(Exception):
    """The client closed the connection; nothing that is written now will arrive."""


class Reply:
    """The response of one exchange. Use as a context manager: it watches for the client leaving.

    A reply that is started and never finished is closed by the server without the closing chunk, which is what a
    connection cut in mid-answer looks like on the wire.
    """

    def __init__(self, *, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.request_id = f"req_{uuid.uuid4().hex}"

    async def __aenter__(self) -> Self:
        self._gone = asyncio.ensure_future(self._wait_for_leaving())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._gone.cancel()

    async def start(
        self, *, status: int = 200, content_type: str = JSON_TYPE, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Send the status line and headers."""
        pairs = [("content-type", content_type), ("x-request-id", self.request_id), *headers]
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def write(self, data: bytes) -> None:
        """Send a piece of the body at once; raises ClientLeft when nobody reads it any more."""
        if self._gone.done():
            raise ClientLeft
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, data: bytes = b"") -> None:
        """Send the rest of the body and end it properly."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def pause(self, seconds: float | None) -> None:
        """Wait (for ever if None); raises ClientLeft as soon as the client closes the connection."""
        await asyncio.wait({self._gone}, timeout=seconds)
        if self._gone.done():
            raise ClientLeft

    async def send_json(self, body: object, *, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send a whole JSON answer with its length."""
        data = to_json(body)
        await self.start(status=status, headers=[*headers, ("content-length", str(len(data)))])
        await self.finish(data)

    async def send_error(self, error: ApiError) -> None:
        """Send an error as the service shapes it."""
        await self.send_json(error.as_json(), status=error.status, headers=error.headers)

    async def _wait_for_leaving(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


@dataclass(frozen=True)
class Answer:
    """What is said, before it takes its shape on the wire. `usage` None: nothing is reported."""

    text: str
    finish_reason: str | None = "stop"
    refusal: str | None = None
    usage: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Envelope:
    """The fields that every chunk of one completion repeats."""

    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def wrap(self, *, kind: str, choices: object) -> dict[str, Any]:
        """A completion or chunk object around `choices`."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": ANSWERING_MODEL,
            "choices": choices,
            "service_tier": "default",
            "system_fingerprint": "fp_offline",
        }

    def chunk(self, delta: Mapping[str, Any], *, finish_reason: str | None = None) -> dict[str, Any]:
        """One streamed chunk."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self.wrap(kind="chat.completion.chunk", choices=[choice])


def to_json(body: object) -> bytes:
    """Compact UTF-8; a lone surrogate that came in as an escape goes out as a question mark."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def to_event(body: object) -> bytes:
    """One server-sent event."""
    return b"data: " + to_json(body) + b"\n\n"


def report_usage(*, prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """The service's `usage` object. There is no cache and no hidden reasoning here, so both are 0."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def make_answer(call: Call, text: str, *, finish_reason: str = "stop", max_tokens: int | None = None) -> Answer:
    """Clip the text to the caller's limit (or a lower `max_tokens`) and count it."""
    limits = [limit for limit in (call.max_tokens, max_tokens) if limit is not None]
    whole = count_tokens(text)
    kept, spent = clip_text(text, max_tokens=min(limits)) if limits else (text, whole)
    usage = report_usage(prompt_tokens=call.prompt_tokens, completion_tokens=spent)
    return Answer(text=kept, finish_reason="length" if spent < whole else finish_reason, usage=usage)


def split_words(text: str) -> list[str]:
    """The text in pieces of a few words; joined again they are exactly the text."""
    words = re.findall(r"\s*\S+\s*|\s+", text)
    return ["".join(words[at : at + WORDS_PER_CHUNK]) for at in range(0, len(words), WORDS_PER_CHUNK)]


def body_of(answer: Answer) -> dict[str, Any]:
    """The whole completion as one object."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if answer.refusal else answer.text,
        "refusal": answer.refusal,
        "annotations": [],
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
    body = Envelope().wrap(kind="chat.completion", choices=[choice])
    return body | ({"usage": answer.usage} if answer.usage is not None else {})


def events_of(answer: Answer, *, include_usage: bool) -> Iterator[bytes]:
    """The completion as server-sent events, without the closing [DONE]."""
    envelope = Envelope()
    told = include_usage and answer.usage is not None
    extra: dict[str, Any] = {"usage": None} if told else {}
    yield to_event(envelope.chunk({"role": "assistant", "content": "", "refusal": None}) | extra)
    part = "refusal" if answer.refusal else "content"
    for piece in split_words(answer.refusal or answer.text):
        yield to_event(envelope.chunk({part: piece}) | extra)
    if answer.finish_reason:
        yield to_event(envelope.chunk({}, finish_reason=answer.finish_reason) | extra)
    if told:
        yield to_event(envelope.wrap(kind="chat.completion.chunk", choices=[]) | {"usage": answer.usage})


async def deliver(answer: Answer, *, call: Call, reply: Reply, delay: float, lasting: float | None = None) -> None:
    """Send the answer as the call wants it: whole, or streamed with `delay` seconds between the chunks.

    `lasting` spreads the whole answer over about that many seconds instead.
    """
    if not call.stream:
        await reply.pause(lasting or 0)
        await reply.send_json(body_of(answer))
        return
    events = list(events_of(answer, include_usage=call.include_usage))
    pace = delay if lasting is None else lasting / len(events)
    await reply.start(content_type=SSE_TYPE, headers=[("cache-control", "no-cache")])
    for event in events:
        await reply.write(event)
        await reply.pause(pace)
    await reply.finish(DONE)
