"""History doors: ask for an analysis, wait for it, look it up, see what was sent, cancel it, ask again."""

import datetime as dt
import re
import time
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db import connection
from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from analyses.api.shapes import (
    AnalysisPageShape,
    AnalysisShape,
    AskSerializer,
    HistoryFilter,
    PreviewShape,
    SlipShape,
)
from analyses.models import OPEN, Analysis, Trigger
from analyses.queries import changed_among, changed_since, describe, find_analyses, get_analysis, is_hidden
from analyses.runs import AnalysisRefused, EmptyQuestion, cancel, request_analysis, rerun
from analyses.slips import preview_request
from mesassist.tenants.apidoor import TenantDoor
from mesassist.tenants.models import ApiKey, Scope
from mesassist.tenants.problems import Problem
from mesassist.tenants.wire import Pages
from production.models import Window
from production.summaries import main_summary, spec_of

REFUSED_WITH = {
    "not_found": 404,
    "assistant_not_configured": 409,
    "budget_spent": 402,
    "empty_question": 400,
    "nothing_to_analyse": 422,
    "context_too_long": 422,
    "idempotency_key_reused": 422,
    "poisoned": 409,
    "queue_full": 429,
    "assistant_stopped": 503,
}
LONGEST_KEY = 100
LONGEST_WAIT_S = 30
LOOK_AGAIN_S = 0.2
QUEUED = OpenApiResponse(AnalysisShape, "It is queued; look at Location for it.")
EARLIER = OpenApiResponse(AnalysisShape, "The earlier one of the same request, or the finished one within the wait.")


class HistoryPages(Pages):
    """Newest first."""

    ordering = ("-created_at", "-id")


class AssistantRoom(TenantDoor):
    """A door that is not there while the tenant hides its assistant."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """404 like any address that does not exist, once it is known who asks."""
        super().initial(request, *args, **kwargs)
        if is_hidden():
            raise Http404

    def complete(self, wish: dict[str, Any]) -> dict[str, Any]:
        """What `request_analysis` needs to know of a wish; raises `EmptyQuestion` and problems of the period."""
        summary, question = wish["summary"], wish["question"]
        if summary is None and not question.strip():
            raise EmptyQuestion
        spec = None
        if wish["from"] or wish["to"]:
            check_period(wish["from"], wish["to"])
            ends = {"window": Window.CUSTOM, "from_at": wish["from"], "to_at": wish["to"]}
            spec = spec_of(summary or main_summary(), **ends)
        who = {"tenant": self.tenant, "asked_by": self.person, "trigger": Trigger.API, "now": timezone.now()}
        return {"spec": spec, "summary": summary, "question": question, **who}

    def answer_queued(self, analysis: Analysis) -> Response:
        """202 with the address of a new analysis; 200 for one that was there, or that is done within the wait."""
        waited = wait_for(analysis, seconds=read_wait(self.request.headers.get("Prefer", "")))
        address = reverse("analysis", args=[waited.pk])
        earlier = getattr(analysis, "was_there", False) or waited.status not in OPEN
        return Response(describe(waited), status=200 if earlier else 202, headers={"Location": address})


@extend_schema(tags=["analyses"])
class AnalysesDoor(AssistantRoom):
    """Ask, and the history."""

    needs = {"GET": Scope.READ, "POST": Scope.ANALYSE}
    refusals = {"POST": ("402", "409", "422", "429", "503")}

    def known_parameters(self) -> set[str]:
        """Filters and pages, for the history alone."""
        names = {"cursor", "page_size", *HistoryFilter().fields}
        return set() if self.request.method == "POST" else names

    @extend_schema(
        operation_id="analyses_list",
        parameters=[
            HistoryFilter,
            OpenApiParameter("cursor", str, description="From `next` of the page before."),
            OpenApiParameter("page_size", int, description="1 to 500; 50 unless told."),
        ],
        responses=AnalysisPageShape,
    )
    def get(self, request: Request) -> Response:
        """The history, newest first."""
        wanted = HistoryFilter(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        pages = HistoryPages()
        found = find_analyses(**wanted.validated_data).defer("request", "spec")
        page = pages.paginate_queryset(found, request, self) or []
        changed = changed_among(page)
        return pages.get_paginated_response([describe(one, changed=one.pk in changed) for one in page])

    @extend_schema(
        operation_id="analyses_ask",
        parameters=[
            OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, description="Sent twice, asked once."),
            OpenApiParameter("Prefer", str, OpenApiParameter.HEADER, description="wait=N: up to 30 s for the answer."),
        ],
        request=AskSerializer,
        responses={202: QUEUED, 200: EARLIER},
    )
    def post(self, request: Request) -> Response:
        """Ask about a summary, with a question, or both; a summary alone is asked the assistant's main query."""
        asked = AskSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            return self.answer_queued(self.ask(asked.validated_data))
        except AnalysisRefused as refusal:
            raise explain(refusal) from refusal

    def ask(self, wish: dict[str, Any]) -> Analysis:
        """Request the analysis in the name of the key's responsible person or the one signed in."""
        return request_analysis(**self.complete(wish), idempotency_key=read_key(self.request))


