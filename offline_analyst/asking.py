"""Asking: the body of POST /v1/chat/completions, checked as the real service checks it, as one frozen Call."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from offline_analyst.tokens import count_message_tokens

CONTEXT_WINDOW = 128_000
ROLES = ("developer", "system", "user", "assistant", "tool", "function")


@dataclass(eq=False)
class ApiError(Exception):
    """An answer that is an error: HTTP status and the fields of the service's `error` object."""

    status: int
    message: str
    kind: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The body the service sends: `{"error": {...}}`."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True)
class Call:
    """One valid request. `max_tokens` is None without a limit; `fingerprint` is equal for equal model and messages."""

    model: str
    messages: tuple[Mapping[str, Any], ...]
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None
    prompt_tokens: int = 0
    fingerprint: str = ""


def unknown_model(model: str) -> ApiError:
    """The service's 404 for a model that is not offered."""
    text = f"The model `{model}` does not exist or you do not have access to it."
    return ApiError(404, text, param=None, code="model_not_found")


def read_call(body: bytes) -> Call:
    """Check the raw body and return the Call; raises `ApiError` with the status and code the service would use."""
    asked = _read_object(body)
    model = asked.get("model")
    if not isinstance(model, str) or not model:
        raise ApiError(400, "you must provide a model parameter")
    messages = _read_messages(asked)
    stream = bool(asked.get("stream"))
    call = Call(
        model=model,
        messages=messages,
        stream=stream,
        include_usage=_wants_usage(asked, stream=stream),
        max_tokens=_read_limit(asked),
        prompt_tokens=count_message_tokens(messages),
        fingerprint=hashlib.sha256(json.dumps([model, messages], sort_keys=True).encode()).hexdigest(),
    )
    _check_temperature(asked)
    if call.prompt_tokens > CONTEXT_WINDOW:
        raise ApiError(
            400,
            f"This model's maximum context length is {CONTEXT_WINDOW} tokens. However, your messages resulted in "
            f"{call.prompt_tokens} tokens. Please reduce the length of the messages.",
            param="messages",
            code="context_length_exceeded",
        )
    return call


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise ApiError(400, "We could not parse the JSON body of your request. The API expects a JSON object.")
    return asked


def _read_messages(asked: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    messages = asked.get("messages")
    if messages is None:
        raise ApiError(
            400, "Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter"
        )
    if not isinstance(messages, list):
        raise ApiError(
            400, "Invalid type for 'messages': expected an array of objects.", param="messages", code="invalid_type"
        )
    if not messages:
        raise ApiError(
            400, "Invalid 'messages': empty array. Expected at least one.", param="messages", code="empty_array"
        )
    for index, message in enumerate(messages):
        _check_message(message, index=index)
    return tuple(messages)


def _check_message(message: object, *, index: int) -> None:
    where = f"messages[{index}]"
    if not isinstance(message, dict):
        raise ApiError(400, f"Invalid type for '{where}': expected an object.", param=where, code="invalid_type")
    if message.get("role") not in ROLES:
        text = f"Invalid value for '{where}.role'. Supported values are: {', '.join(ROLES)}."
        raise ApiError(400, text, param=f"{where}.role", code="invalid_value")
    content = message.get("content")
    if not isinstance(content, str | list) and message["role"] != "assistant":
        text = f"Invalid type for '{where}.content': expected a string or an array of parts."
        raise ApiError(400, text, param=f"{where}.content", code="invalid_type")


def _read_limit(asked: Mapping[str, Any]) -> int | None:
    # The newer name wins; local servers know only the older one, so callers may send either.
    for name in ("max_completion_tokens", "max_tokens"):
        limit: object = asked.get(name)
        if limit is None:
            continue
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise ApiError(400, f"Invalid type for '{name}': expected an integer.", param=name, code="invalid_type")
        if limit < 1:
            text = f"Invalid '{name}': integer below minimum value. Expected a value >= 1, but got {limit} instead."
            raise ApiError(400, text, param=name, code="integer_below_min_value")
        return limit
    return None


def _wants_usage(asked: Mapping[str, Any], *, stream: bool) -> bool:
    options = asked.get("stream_options")
    if options is None:
        return False
    if not stream:
        text = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise ApiError(400, text, param="stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


def _check_temperature(asked: Mapping[str, Any]) -> None:
    heat = asked.get("temperature")
    if heat is None:
        return
    if isinstance(heat, bool) or not isinstance(heat, int | float) or not 0 <= heat <= 2:
        text = "Invalid 'temperature': expected a number between 0 and 2."
        raise ApiError(400, text, param="temperature", code="invalid_value")
