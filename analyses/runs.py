"""Runs: the life of an analysis, top to bottom: asked for, rung for, claimed, answered; or put off, or reaped.

A row first, a message second, a lease third (`analyses.leases`). What is sent is recorded before it is sent, what came
is stored before anything is read from it, and only here is anything tried again.
"""

import datetime as dt
import random
import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from analyses import budget, failures, gateway, leases, records, tasks
from analyses.answers import Answer, Delta, read_answer
from analyses.asking import (
    AnalysisRefused,
    AssistantHidden,
    BudgetSpent,
    EmptyQuestion,
    KeyReused,
    NotConfigured,
    NothingToAnalyse,
    QuestionTooLong,
    find_earlier,
    load_spec,
    read_wish,
    record_request,
)
from analyses.credentials import open_token
from analyses.failures import Failure, describe_failure
from analyses.models import Analysis, Attempt, Status
from analyses.pulse import STOPPING, Pulse, Stopped
from analyses.queries import assistant_of
from mesassist.tenants.models import Tenant, User
from mesassist.tenants.scope import current_tenant, platform_scope, tenant_scope, tenant_tx
from mesassist.tenants.secrets import SecretUnreadable
from production.models import Summary
from production.summaries import SummarySpec

__all__ = [
    "STOPPING",
    "AnalysisRefused",
    "AssistantHidden",
    "BudgetSpent",
    "EmptyQuestion",
    "KeyReused",
    "NotConfigured",
    "NothingToAnalyse",
    "QuestionTooLong",
    "cancel",
    "execute",
    "reap",
    "request_analysis",
    "rerun",
    "ring",
]

log = structlog.get_logger(__name__)
RING_AGAIN_S = 12.0
RING_AT_ONCE = 50
QUIET_AFTER_FAILED_RING_S = 5.0
# How often a code may be tried in all; the others may as often as the settings say.
MOST_ATTEMPTS = {failures.PROTOCOL: 2}


# --- asked for --------------------------------------------------------------------------------------


def request_analysis(
    *,
    tenant: Tenant,
    spec: SummarySpec | None = None,
    summary: Summary | None = None,
    question: str = "",
    asked_by: User | None,
    trigger: str,
    now: dt.datetime,
    idempotency_key: str = "",
) -> Analysis:
    """Hold the tokens and record the question; a worker hears of it once both are committed.

    `was_there` of the returned row tells whether it is an earlier one: the same idempotency key, or the same person
    asking the same while the first is still open. Raises `AnalysisRefused`. Call inside the tenant's scope.
    """
    asked = read_wish(
        tenant=tenant,
        spec=spec,
        summary=summary,
        question=question,
        asked_by=asked_by,
        trigger=trigger,
        idempotency_key=idempotency_key,
        now=now,
    )
    earlier = find_earlier(asked)
    if earlier is not None:
        return earlier
    analysis = record_request(asked)
    if not analysis.was_there:
        log.info("analysis_requested", analysis=str(analysis.pk), trigger=trigger)
        transaction.on_commit(partial(ring_for, tenant_id=tenant.pk, analysis_id=analysis.pk))
    return analysis


def rerun(*, analysis: Analysis, asked_by: User | None, trigger: str, now: dt.datetime) -> Analysis:
    """Ask the same question again about the same choice of figures, as they are now; raises `AnalysisRefused`."""
    return request_analysis(
        tenant=current_tenant(),
        spec=load_spec(analysis.spec) if analysis.spec else None,
        summary=analysis.summary,
        question=analysis.question,
        asked_by=asked_by,
        trigger=trigger,
        now=now,
    )


def cancel(*, analysis: Analysis, now: dt.datetime) -> Analysis:
    """Stop it: at once while it waits, within a second or so while it runs, not at all once it is finished."""
    with tenant_tx():
        failure = describe_failure(failures.CANCELLED)
        if leases.end_queued(analysis=analysis, status=Status.CANCELLED, failure=failure, now=now):
            budget.release_tokens(tokens=analysis.reserved_tokens, at=analysis.created_at)
        else:
            leases.ask_to_cancel(analysis=analysis)
    analysis.refresh_from_db()
    return analysis


# --- rung for ---------------------------------------------------------------------------------------

