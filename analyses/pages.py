"""Pages of the analyses room: the panel beside the figures, the history, one analysis, free questions, the settings.

Where a plant has hidden its assistant every page answers 404 and the panel 204. The settings alone stay open, to
managers: nobody could switch it on again otherwise.
"""

import datetime as dt
import json
from functools import wraps
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from analyses.cards import Card, describe_price, make_card
from analyses.circuits import describe_trouble
from analyses.forms import AskForm, AssistantForm
from analyses.history import FilterForm, find_latest, read_history
from analyses.models import Analysis, Trigger
from analyses.queries import assistant_of, changed_since, get_analysis, is_hidden
from analyses.runs import AnalysisRefused, AssistantHidden, cancel, request_analysis, rerun
from analyses.slips import preview_request
from analyses.trials import try_assistant
from analyses.waiting import describe_wait
from mesassist.tenants.doors import Page, TenantRequest, door
from mesassist.tenants.egress.proposals import ProposalRefused, propose_endpoint
from mesassist.tenants.models import Purpose, Role
from production.viewing import View, plant_time, read_view

STOP_POLLING = 286
REFUSAL_STATUS = {
    "assistant_not_configured": 409,
    "assistant_stopped": 409,
    "budget_spent": 402,
    "empty_question": 400,
    "poisoned": 409,
    "queue_full": 429,
}


def describe_assistant(request: HttpRequest) -> dict[str, Any]:
    """Template context: whether the plant's assistant shows (`assistant_shown`); asked only where a template asks."""
    if getattr(request, "membership", None) is None:
        return {}
    return {"assistant_shown": SimpleLazyObject(lambda: not is_hidden())}


def unless_hidden(page: Page) -> Page:
    """Answer 404 where the plant has hidden its assistant."""

    @wraps(page)
    def look(request: TenantRequest, **kwargs: Any) -> HttpResponse:
        if is_hidden():
            raise Http404("There is no assistant here.")
        return page(request, **kwargs)

    return look


# --- the panel beside the figures ------------------------------------------------------------------------


@require_safe
@door(Role.VIEWER)
@plant_time()
def panel(request: TenantRequest) -> HttpResponse:
    """The Analyse button and the latest analysis of the figures on screen; nothing where the assistant is hidden."""
    if is_hidden():
        return HttpResponse(status=204)
    return show_panel(request, read_view(request.GET))


@require_POST
@door(Role.OPERATOR)
@unless_hidden
@plant_time()
def analyse(request: TenantRequest) -> HttpResponse:
    """One click: analyse the period and line on screen."""
    view = read_view(request.GET)
    try:
        asked = request_analysis(
            tenant=request.tenant,
            spec=view.spec,
            summary=view.summary,
            question="",
            asked_by=request.user,
            trigger=Trigger.BUTTON,
            now=timezone.now(),
            idempotency_key=read_key(request),
        )
    except AnalysisRefused as refusal:
        return show_panel(request, view, refusal=refusal)
    return show_panel(request, view, asked=asked)


@require_POST
@door(Role.OPERATOR)
@unless_hidden
@plant_time()
def slip(request: TenantRequest) -> HttpResponse:
    """What a click, or the question that is being written, would send; nothing leaves the house for it."""
    wish: dict[str, Any] = {"spec": (view := read_view(request.GET)).spec, "summary": view.summary}
    if "question" in request.POST:
        form = AskForm(request.POST)
        if not form.is_valid():
            return render(request, "analyses/_slip.html", {"problem": _("Write a question first.")}, status=422)
        wish = {"summary": form.cleaned_data["summary"], "question": form.cleaned_data["question"]}
    try:
        shown = preview_request(
            tenant=request.tenant, asked_by=request.user, trigger=Trigger.BUTTON, now=timezone.now(), **wish
        )
    except AnalysisRefused as refusal:
        return render(request, "analyses/_slip.html", {"refusal": refusal}, status=status_of(refusal))
    return render(request, "analyses/_slip.html", {"slip": shown, "price": describe_price(shown.cost_estimated)})