@extend_schema(tags=["analyses"])
class PreviewDoor(AssistantRoom):
    """What asking would send."""

    needs = {"POST": Scope.ANALYSE}
    refusals = {"POST": ("409", "422", "503")}

    @extend_schema(operation_id="analyses_preview", request=AskSerializer, responses=PreviewShape)
    def post(self, request: Request) -> Response:
        """The departure slip without sending: nothing is stored, held or spent."""
        wish = AskSerializer(data=request.data)
        wish.is_valid(raise_exception=True)
        try:
            slip = preview_request(**self.complete(wish.validated_data))
        except AnalysisRefused as refusal:
            raise explain(refusal) from refusal
        return Response(
            {
                "request": slip.request,
                "destination": slip.destination,
                "tokens_estimated": slip.tokens_estimated,
                "cost_estimated": asdict(slip.cost_estimated) if slip.cost_estimated else None,
                "left_out": slip.left_out,
                "aliases": slip.aliases,
                "gate": {"level": slip.gate, "reasons": [asdict(doubt) for doubt in slip.doubts]},
            }
        )


@extend_schema(tags=["analyses"])
class AnalysisDoor(AssistantRoom):
    """One analysis."""

    needs = {"GET": Scope.READ}

    @extend_schema(operation_id="analyses_get", responses=AnalysisShape)
    def get(self, request: Request, pk: UUID) -> Response:
        """What was asked, what came, what it cost, and whether its figures have changed since."""
        analysis = get_analysis(pk)
        return Response(describe(analysis, changed=changed_since(analysis)))


@extend_schema(tags=["analyses"])
class SlipDoor(AssistantRoom):
    """What left the house."""

    needs = {"GET": Scope.READ}

    @extend_schema(operation_id="analyses_slip", responses=SlipShape)
    def get(self, request: Request, pk: UUID) -> Response:
        """The exact request; its JSON with sorted keys and no spaces has the SHA-256 of the bytes on the wire."""
        analysis = get_analysis(pk)
        return Response(
            {
                "destination": analysis.endpoint,
                "request": analysis.request,
                "sha256": analysis.request_sha256,
                "tokens_estimated": analysis.prompt_tokens_estimated,
                "left_out": analysis.left_out,
            }
        )


@extend_schema(tags=["analyses"])
class CancelDoor(AssistantRoom):
    """Stop one."""

    needs = {"POST": Scope.ANALYSE}

    @extend_schema(operation_id="analyses_cancel", request=None, responses=AnalysisShape)
    def post(self, request: Request, pk: UUID) -> Response:
        """Cancel it: at once while it waits, soon while it runs, not at all once it is finished."""
        return Response(describe(cancel(analysis=get_analysis(pk), now=timezone.now())))


@extend_schema(tags=["analyses"])
class RerunDoor(AssistantRoom):
    """Ask the same again."""

    needs = {"POST": Scope.ANALYSE}
    refusals = {"POST": ("402", "409", "422", "429", "503")}

    @extend_schema(operation_id="analyses_rerun", request=None, responses={202: QUEUED, 200: EARLIER})
    def post(self, request: Request, pk: UUID) -> Response:
        """The same question about the same choice of figures, as they are now."""
        earlier = get_analysis(pk)
        try:
            fresh = rerun(analysis=earlier, asked_by=self.person, trigger=Trigger.API, now=timezone.now())
        except AnalysisRefused as refusal:
            raise explain(refusal) from refusal
        return self.answer_queued(fresh)


# --- reading the request --------------------------------------------------------------------------------


def explain(refusal: AnalysisRefused) -> Problem:
    """The refusal as a problem: its code, and its sentence with what to do next."""
    status = REFUSED_WITH.get(refusal.code, 422)
    if status == 404:
        raise Http404
    sentence = f"{refusal.message} {refusal.next_step}".strip()
    return Problem(status, refusal.code, sentence, wait=refusal.retry_after_s)


def check_period(from_at: dt.datetime | None, to_at: dt.datetime | None) -> None:
    """Refuse half a period, or one that ends before it begins."""
    if from_at is None or to_at is None or from_at >= to_at:
        raise Problem(400, "invalid_window", "Give both from and to, the first before the second.")


def read_key(request: Request) -> str:
    """The idempotency key, with who sent it: two systems that choose the same word do not meet."""
    text = request.headers.get("Idempotency-Key", "")
    if not text:
        return ""
    if len(text) > LONGEST_KEY or not text.isascii() or not text.isprintable():
        raise Problem(400, "idempotency_key", f"The idempotency key is up to {LONGEST_KEY} printable characters.")
    who = f"key-{request.auth.token_key}" if isinstance(request.auth, ApiKey) else f"user-{request.user.pk}"
    return f"{who}-{text}"


def read_wait(prefer: str) -> float:
    """The seconds of `wait=N` in a Prefer header, at most 30."""
    found = re.search(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})\b", prefer, re.IGNORECASE)
    return min(int(found.group(1)), LONGEST_WAIT_S) if found else 0


def wait_for(analysis: Analysis, *, seconds: float) -> Analysis:
    """The analysis as it is once it is finished or the wait is over."""
    until = time.monotonic() + seconds
    while analysis.status in OPEN and time.monotonic() < until:
        if not connection.in_atomic_block:
            connection.close()  # a caller that waits must not keep a connection from those that work
        time.sleep(LOOK_AGAIN_S)
        analysis = get_analysis(analysis.pk)
    return analysis