_quiet_until = 0.0


def ring_for(*, tenant_id: int, analysis_id: UUID) -> bool:
    """Tell the workers; a broker that is down costs nothing but the seconds until `ring` rings again."""
    global _quiet_until
    if time.monotonic() < _quiet_until:
        return False
    try:
        message = {"tenant_id": tenant_id, "analysis_id": str(analysis_id)}
        tasks.run_analysis.apply_async(kwargs=message, retry=False)
    except Exception as error:
        # Whatever the broker's client raises: the row is committed, and the next requests must not wait for it too.
        _quiet_until = time.monotonic() + QUIET_AFTER_FAILED_RING_S
        log.warning("ring_failed", analysis=str(analysis_id), error=type(error).__name__)
        return False
    return True


def ring(*, now: dt.datetime) -> int:
    """Ring for every tenant's analyses that are due and were not rung for lately; returns how many."""
    if time.monotonic() < _quiet_until:
        return 0
    with platform_scope("ring"):
        waiting = Analysis.objects.filter(status=Status.QUEUED, next_attempt_at__lte=now)
        tenants = list(waiting.values_list("tenant_id", flat=True).distinct())
    rung = 0
    for tenant in Tenant.objects.filter(pk__in=tenants):
        with tenant_scope(tenant):
            for analysis_id in leases.mark_rung(now=now, after_s=RING_AGAIN_S, most=RING_AT_ONCE):
                rung += ring_for(tenant_id=tenant.pk, analysis_id=analysis_id)
    return rung


# --- claimed and answered -----------------------------------------------------------------------------


def execute(*, analysis_id: UUID | str, now_fn: Callable[[], dt.datetime] = timezone.now) -> None:
    """Work on one analysis if it is due and free: claim, call, store, finish. Safe to call any number of times."""
    analysis = leases.claim(analysis_id=analysis_id, now=now_fn())
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
    try:
        token = _open_token(analysis)
    except gateway.GatewayError as error:
        records.fail(analysis=analysis, failure=error.failure, now=now_fn())
        return
    attempt = records.begin_attempt(analysis=analysis, now=now_fn())
    pulse = Pulse(analysis=analysis, now_fn=now_fn)
    try:
        answer = _ask(analysis, token, pulse)
    except gateway.GatewayError as error:
        _retry_or_fail(analysis, attempt, error, pulse, now_fn())
    except leases.CancelAsked:
        records.end_attempt(
            analysis=analysis, attempt=attempt, outcome=failures.CANCELLED, text=pulse.text, now=now_fn()
        )
        records.fail(
            analysis=analysis,
            failure=describe_failure(failures.CANCELLED),
            now=now_fn(),
            status=Status.CANCELLED,
            text=pulse.text,
        )
    except Stopped:
        records.end_attempt(analysis=analysis, attempt=attempt, outcome="stopped", text=pulse.text, now=now_fn())
        leases.hand_back(analysis=analysis, now=now_fn())
    else:
        records.store_answer(analysis=analysis, attempt=attempt, answer=answer, now=now_fn())
        records.conclude(analysis=analysis, answer=answer, now=now_fn())


def _ask(analysis: Analysis, token: str, pulse: Pulse) -> Answer:
    pieces = gateway.stream_answer(
        endpoint=analysis.endpoint,
        token=token,
        request=analysis.request,
        deadline_s=settings.MODEL_DEADLINE_S,
        prompt_tokens_estimated=analysis.prompt_tokens_estimated,
        on_wait=pulse.beat,
    )
    for piece in pieces:
        if isinstance(piece, Delta):
            pulse.hear(piece.text)
        else:
            return piece
    raise gateway.GatewayError(failures.PROTOCOL)


def _open_token(analysis: Analysis) -> str:
    # Read per attempt, so that a token entered meanwhile counts; and only for the address it was entered for.
    assistant = assistant_of(current_tenant())
    if assistant.hidden:
        raise gateway.GatewayError(failures.CANCELLED, message="The assistant was hidden meanwhile.")
    if assistant.base_url != analysis.endpoint:
        message = "The assistant's endpoint was changed while this analysis waited."
        raise gateway.GatewayError(failures.CREDENTIALS, message=message, next_step="Analyse again.")
    try:
        return open_token(assistant=assistant, purpose="analysis")
    except SecretUnreadable:
        message = "The stored token cannot be opened any more."
        raise gateway.GatewayError(failures.CREDENTIALS, message=message) from None


