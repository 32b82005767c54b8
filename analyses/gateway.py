"""Gateway: one call of a model over the wire, streamed; the only importer of openai, with one error family.

The SDK runs without retries of its own (`analyses.runs` alone retries) and hands out raw chunks, so that what came is
kept as it came and read in one place, `analyses.answers`.
"""

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai
from django.conf import settings
from openai import Omit, OpenAI, Stream

from analyses import failures
from analyses.answers import Answer, Collected, Delta, limit_of, read_answer, storable
from analyses.failures import Failure, describe_failure
from analyses.wire import (
    Blocked,
    DeadlinePassed,
    Line,
    PackedAnswer,
    TooManyBytes,
    Watch,
    WireCut,
    begin_watch,
    line_of_this_thread,
    wait_idly,
)
from mesassist.tenants.egress.routes import find_route
from mesassist.tenants.models import Purpose
from mesassist.tenants.outbound import Route
from mesassist.tenants.scrubbing import scrub_parts

TRIAL_DEADLINE_S = 20.0
MOST_WAIT_S = 3600.0
# A streamed token of four letters comes wrapped in some 300 bytes.
BYTES_PER_TOKEN = 600
# Each request parameter that servers refuse, and what is sent instead; local servers know only the older name.
ADJUSTABLE = {"max_completion_tokens": "max_tokens", "temperature": "", "stream_options": ""}
NO_CREDIT = {
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
}
CODES = {
    "context_length_exceeded": failures.CONTEXT_TOO_LONG,
    "model_not_found": failures.MODEL_NOT_FOUND,
    "content_filter": failures.CONTENT_FILTER,
    "invalid_api_key": failures.CREDENTIALS,
    "rate_limit_exceeded": failures.RATE_LIMITED,
}
# status: code, whether another attempt may help
STATUSES = {
    401: (failures.CREDENTIALS, False),
    402: (failures.QUOTA_EXHAUSTED, False),
    403: (failures.CREDENTIALS, False),
    404: (failures.MODEL_NOT_FOUND, False),
    408: (failures.TIMEOUT, True),
    409: (failures.UNREACHABLE, True),
    413: (failures.CONTEXT_TOO_LONG, False),
    425: (failures.UNREACHABLE, True),
    429: (failures.RATE_LIMITED, True),
}


class GatewayError(Exception):
    """A call that brought no answer: `failure` for people, `retryable` and `retry_after` (seconds) for `runs`."""

    def __init__(
        self,
        code: str,
        *,
        message: str = "",
        next_step: str = "",
        retryable: bool = False,
        retry_after: float | None = None,
        http_status: int | None = None,
    ) -> None:
        self.failure: Failure = describe_failure(code, message=message, next_step=next_step)
        self.code = code
        self.retryable = retryable
        self.retry_after = retry_after
        self.http_status = http_status
        super().__init__(self.failure.message)


@dataclass(frozen=True)
class Trial:
    """What a tiny request to an endpoint brought."""

    ok: bool
    model: str
    latency_ms: int
    error: Failure | None = None


# --- the three calls ------------------------------------------------------------------------------


def stream_answer(
    *,
    endpoint: str,
    token: str,
    request: dict[str, Any],
    deadline_s: float,
    prompt_tokens_estimated: int,
    on_wait: Callable[[], None] = wait_idly,
    line: Line | None = None,
) -> Iterator[Delta | Answer]:
    """Yield a `Delta` per piece of text and, last, the `Answer`; raises `GatewayError`.

    `on_wait` is called several times a second, also while nothing arrives; what it raises ends the call. A stream that
    breaks after its first text ends in an Answer with finish_reason "incomplete": it is paid for and kept.
    """
    route = find_destination(endpoint)
    line, collected, began = line or line_of_this_thread(), Collected(), time.monotonic()
    with line.exchange(_watch(deadline_s, on_wait, max_answer_tokens=limit_of(request)), route) as http:
        try:
            request, stream = _open_stream(_make_client(http, endpoint), token, request)
            collected.head["request_id"] = stream.response.headers.get("x-request-id", "")
            with closing(stream):
                for chunk in stream:
                    if text := collected.take(chunk):
                        collected.head.setdefault("first_token_s", round(time.monotonic() - began, 3))
                        yield Delta(text)
            collected.check()
        except (openai.OpenAIError, httpx2.HTTPError, WireCut, ValueError, RecursionError) as error:
            explained = explain(error, token=token, model=str(request["model"]))
            if not collected.started or isinstance(error, WireCut):
                raise explained from None
    envelope = collected.envelope(request_sha256=line.sent_sha256, total_s=round(time.monotonic() - began, 3))
    yield read_answer(envelope, request=request, prompt_tokens_estimated=prompt_tokens_estimated)


