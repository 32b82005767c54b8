"""Queries: what a person may see of the assistant and its analyses, and one analysis as the object of the contract."""

import datetime as dt
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404

from analyses.models import Analysis, AssistantSettings
from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import current_tenant
from production.models import Rollup

NOT_THERE = "No such analysis."


def assistant_of(tenant: Tenant) -> AssistantSettings:
    """The tenant's assistant; a new tenant has one that is not configured yet."""
    assistant: AssistantSettings = AssistantSettings.objects.get_or_create(tenant=tenant)[0]
    return assistant


def is_hidden() -> bool:
    """Whether the active tenant's assistant is hidden: then no page, call, trigger or count of it may show."""
    return bool(AssistantSettings.objects.filter(hidden=True).exists())


def find_analyses(
    *,
    status: str = "",
    model: str = "",
    trigger: str = "",
    search: str = "",
    created_after: dt.datetime | None = None,
    created_before: dt.datetime | None = None,
) -> QuerySet[Analysis]:
    """The tenant's analyses, newest first, that fit every filter given; 404 where the assistant is hidden.

    `search` looks into question and answer, `model` at the start of the model asked for or answering.
    """
    if is_hidden():
        raise Http404(NOT_THERE)
    found = Analysis.objects.select_related("requested_by", "summary")
    if status:
        found = found.filter(status=status)
    if trigger:
        found = found.filter(trigger=trigger)
    if model:
        found = found.filter(Q(model_answered__istartswith=model) | Q(model_requested__istartswith=model))
    if search:
        found = found.filter(Q(question__icontains=search) | Q(answer__icontains=search))
    if created_after:
        found = found.filter(created_at__gte=created_after)
    return found.filter(created_at__lt=created_before) if created_before else found


def get_analysis(id: UUID | str) -> Analysis:  # noqa: A002 - the interface's name
    """The analysis; 404 alike for an unknown id, another tenant's, and a hidden assistant."""
    try:
        return find_analyses().get(pk=id)
    except (Analysis.DoesNotExist, ValidationError, ValueError):
        raise Http404(NOT_THERE) from None


def changed_since(analysis: Analysis) -> bool:
    """Whether figures of the analysis's period were computed again after it was asked for: late or corrected data."""
    if analysis.window_from is None or analysis.window_to is None:
        return False
    rows = Rollup.objects.filter(bucket__gte=analysis.window_from, bucket__lt=analysis.window_to)
    return bool(rows.filter(folded_at__gt=analysis.created_at, provisional=False).exists())


def changed_among(analyses: Iterable[Analysis]) -> set[UUID]:
    """The ids of those whose figures were computed again since: `changed_since` of a whole page in one query."""
    later = Rollup.objects.filter(
        bucket__gte=OuterRef("window_from"),
        bucket__lt=OuterRef("window_to"),
        folded_at__gt=OuterRef("created_at"),
        provisional=False,
    )
    listed = Analysis.objects.filter(pk__in=[analysis.pk for analysis in analyses])
    return set(listed.filter(Exists(later)).values_list("pk", flat=True))


# --- an analysis as others read it ------------------------------------------------------------------


def describe(analysis: Analysis, *, changed: bool = False) -> dict[str, Any]:
    """The analysis as the API, webhooks and topics give it (CONTRACT.md 3); `changed` is from `changed_since`."""
    return {
        "id": str(analysis.id),
        "status": analysis.status,
        "trigger": analysis.trigger,
        "summary": analysis.summary_id,
        "question": analysis.question,
        "model_requested": analysis.model_requested,
        "model_answered": analysis.model_answered or None,
        "answer": analysis.answer,
        "findings": [],
        "numbers": analysis.numbers,
        "finish_reason": analysis.finish_reason or None,
        "truncated": analysis.finish_reason == "length",
        "usage": describe_usage(analysis),
        "cost": describe_cost(analysis),
        "temperature": analysis.temperature,
        "data": describe_data(analysis, changed=changed),
        "left_out": analysis.left_out,
        "attempts": analysis.attempts,
        "provider_request_id": analysis.provider_request_id or None,
        "error": describe_error(analysis),
        "requested_by": analysis.requested_by.get_username() if analysis.requested_by else None,
        "created_at": analysis.created_at,
        "started_at": analysis.started_at,
        "finished_at": analysis.finished_at,
    }


def describe_usage(analysis: Analysis) -> dict[str, Any] | None:
    """Tokens, or None while nothing is known of them."""
    if analysis.prompt_tokens is None or analysis.completion_tokens is None:
        return None
    return {
        "prompt_tokens": analysis.prompt_tokens,
        "cached_tokens": analysis.cached_tokens or 0,
        "completion_tokens": analysis.completion_tokens,
        "reasoning_tokens": analysis.reasoning_tokens or 0,
        "total_tokens": analysis.prompt_tokens + analysis.completion_tokens,
        "estimated": analysis.usage_estimated,
    }


def describe_cost(analysis: Analysis) -> dict[str, Any] | None:
    """Money in millionths, or None: an unknown price is not 0."""
    if analysis.cost_micros is None:
        return None
    return {
        "amount_micros": analysis.cost_micros,
        "currency": analysis.currency,
        "price_version": analysis.price_version,
    }


def describe_data(analysis: Analysis, *, changed: bool) -> dict[str, Any] | None:
    """Which figures the answer rests on."""
    if analysis.data is None:
        return None
    return {
        "from": analysis.window_from,
        "to": analysis.window_to,
        "newest_event_at": analysis.newest_event_at,
        "sha256": analysis.data_sha256,
        "changed_since": changed,
    }


def describe_error(analysis: Analysis) -> dict[str, str] | None:
    """Code, sentence and next step; also set while a failed attempt waits for the next one."""
    if not analysis.error_code:
        return None
    return {
        "code": analysis.error_code,
        "message": analysis.error_message,
        "next_step": analysis.error_next_step,
    }


def active_assistant() -> AssistantSettings:
    """The assistant of the active tenant."""
    return assistant_of(current_tenant())
