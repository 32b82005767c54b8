"""Corrections pages: what people say over what was reported; every correction can be lifted again."""

import datetime as dt
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from dashboards.correcting import CorrectionForm, Day, DayForm, preview_correction, read_day, save_correction
from mesassist.tenants.doors import TenantRequest, door
from mesassist.tenants.models import Role
from production.corrections import CorrectionRefused, undo_correction
from production.models import Correction, Machine
from production.viewing import plant_time

CORRECTIONS_SHOWN = 25


@require_safe
@door(Role.VIEWER)
@plant_time()
def corrections(request: TenantRequest) -> HttpResponse:
    """A machine's day to pick a stretch from, and every correction that was made."""
    now = timezone.now()
    form = DayForm(request.GET)
    day = pick_day(form, now=now)
    rows = Correction.objects.select_related("machine", "reason", "made_by", "undone_by")
    context = {
        "form": DayForm(initial={"machine": day.machine, "day": day.day}) if day else form,
        "day": day,
        "page": Paginator(rows, CORRECTIONS_SHOWN).get_page(request.GET.get("page")),
    }
    return render(request, "dashboards/corrections.html", context)


def pick_day(form: DayForm, *, now: dt.datetime) -> Day | None:
    """The day that the form names: without a choice, today of the first machine; None where there is no machine."""
    chosen = form.cleaned_data if form.is_valid() else {}
    machine = chosen.get("machine") or Machine.objects.filter(retired_at=None).first()
    if machine is None:
        return None
    return read_day(machine=machine, day=chosen.get("day") or timezone.localtime(now).date(), now=now)


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.OPERATOR)
@plant_time()
def new_correction(request: TenantRequest) -> HttpResponse:
    """Say what was: first what would change is shown, then it is saved."""
    now, role = timezone.now(), request.membership.role
    if request.method != "POST":
        names = {"machine": "machine", "from_at": "from", "to_at": "to", "state": "state"}
        initial = {name: request.GET[asked] for name, asked in names.items() if request.GET.get(asked)}
        return show_form(request, CorrectionForm(initial=initial, now=now, role=role))
    form = CorrectionForm(request.POST, now=now, role=role)
    if not form.is_valid():
        return show_form(request, form, status=422)
    try:
        if request.POST.get("step") != "save":
            changes = preview_correction(chosen=form.cleaned_data, made_by=request.user, now=now)
            return show_form(request, form, changes=changes)
        save_correction(chosen=form.cleaned_data, made_by=request.user, now=now)
    except CorrectionRefused as refusal:
        form.add_error(None, str(refusal))
        return show_form(request, form, status=422)
    messages.success(request, _("The correction is saved. Its figures follow in a moment."), extra_tags="good")
    return redirect(day_address(request, form.cleaned_data["machine"], form.cleaned_data["from_at"]))


def show_form(request: TenantRequest, form: CorrectionForm, *, status: int = 200, **more: Any) -> HttpResponse:
    """The form, with what would change once that is known."""
    back = reverse("dashboards:corrections", args=[request.tenant.slug])
    return render(request, "dashboards/correction.html", {"form": form, "back": back, **more}, status=status)


def day_address(request: TenantRequest, machine: Machine, at: dt.datetime) -> str:
    """The page of that machine's day."""
    address = reverse("dashboards:corrections", args=[request.tenant.slug])
    return f"{address}?machine={machine.pk}&day={timezone.localtime(at):%Y-%m-%d}"


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.OPERATOR)
@plant_time()
def undo(request: TenantRequest, correction_id: int) -> HttpResponse:
    """Ask, then lift a correction; operators lift their own."""
    rows = Correction.objects.select_related("machine", "reason", "made_by")
    row: Correction = get_object_or_404(rows, pk=correction_id)
    if request.membership.role < Role.MANAGER and row.made_by_id != request.user.pk:
        raise PermissionDenied("Operators lift their own corrections. Ask a manager to lift this one.")
    if request.method != "POST":
        return render(request, "dashboards/correction_undo.html", {"row": row})
    if undo_correction(correction=row, undone_by=request.user, now=timezone.now()):
        messages.success(request, _("The correction is lifted: what was reported counts again."), extra_tags="good")
    else:
        messages.warning(request, _("Nothing was changed: somebody lifted it before."), extra_tags="care")
    return redirect(day_address(request, row.machine, row.from_at))