def list_models(*, endpoint: str, token: str) -> list[str]:
    """The names of the models that an endpoint offers, sorted; raises `GatewayError`."""
    route = find_destination(endpoint)
    with closing(Line()) as line, line.exchange(_watch(TRIAL_DEADLINE_S, wait_idly), route) as http:
        try:
            options: Any = {"headers": _authorize(token)}
            answer = _make_client(http, endpoint).get("/models", cast_to=object, options=options)
            rows = answer["data"] if isinstance(answer, Mapping) else None
            if not isinstance(rows, list):
                raise GatewayError(failures.PROTOCOL)
            names = {row["id"] for row in rows if isinstance(row, Mapping) and isinstance(row.get("id"), str)}
        except (openai.OpenAIError, httpx2.HTTPError, WireCut, ValueError, KeyError, RecursionError) as error:
            raise explain(error, token=token, model="") from None
    return sorted(storable(name[:120]) for name in names)


def try_endpoint(*, endpoint: str, token: str, model: str) -> Trial:
    """Ask for one word and say whether an answer came, from which model and how fast."""
    request: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": "Answer with one word: ready."}],
        "max_completion_tokens": 16,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    began, answered = time.monotonic(), ""
    try:
        with closing(Line()) as line:
            pieces = stream_answer(
                endpoint=endpoint,
                token=token,
                request=request,
                deadline_s=TRIAL_DEADLINE_S,
                prompt_tokens_estimated=20,
                line=line,
            )
            for piece in pieces:
                answered = piece.model if isinstance(piece, Answer) else answered
    except GatewayError as error:
        return Trial(ok=False, model="", latency_ms=_milliseconds(began), error=error.failure)
    return Trial(ok=True, model=answered, latency_ms=_milliseconds(began))


# --- what is sent ---------------------------------------------------------------------------------


