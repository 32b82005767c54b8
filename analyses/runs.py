"""Runs: the life of an analysis, told where it begins: asked for and recorded here, rung for (`ringing`), claimed and
answered (`working`), freed when its worker is gone (`reaping`).

A row first, a message second, a lease third (`leases`).
"""

import datetime as dt
from functools import partial

import structlog
from django.db import transaction

from analyses import budget, failures, leases
from analyses.asking import find_earlier, load_spec, read_wish, record_request
from analyses.failures import describe_failure
from analyses.models import Analysis, Status
from analyses.pulse import STOPPING
from analyses.reaping import reap
from analyses.refusals import (
    AnalysisRefused,
    AssistantHidden,
    AssistantStopped,
    BudgetSpent,
    EmptyQuestion,
    KeyReused,
    NotConfigured,
    NothingToAnalyse,
    Poisoned,
    QuestionTooLong,
    QueueFull,
)
from analyses.ringing import ring, ring_for, ring_next
from analyses.working import execute
from mesassist.tenants.models import Tenant, User
from mesassist.tenants.scope import current_tenant, tenant_tx
from production.models import Summary
from production.summaries import SummarySpec

__all__ = [
    "STOPPING",
    "AnalysisRefused",
    "AssistantHidden",
    "AssistantStopped",
    "BudgetSpent",
    "EmptyQuestion",
    "KeyReused",
    "NotConfigured",
    "NothingToAnalyse",
    "Poisoned",
    "QuestionTooLong",
    "QueueFull",
    "cancel",
    "execute",
    "reap",
    "request_analysis",
    "rerun",
    "ring",
    "ring_next",
]

log = structlog.get_logger(__name__)


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
        if analysis.rung_at is not None:
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
