"""Working: one analysis in a worker's hands: claimed, called for, stored and finished; or put off, or handed back.

What is sent is recorded before it is sent, what came is stored before anything is read from it, and only here is
anything tried again.
"""

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.conf import settings

from analyses import admission, breakers, dispatch, failures, gateway, leases, records
from analyses.answers import Answer, Delta, read_answer
from analyses.clock import start_clock
from analyses.credentials import open_token
from analyses.failures import describe_failure
from analyses.models import Analysis, AssistantSettings, Attempt, Status
from analyses.pulse import STOPPING, Pulse, Stopped
from analyses.queries import assistant_of
from analyses.switches import find_stop
from analyses.wire import line_of_this_thread
from mesassist.tenants.scope import current_tenant
from mesassist.tenants.secrets import SecretUnreadable

log = structlog.get_logger(__name__)
# How often a code may be tried in all; the others may as often as the row says.
MOST_ATTEMPTS = {failures.PROTOCOL: 2}
HIDDEN = "The assistant was hidden meanwhile."


@dataclass(frozen=True)
class Call:
    """One attempt under way: its row, the settings it is made with, and its life signs."""

    analysis: Analysis
    attempt: Attempt
    assistant: AssistantSettings
    pulse: Pulse
    now_fn: Callable[[], dt.datetime]

    @property
    def limit(self) -> int:
        """How many calls of this tenant may be out at once."""
        return dispatch.share_of(self.assistant)


def execute(*, analysis_id: UUID | str, now_fn: Callable[[], dt.datetime] | None = None) -> None:
    """Work on one analysis if it is due and free: claim, call, store, finish. Safe to call any number of times."""
    if STOPPING.is_set():
        return
    now_fn = now_fn or start_clock()
    analysis = admission.take(analysis_id=analysis_id, now=now_fn())
    if analysis is None:
        return
    bound = log.bind(analysis=str(analysis.pk), attempt=analysis.attempts)
    bound.info("analysis_claimed")
    try:
        _work(analysis, now_fn)
    except leases.LeaseLost:
        bound.warning("analysis_lease_lost")
        return
    bound.info("analysis_left", status=Analysis.objects.values_list("status", flat=True).get(pk=analysis.pk))


def _work(analysis: Analysis, now_fn: Callable[[], dt.datetime]) -> None:
    # An answer stored by a worker that died before finishing is paid for: read it, do not ask again.
    stored = analysis.tries.filter(outcome=records.ANSWERED).last()
    if stored is not None and stored.envelope is not None:
        answer = read_answer(
            stored.envelope,
            request=analysis.request,
            prompt_tokens_estimated=analysis.prompt_tokens_estimated,
        )
        records.conclude(analysis=analysis, answer=answer, now=now_fn())
        return
    assistant = assistant_of(current_tenant())
    try:
        token = _open_token(analysis, assistant)
        wait = breakers.ask_leave(analysis=analysis, fingerprint=breakers.fingerprint_of(assistant), now=now_fn())
    except gateway.GatewayError as error:
        records.fail(analysis=analysis, failure=error.failure, now=now_fn())
    except breakers.Refused as refused:
        records.fail(analysis=analysis, failure=refused.failure, now=now_fn())
    else:
        if wait is not None:
            leases.wait_until(analysis=analysis, until=wait.until, failure=wait.failure)
            return
        attempt = records.begin_attempt(analysis=analysis, now=now_fn())
        pulse = Pulse(analysis=analysis, now_fn=now_fn)
        _call(Call(analysis, attempt, assistant, pulse, now_fn), token)


def _call(call: Call, token: str) -> None:
    try:
        answer = _ask(call, token)
    except gateway.GatewayError as error:
        _retry_or_fail(call, error)
    except leases.CancelAsked:
        _break_off(call, outcome=failures.CANCELLED)
        _end_cancelled(call)
    except leases.Halted:
        _break_off(call, outcome=records.STOPPED)
        _halt(call)
    except Stopped:
        _break_off(call, outcome=records.STOPPED)
        leases.hand_back(analysis=call.analysis, now=call.now_fn())
    else:
        records.store_answer(analysis=call.analysis, attempt=call.attempt, answer=answer, now=call.now_fn())
        breakers.note_answer(analysis=call.analysis, limit=call.limit)
        records.conclude(analysis=call.analysis, answer=answer, now=call.now_fn())


