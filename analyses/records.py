"""Records: what an attempt brought and cost, written in an order that survives a crash between any two lines."""

import datetime as dt
from typing import Any

from analyses import budget, leases
from analyses.aliases import book_of
from analyses.answers import Answer, Usage, estimate_usage, limit_of
from analyses.failures import Failure, describe_failure
from analyses.guard import check_numbers
from analyses.models import Analysis, Attempt, Status
from analyses.outages import wait_out
from analyses.prices import price_usage
from analyses.prompts import text_besides_facts
from analyses.tokens import count_tokens
from mesassist.tenants.scope import tenant_tx

ANSWERED = "answered"
LOST = "lost"
STOPPED = "stopped"


def begin_attempt(*, analysis: Analysis, now: dt.datetime) -> Attempt:
    """Write down the call before it is made: what is sent may be paid, whatever happens next."""
    assert analysis.owner is not None  # noqa: S101 - it was claimed
    last = analysis.tries.last()
    attempt: Attempt = Attempt.objects.create(
        tenant_id=analysis.tenant_id,
        analysis=analysis,
        number=last.number + 1 if last else 1,
        owner=analysis.owner,
        sent_at=now,
    )
    return attempt


@wait_out
def store_answer(*, analysis: Analysis, attempt: Attempt, answer: Answer, now: dt.datetime) -> None:
    """Commit what came and what it cost, before anything is made of it: from here on it is never asked again."""
    with tenant_tx():
        leases.renew_for_storing(analysis=analysis, request=answer.request, request_sha256=answer.request_sha256)
        tokens = answer.usage.total_tokens
        charge(analysis, attempt, outcome=ANSWERED, tokens=tokens, now=now, envelope=answer.envelope)


def conclude(*, analysis: Analysis, answer: Answer, now: dt.datetime) -> None:
    """Finish an analysis with its answer: done, or failed with the answer kept; raises `LeaseLost`."""
    code = answer.failure
    message = ""
    if code == "incomplete" and answer.finish_reason != "incomplete":
        message = "The model answered without a word."
    failure = describe_failure(code, message=message) if code else None
    text = book_of(analysis.aliases).restore(answer.text)
    _end(
        analysis,
        status=Status.FAILED if failure else Status.DONE,
        failure=failure,
        usage=answer.usage,
        now=now,
        answer=text,
        model_answered=answer.model,
        finish_reason=answer.finish_reason,
        provider_request_id=answer.provider_request_id,
        numbers=_check(analysis, text),
    )


def fail(
    *,
    analysis: Analysis,
    failure: Failure,
    now: dt.datetime,
    status: str = Status.FAILED,
    text: str = "",
    poison: bool = False,
) -> None:
    """Finish an analysis without an answer; text that arrived is kept and paid for; raises `LeaseLost`."""
    usage = _estimate(analysis, text) if text else None
    shown = book_of(analysis.aliases).restore(text)
    _end(analysis, status=status, failure=failure, usage=usage, now=now, answer=shown, poison=poison)


@wait_out
def end_attempt(
    *,
    analysis: Analysis,
    attempt: Attempt,
    outcome: str,
    text: str,
    now: dt.datetime,
    retryable: bool = False,
    http_status: int | None = None,
    sent: bool = False,
) -> None:
    """Note how a call without an answer ended.

    Once text arrived, or where we broke off ourselves what was `sent`, the call is paid for, at our own count.
    """
    tokens = _estimate(analysis, text).total_tokens if text or sent else 0
    with tenant_tx():
        charge(analysis, attempt, outcome=outcome, tokens=tokens, now=now, retryable=retryable, http_status=http_status)


def end_lost_attempts(*, analysis: Analysis, now: dt.datetime) -> int:
    """Close the calls of a worker that died, and say how many: nobody knows what they cost, so our own count counts."""
    tokens = _estimate(analysis, analysis.answer).total_tokens
    lost = list(analysis.tries.filter(outcome=""))
    for attempt in lost:
        with tenant_tx():
            charge(analysis, attempt, outcome=LOST, tokens=tokens, now=now)
    return len(lost)


def charge(analysis: Analysis, attempt: Attempt, *, outcome: str, tokens: int, now: dt.datetime, **fields: Any) -> None:
    """End an attempt once, and count its tokens with it: the day's use is the sum of its attempts."""
    open_attempt = Attempt.objects.filter(pk=attempt.pk, outcome="")
    if open_attempt.update(outcome=outcome, tokens=tokens, ended_at=now, **fields):
        budget.charge_tokens(tokens=tokens, at=analysis.created_at)


@wait_out
def _end(
    analysis: Analysis, *, status: str, failure: Failure | None, usage: Usage | None, now: dt.datetime, **fields: Any
) -> None:
    cost = None
    if usage is not None:
        model = fields.get("model_answered") or analysis.model_requested
        cost = price_usage(usage=usage, model=model, endpoint=analysis.endpoint, at=now)
        fields |= {
            "prompt_tokens": usage.prompt_tokens,
            "cached_tokens": usage.cached_tokens,
            "completion_tokens": usage.completion_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "usage_estimated": usage.estimated,
        }
    if cost is not None:
        fields |= {
            "cost_micros": cost.amount_micros,
            "currency": cost.currency,
            "price_version": cost.price_version,
        }
    with tenant_tx():
        told = leases.failure_fields(failure) if failure else {}
        leases.finish(analysis=analysis, status=status, now=now, **told, **fields)
        budget.release_tokens(tokens=analysis.reserved_tokens, at=analysis.created_at)
        if cost is not None:
            budget.charge_tokens(tokens=0, cost_micros=cost.amount_micros, at=analysis.created_at)


def _estimate(analysis: Analysis, text: str) -> Usage:
    return estimate_usage(
        prompt_tokens_estimated=analysis.prompt_tokens_estimated,
        text_tokens=count_tokens(text),
        max_answer_tokens=limit_of(analysis.request),
    )


def _check(analysis: Analysis, text: str) -> dict[str, Any] | None:
    if not text or analysis.data is None:
        return None
    sent = book_of(analysis.aliases).restore(analysis.request["messages"][-1]["content"])
    given = text_besides_facts(sent)
    return check_numbers(answer=text, facts=analysis.data["facts"], given=given)