def show_panel(
    request: TenantRequest, view: View, *, asked: Analysis | None = None, refusal: AnalysisRefused | None = None
) -> HttpResponse:
    """The panel with the analysis just asked for, or the latest; a refusal stands in its place."""
    now = timezone.now()
    latest = asked or find_latest(spec=view.spec, now=now)
    context = {
        "view": view,
        "card": show_card(latest, now=now) if latest else None,
        "refusal": refusal,
        "configured": assistant_of(request.tenant).configured,
        "key": uuid4(),
    }
    return with_wait(render(request, "analyses/_panel.html", context, status=status_of(refusal)), refusal)


def status_of(refusal: AnalysisRefused | None) -> int:
    """The HTTP status of a refusal; a hidden assistant is not there at all."""
    if isinstance(refusal, AssistantHidden):
        raise Http404(refusal.message)
    return REFUSAL_STATUS.get(refusal.code, 422) if refusal else 200


def with_wait(response: HttpResponse, refusal: AnalysisRefused | None) -> HttpResponse:
    """The response, saying when to come back where the refusal knows."""
    if refusal and refusal.retry_after_s:
        response.headers["Retry-After"] = str(refusal.retry_after_s)
    return response


def read_key(request: TenantRequest) -> str:
    """The form's own key, so that a double click asks once; it belongs to the person, not to who guesses it."""
    key = request.POST.get("key", "")[:64]
    return f"page-{request.user.pk}-{key}" if key else ""


def show_card(analysis: Analysis, *, now: dt.datetime) -> Card:
    """The card with what an analysis waits for."""
    return make_card(analysis, now=now, waits_for=describe_wait(analysis, now=now))


# --- one analysis ----------------------------------------------------------------------------------------


@require_safe
@door(Role.VIEWER)
@unless_hidden
@plant_time()
def card(request: TenantRequest, analysis_id: UUID) -> HttpResponse:
    """The card as it is now; the last answer ends the polling."""
    shown = show_card(get_analysis(analysis_id), now=timezone.now())
    status = 200 if shown.busy else STOP_POLLING
    return render(request, "analyses/_analysis.html", {"card": shown}, status=status)


@require_safe
@door(Role.VIEWER)
@unless_hidden
@plant_time()
def detail(request: TenantRequest, analysis_id: UUID) -> HttpResponse:
    """Everything that is kept of one analysis."""
    analysis = get_analysis(analysis_id)
    context = {
        "card": show_card(analysis, now=timezone.now()),
        "analysis": analysis,
        "facts": (analysis.data or {}).get("facts", []),
        "sent": json.dumps(analysis.request, indent=2, ensure_ascii=False),
        "tries": analysis.tries.all(),
        "changed": changed_since(analysis),
    }
    return render(request, "analyses/detail.html", context)


@require_POST
@door(Role.OPERATOR)
@unless_hidden
@plant_time()
def stop(request: TenantRequest, analysis_id: UUID) -> HttpResponse:
    """Cancel an analysis that is not finished."""
    analysis = cancel(analysis=get_analysis(analysis_id), now=timezone.now())
    if not request.htmx:
        return redirect("analyses:detail", request.tenant.slug, analysis.pk)
    return render(request, "analyses/_analysis.html", {"card": show_card(analysis, now=timezone.now())})


@require_POST
@door(Role.OPERATOR)
@unless_hidden
@plant_time()
def again(request: TenantRequest, analysis_id: UUID) -> HttpResponse:
    """Ask the same again, with the figures as they are now."""
    now = timezone.now()
    try:
        fresh = rerun(analysis=get_analysis(analysis_id), asked_by=request.user, trigger=Trigger.BUTTON, now=now)
    except AnalysisRefused as refusal:
        messages.warning(request, f"{refusal.message} {refusal.next_step}".strip(), extra_tags="care")
        return redirect("analyses:detail", request.tenant.slug, analysis_id)
    return redirect("analyses:detail", request.tenant.slug, fresh.pk)


# --- the history ------------------------------------------------------------------------------------------