def _ask(call: Call, token: str) -> Answer:
    pieces = gateway.stream_answer(
        endpoint=call.analysis.endpoint,
        token=token,
        request=call.analysis.request,
        deadline_s=settings.MODEL_DEADLINE_S,
        prompt_tokens_estimated=call.analysis.prompt_tokens_estimated,
        on_wait=call.pulse.beat,
    )
    for piece in pieces:
        if isinstance(piece, Delta):
            call.pulse.hear(piece.text)
        else:
            return piece
    raise gateway.GatewayError(failures.PROTOCOL)


def _open_token(analysis: Analysis, assistant: AssistantSettings) -> str:
    # Read per attempt, so that a token entered meanwhile counts; and only for the address it was entered for.
    if assistant.hidden:
        raise gateway.GatewayError(failures.CANCELLED, message=HIDDEN)
    if assistant.base_url != analysis.endpoint:
        message = "The assistant's endpoint was changed while this analysis waited."
        raise gateway.GatewayError(failures.CREDENTIALS, message=message, next_step="Analyse again.")
    try:
        return open_token(assistant=assistant, purpose="analysis")
    except SecretUnreadable:
        message = "The stored token cannot be opened any more."
        raise gateway.GatewayError(failures.CREDENTIALS, message=message) from None


# --- broken off -------------------------------------------------------------------------------------


def _break_off(call: Call, *, outcome: str) -> None:
    """End the call itself: what was sent is paid for, whether or not a word of it arrived."""
    records.end_attempt(
        analysis=call.analysis,
        attempt=call.attempt,
        outcome=outcome,
        text=call.pulse.text,
        now=call.now_fn(),
        sent=bool(line_of_this_thread().sent_sha256),
    )
    breakers.let_go(analysis=call.analysis, now=call.now_fn())


def _end_cancelled(call: Call, message: str = "") -> None:
    failure = describe_failure(failures.CANCELLED, message=message)
    records.fail(
        analysis=call.analysis, failure=failure, now=call.now_fn(), status=Status.CANCELLED, text=call.pulse.text
    )


def _halt(call: Call) -> None:
    """A hidden assistant's analysis is over; what the platform's staff stopped waits until they let it go on."""
    assistant = assistant_of(current_tenant())
    if assistant.hidden:
        _end_cancelled(call, HIDDEN)
        return
    stop = find_stop(assistant=assistant)
    failure = describe_failure(failures.CANCELLED, message=stop.message) if stop else None
    leases.hand_back(analysis=call.analysis, now=call.now_fn(), failure=failure)


# --- put off ----------------------------------------------------------------------------------------


def _retry_or_fail(call: Call, error: gateway.GatewayError) -> None:
    analysis, now, text = call.analysis, call.now_fn(), call.pulse.text
    records.end_attempt(
        analysis=analysis,
        attempt=call.attempt,
        outcome=error.code,
        text=text,
        now=now,
        retryable=error.retryable,
        http_status=error.http_status,
    )
    fingerprint = breakers.fingerprint_of(call.assistant)
    breakers.note_failure(analysis=analysis, error=error, fingerprint=fingerprint, limit=call.limit, now=now)
    most = min(MOST_ATTEMPTS.get(error.code, analysis.max_attempts), analysis.max_attempts)
    again_at = now + dt.timedelta(seconds=wait_before_retry(attempts=analysis.attempts, asked_for=error.retry_after))
    if error.retryable and not text and analysis.attempts < most and again_at < analysis.expires_at:
        leases.put_off(analysis=analysis, until=again_at, failure=error.failure)
    else:
        records.fail(analysis=analysis, failure=error.failure, now=now, text=text)


def wait_before_retry(*, attempts: int, asked_for: float | None) -> float:
    """Seconds: twice as long each time, spread so that many do not come back together, never sooner than asked for."""
    backoff: float = settings.ANALYSIS_BACKOFF_S * 2 ** (attempts - 1) * random.uniform(0.5, 1.0)
    return max(backoff, (asked_for or 0.0) * random.uniform(1.0, 1.1))