def canonical_bytes(request: Mapping[str, Any]) -> bytes:
    """A request as its bytes travel: compact JSON with sorted keys, so that the stored row proves its hash."""
    return json.dumps(request, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def find_destination(endpoint: str) -> Route:
    """The route to an endpoint for the active tenant; raises `GatewayError` where it must not be called."""
    try:
        return find_route(url=endpoint, purpose=Purpose.MODEL)
    except Blocked as blocked:
        raise _explain_blocked(blocked) from None


def adjust_request(request: dict[str, Any], error: openai.APIStatusError) -> dict[str, Any] | None:
    """The request without the parameter that a server's 400 names, or with its older name; None: nothing to adjust."""
    said = f"{error.param} {error.message}"
    for name, instead in ADJUSTABLE.items():
        if name in request and name in said:
            kept = {key: value for key, value in request.items() if key != name}
            return kept | ({instead: request[name]} if instead else {})
    return None


def _open_stream(client: OpenAI, token: str, request: dict[str, Any]) -> tuple[dict[str, Any], Stream[object]]:
    options: Any = {"headers": _authorize(token)}
    while True:
        try:
            stream = client.post(
                "/chat/completions",
                cast_to=object,
                content=canonical_bytes(request),
                options=options,
                stream=True,
                stream_cls=Stream[object],
            )
            return request, stream
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            adjusted = adjust_request(request, error)
            if adjusted is None:
                raise
            request = adjusted


def _make_client(http: httpx2.Client, endpoint: str) -> OpenAI:
    # The key is named per request, so that neither the environment's key nor another tenant's can slip in.
    timeout = httpx2.Timeout(settings.MODEL_IDLE_TIMEOUT_S, connect=settings.MODEL_CONNECT_TIMEOUT_S)
    return OpenAI(api_key="named per request", base_url=endpoint, http_client=http, max_retries=0, timeout=timeout)


def _authorize(token: str) -> dict[str, Any]:
    if not token:
        # An empty key is refused by the SDK, and a made-up one would be a lie in the server's log: send no header.
        return {"Authorization": Omit()}
    if not (token.isascii() and token.isprintable()):
        raise GatewayError(failures.CREDENTIALS, message="The token holds characters that no token has.")
    return {"Authorization": f"Bearer {token}"}


def _watch(deadline_s: float, on_wait: Callable[[], None], *, max_answer_tokens: int = 0) -> Watch:
    return begin_watch(
        deadline_s=deadline_s,
        idle_s=settings.MODEL_IDLE_TIMEOUT_S,
        max_bytes=max(settings.MODEL_ANSWER_MAX_BYTES, BYTES_PER_TOKEN * max_answer_tokens),
        on_wait=on_wait,
    )


def _milliseconds(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


# --- what went wrong --------------------------------------------------------------------------------


def explain(error: Exception, *, token: str, model: str) -> GatewayError:
    """Any error of the SDK, the transport or the answer's shape as a `GatewayError`."""
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, WireCut):
        return _explain_cut(error)
    if isinstance(error, openai.APIStatusError):
        return _explain_status(error, token=token, model=model)
    if isinstance(error, openai.APIConnectionError):
        return _explain_connection(error)
    if isinstance(error, openai.APIError):
        # An error object in the stream: the service's own words for a transient trouble, unless its code says more.
        code = _code_of(error) or failures.UNREACHABLE
        return GatewayError(code, retryable=code in {failures.UNREACHABLE, failures.RATE_LIMITED})
    return GatewayError(failures.PROTOCOL, retryable=True)


def _explain_blocked(blocked: Blocked) -> GatewayError:
    return GatewayError(failures.BLOCKED_DESTINATION, message=blocked.message, next_step=blocked.next_step)


def _explain_cut(error: WireCut) -> GatewayError:
    if isinstance(error, Blocked):
        return _explain_blocked(error)
    if isinstance(error, DeadlinePassed):
        message = f"The answer was not complete after {error.args[0]:g} seconds."
        return GatewayError(failures.TIMEOUT, message=message)
    if isinstance(error, TooManyBytes):
        return GatewayError(failures.PROTOCOL, message="The endpoint sent far more than an answer and was cut off.")
    if isinstance(error, PackedAnswer):
        return GatewayError(failures.PROTOCOL, message="The endpoint sent a compressed answer though asked not to.")
    return GatewayError(failures.TIMEOUT, retryable=True)


def _explain_connection(error: openai.APIConnectionError) -> GatewayError:
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        message = "The endpoint's certificate is not one that this server trusts."
        step = "A manager checks the address; platform staff add the authority's certificate if the address is right."
        return GatewayError(failures.UNREACHABLE, message=message, next_step=step)
    if isinstance(error, openai.APITimeoutError) and not isinstance(error.__cause__, httpx2.ConnectTimeout):
        return GatewayError(failures.TIMEOUT, retryable=True)
    return GatewayError(failures.UNREACHABLE, retryable=True)


def _explain_status(error: openai.APIStatusError, *, token: str, model: str) -> GatewayError:
    status = error.status_code
    if 300 <= status < 400:
        message = "The endpoint sent the request on to another address, which is not followed."
        return GatewayError(failures.BLOCKED_DESTINATION, message=message, http_status=status)
    code, retryable = STATUSES.get(
        status, (failures.UNREACHABLE, True) if status >= 500 else (failures.PROTOCOL, False)
    )
    if status in {400, 404, 422, 429}:
        code = _code_of(error) or code
    return GatewayError(
        code,
        message=_sentence(code, error, token=token, model=model),
        retryable=retryable and code != failures.QUOTA_EXHAUSTED,
        retry_after=read_retry_after(error.response.headers, now=time.time()) if retryable else None,
        http_status=status,
    )


def _code_of(error: openai.APIError) -> str:
    said = {str(error.code), str(error.type)}
    if said & NO_CREDIT:
        return failures.QUOTA_EXHAUSTED
    return next((code for word, code in CODES.items() if word in said), "")


def _sentence(code: str, error: openai.APIStatusError, *, token: str, model: str) -> str:
    # The words of a 401 repeat part of the key, so they are never shown; those of a 400 say which field is wrong.
    if code == failures.MODEL_NOT_FOUND and model:
        return f"The endpoint does not offer the model {model}."
    if code == failures.CREDENTIALS and error.status_code == 403:
        return "The endpoint does not let this account use the model (403)."
    if code == failures.PROTOCOL:
        # A 400 may repeat part of a key as well: a gateway in between words it as it likes.
        words = scrub_parts(storable(" ".join(error.message.split()))[:2000], secret=token)[:200]
        return f"The endpoint refused the request: {words}"
    return f"The endpoint answers with error {error.status_code}." if code == failures.UNREACHABLE else ""


def read_retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds to wait that an answer asks for (`retry-after-ms`, or `retry-after` in seconds or as a date)."""
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        else:
            seconds = float(headers["retry-after"])
    except KeyError:
        return None
    except ValueError:
        try:
            seconds = parsedate_to_datetime(headers["retry-after"]).timestamp() - now
        except (ValueError, KeyError):
            return None
    return min(max(seconds, 0.0), MOST_WAIT_S)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