# --- put off ----------------------------------------------------------------------------------------


def _retry_or_fail(
    analysis: Analysis, attempt: Attempt, error: gateway.GatewayError, pulse: Pulse, now: dt.datetime
) -> None:
    records.end_attempt(
        analysis=analysis,
        attempt=attempt,
        outcome=error.code,
        text=pulse.text,
        now=now,
        retryable=error.retryable,
        http_status=error.http_status,
    )
    most = min(MOST_ATTEMPTS.get(error.code, settings.ANALYSIS_MAX_ATTEMPTS), settings.ANALYSIS_MAX_ATTEMPTS)
    again_at = now + dt.timedelta(seconds=wait_before_retry(attempts=analysis.attempts, asked_for=error.retry_after))
    if error.retryable and not pulse.text and analysis.attempts < most and again_at < analysis.expires_at:
        leases.put_off(analysis=analysis, until=again_at, failure=error.failure)
    else:
        records.fail(analysis=analysis, failure=error.failure, now=now, text=pulse.text)


def wait_before_retry(*, attempts: int, asked_for: float | None) -> float:
    """Seconds: twice as long each time, spread so that many do not come back together, never sooner than asked for."""
    backoff: float = settings.ANALYSIS_BACKOFF_S * 2 ** (attempts - 1) * random.uniform(0.5, 1.0)
    return max(backoff, (asked_for or 0.0) * random.uniform(1.0, 1.1))


# --- reaped -----------------------------------------------------------------------------------------


def reap(*, now: dt.datetime) -> int:
    """Free every tenant's analyses whose worker is gone, and end those that waited too long; returns how many."""
    with platform_scope("reap"):
        overdue = Analysis.objects.filter(status=Status.QUEUED, expires_at__lte=now)
        found = leases.stale_analyses().union(overdue).values_list("tenant_id", flat=True)
        tenants = set(found)
    reaped = 0
    for tenant in Tenant.objects.filter(pk__in=tenants):
        with tenant_scope(tenant):
            reaped += sum(_free(analysis, now) for analysis in leases.stale_analyses())
            overdue = Analysis.objects.filter(status=Status.QUEUED, expires_at__lte=now)
            reaped += sum(_expire(analysis, now) for analysis in overdue)
    return reaped


def _free(analysis: Analysis, now: dt.datetime) -> bool:
    if not leases.take_over(analysis=analysis):
        return False
    try:
        records.end_lost_attempts(analysis=analysis, now=now)
        _requeue_or_end(analysis, now)
    except leases.LeaseLost:
        return False
    log.warning("analysis_freed", analysis=str(analysis.pk), attempts=analysis.attempts)
    return True


def _requeue_or_end(analysis: Analysis, now: dt.datetime) -> None:
    answered = analysis.tries.filter(outcome=records.ANSWERED).exists()
    if analysis.cancel_requested and not answered:
        failure, status = describe_failure(failures.CANCELLED), Status.CANCELLED
    elif answered or analysis.attempts < settings.ANALYSIS_MAX_ATTEMPTS:
        message = f"The worker was lost; attempt {analysis.attempts} of {settings.ANALYSIS_MAX_ATTEMPTS} is repeated."
        leases.put_off(analysis=analysis, until=now, failure=Failure(failures.INTERNAL, message, ""))
        return
    else:
        message = f"Its worker was lost {analysis.attempts} times."
        failure, status = describe_failure(failures.INTERNAL, message=message), Status.FAILED
    records.fail(analysis=analysis, failure=failure, now=now, status=status, text=analysis.answer)


def _expire(analysis: Analysis, now: dt.datetime) -> bool:
    with tenant_tx():
        failure = describe_failure(failures.EXPIRED)
        if not leases.end_queued(analysis=analysis, status=Status.FAILED, failure=failure, now=now):
            return False
        budget.release_tokens(tokens=analysis.reserved_tokens, at=analysis.created_at)
    return True