@require_safe
@door(Role.VIEWER)
@unless_hidden
@plant_time()
def history(request: TenantRequest) -> HttpResponse:
    """Every analysis of the plant; typing in a filter replaces the list alone."""
    form = FilterForm(request.GET)
    wanted = {name: value for name, value in form.cleaned_data.items() if value} if form.is_valid() else {}
    address = request.GET.copy()
    before = (address.pop("before", None) or [""])[-1]
    context = {
        "form": form,
        "page": read_history(wanted=wanted, before=before),
        "filtered": bool(wanted),
        "before": before,
        "address": address.urlencode(),
        "now": timezone.now(),
    }
    part = request.htmx and not request.htmx.boosted
    return render(request, "analyses/_history.html" if part else "analyses/history.html", context)


# --- a free question --------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.OPERATOR)
@unless_hidden
@plant_time()
def ask(request: TenantRequest) -> HttpResponse:
    """A question in the person's own words, about the figures of a summary."""
    if request.method != "POST":
        start = {"summary": request.GET.get("summary")}
        shown = request.GET.get("analysis")
        return show_ask(request, AskForm(initial=start), asked=get_analysis(shown) if shown else None)
    form = AskForm(request.POST)
    if not form.is_valid():
        return show_ask(request, form, status=400)
    try:
        asked = request_analysis(
            tenant=request.tenant,
            spec=None,
            summary=form.cleaned_data["summary"],
            question=form.cleaned_data["question"],
            asked_by=request.user,
            trigger=Trigger.CHAT,
            now=timezone.now(),
            idempotency_key=read_key(request),
        )
    except AnalysisRefused as refusal:
        return show_ask(request, form, refusal=refusal, status=status_of(refusal))
    return redirect(f"{reverse('analyses:ask', args=[request.tenant.slug])}?analysis={asked.pk}")


def show_ask(
    request: TenantRequest,
    form: AskForm,
    *,
    asked: Analysis | None = None,
    refusal: AnalysisRefused | None = None,
    status: int = 200,
) -> HttpResponse:
    """The question page, with the answer to the last question where there is one."""
    context = {
        "form": form,
        "card": show_card(asked, now=timezone.now()) if asked else None,
        "refusal": refusal,
        "configured": assistant_of(request.tenant).configured,
        "key": uuid4(),
    }
    return with_wait(render(request, "analyses/ask.html", context, status=status), refusal)


# --- the settings ------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.MANAGER)
@plant_time()
def assistant(request: TenantRequest) -> HttpResponse:
    """The plant's assistant. Open to managers even where it is hidden, or it could never be shown again."""
    row = assistant_of(request.tenant)
    form = AssistantForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("The settings are saved."), extra_tags="good")
        return redirect("analyses:assistant", request.tenant.slug)
    saved = assistant_of(request.tenant)
    context = {"form": form, "assistant": saved, **describe_trouble(saved)}
    return render(request, "analyses/assistant.html", context, status=422 if form.errors else 200)


@require_POST
@door(Role.MANAGER)
def propose(request: TenantRequest) -> HttpResponse:
    """Ask platform staff to approve the endpoint in the form; nothing of the form is saved."""
    try:
        wish = propose_endpoint(
            tenant=request.tenant,
            url=request.POST.get("base_url", "").strip(),
            purpose=Purpose.MODEL,
            proposed_by=request.user,
            now=timezone.now(),
        )
    except ProposalRefused as refusal:
        return show_note(request, kind="bad", text=str(refusal))
    server = f"{wish.host}:{wish.port}"
    text = _("Platform staff are asked to approve %(server)s. Save the endpoint once they have.") % {"server": server}
    return show_note(request, kind="good", text=text)


def show_note(request: TenantRequest, *, kind: str, text: str) -> HttpResponse:
    """A sentence in the place that the button names, or on top of the page where there is no script."""
    if request.htmx:
        return render(request, "components/_note.html", {"kind": kind, "text": text})
    messages.info(request, text, extra_tags=kind)
    return redirect("analyses:assistant", request.tenant.slug)


@require_POST
@door(Role.MANAGER)
def test_connection(request: TenantRequest) -> HttpResponse:
    """One tiny request with the saved settings, and what came of it."""
    trial = try_assistant(assistant=assistant_of(request.tenant))
    return render(request, "analyses/_trial.html", {"trial": trial})
