"""Answers: the chunks of a stream collected as they came, and read once, with suspicion, as one Answer."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analyses import failures
from analyses.tokens import count_tokens

HEAD = ("id", "model", "created", "system_fingerprint", "service_tier")
TRUNCATED = "length"
REFUSAL = "refusal"
BROKEN_OFF = "incomplete"
FAILURE_OF_REASON = {
    "content_filter": failures.CONTENT_FILTER,
    REFUSAL: failures.REFUSED,
    BROKEN_OFF: failures.INCOMPLETE,
}


class NotAnAnswer(ValueError):
    """What came is not a model's answer."""


@dataclass(frozen=True)
class Delta:
    """A piece of the answer, as soon as it arrives."""

    text: str


@dataclass(frozen=True)
class Usage:
    """Tokens of one call. `cached_tokens` are part of the prompt's, `reasoning_tokens` part of the completion's."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    estimated: bool

    @property
    def total_tokens(self) -> int:
        """What the call counts for in the limits."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Answer:
    """A finished call. `finish_reason` is one of stop, length, content_filter, refusal, incomplete."""

    text: str
    model: str
    finish_reason: str
    usage: Usage
    provider_request_id: str
    envelope: dict[str, Any]
    request: dict[str, Any]
    request_sha256: str

    @property
    def failure(self) -> str:
        """The code of the failure that this answer is, or "": it was filtered, refused, cut off or empty."""
        return FAILURE_OF_REASON.get(self.finish_reason, "" if self.text.strip() else failures.INCOMPLETE)


@dataclass
class Collected:
    """The chunks of one stream so far, unread but for what tells text from the rest."""

    head: dict[str, Any] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    chunks: int = 0
    choices: int = 0

    @property
    def started(self) -> bool:
        """Whether any text arrived: from then on the call is paid for."""
        return bool(self.parts or self.refusal)

    def take(self, chunk: object) -> str:
        """Note one chunk and return its text; raises `NotAnAnswer` for what has not the shape of one."""
        if not isinstance(chunk, Mapping):
            raise NotAnAnswer("A chunk is not an object.")
        self.chunks += 1
        for name in HEAD:
            if chunk.get(name) is not None:
                self.head.setdefault(name, plain(chunk[name]))
        if isinstance(chunk.get("usage"), Mapping):
            self.usage = plain(chunk["usage"])
        choices = chunk.get("choices")
        return self._take_choice(choices[0]) if isinstance(choices, list) and choices else ""

    def _take_choice(self, choice: object) -> str:
        if not isinstance(choice, Mapping):
            raise NotAnAnswer("A choice is not an object.")
        self.choices += 1
        if isinstance(choice.get("finish_reason"), str):
            self.finish_reason = choice["finish_reason"][:20]
        delta = choice.get("delta")
        if not isinstance(delta, Mapping):
            return ""
        if isinstance(delta.get("refusal"), str) and delta["refusal"]:
            self.refusal.append(delta["refusal"])
        text = delta.get("content")
        if not isinstance(text, str) or not text:
            return ""
        self.parts.append(text)
        return text

    def check(self) -> None:
        """Raise `NotAnAnswer` when the stream held no choice at all: a web page, an error, another service."""
        if not self.choices:
            raise NotAnAnswer("No choices came.")

    def envelope(self, **more: Any) -> dict[str, Any]:
        """Everything that came, as one JSON object."""
        return {
            **self.head,
            "content": storable("".join(self.parts)),
            "refusal": storable("".join(self.refusal)),
            "finish_reason": self.finish_reason,
            "usage": self.usage,
            "chunks": self.chunks,
            **more,
        }


def read_answer(envelope: dict[str, Any], *, request: dict[str, Any], prompt_tokens_estimated: int) -> Answer:
    """The Answer that an envelope holds; also used when a stored envelope is found after a crash."""
    text = envelope["refusal"] or envelope["content"]
    usage = read_usage(
        envelope["usage"],
        prompt_tokens_estimated=prompt_tokens_estimated,
        text_tokens=count_tokens(text),
        max_answer_tokens=limit_of(request),
    )
    return Answer(
        text=text,
        model=str(envelope.get("model") or "")[:120],
        finish_reason=read_finish_reason(envelope),
        usage=usage,
        provider_request_id=str(envelope.get("request_id") or "")[:120],
        envelope=envelope,
        request=request,
        request_sha256=str(envelope.get("request_sha256") or ""),
    )


def limit_of(request: Mapping[str, Any]) -> int:
    """The answer's limit in tokens that a request names, whichever of the two names it uses."""
    return int(request.get("max_completion_tokens") or request.get("max_tokens") or 0)


def read_finish_reason(envelope: Mapping[str, Any]) -> str:
    """One of the five reasons; servers have other words for stop, and a stream without a reason broke off."""
    if envelope["refusal"]:
        return REFUSAL
    reason = envelope["finish_reason"]
    if not reason:
        return BROKEN_OFF
    return reason if reason in {TRUNCATED, "content_filter"} else "stop"


def read_usage(raw: object, *, prompt_tokens_estimated: int, text_tokens: int, max_answer_tokens: int) -> Usage:
    """The reported usage if it can be true, else our own count, flagged: the endpoint's word is not proof.

    Other models cut texts otherwise, so up to four times our count of the prompt is believed.
    """
    reported = raw if isinstance(raw, Mapping) else {}
    prompt = _whole(reported.get("prompt_tokens"))
    completion = _whole(reported.get("completion_tokens"))
    most_prompt = 4 * prompt_tokens_estimated + 1000
    most_completion = max(max_answer_tokens, 4 * text_tokens) + 100
    if prompt is None or completion is None or prompt > most_prompt or completion > most_completion:
        return estimate_usage(
            prompt_tokens_estimated=prompt_tokens_estimated,
            text_tokens=text_tokens,
            max_answer_tokens=max_answer_tokens,
        )
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=min(_detail(reported, "prompt_tokens_details", "cached_tokens"), prompt),
        completion_tokens=completion,
        reasoning_tokens=min(_detail(reported, "completion_tokens_details", "reasoning_tokens"), completion),
        estimated=False,
    )


def estimate_usage(*, prompt_tokens_estimated: int, text_tokens: int, max_answer_tokens: int) -> Usage:
    """Our own count. No more than was held for the call: an endpoint that floods must not spend the day's limit."""
    completion = min(text_tokens, max_answer_tokens) if max_answer_tokens else text_tokens
    return Usage(prompt_tokens_estimated, 0, completion, 0, estimated=True)


def storable(text: str) -> str:
    """The text as PostgreSQL takes it: without NUL, halves of characters joined or replaced."""
    joined = text.replace("\x00", "").encode("utf-16-le", "surrogatepass")
    return joined.decode("utf-16-le", "replace")


def plain(value: object) -> Any:
    """A JSON value as the database takes it: storable texts, no NaN, nothing deeper than a usage object is."""
    if isinstance(value, str):
        return storable(value[:500])
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        inner = list(value.items())[:30]
        return {storable(str(key)[:60]): plain(part) for key, part in inner if not isinstance(part, list)}
    return value if isinstance(value, bool | int | float) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _detail(reported: Mapping[str, Any], group: str, name: str) -> int:
    details = reported.get(group)
    return (_whole(details.get(name)) or 0) if isinstance(details, Mapping) else 0
