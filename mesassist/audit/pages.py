"""Audit pages: the trail to read, a change in full, the check of the chain, and files to keep."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from mesassist.audit.chain import verify_chain
from mesassist.audit.exports import EXPORTS, MOST_EXPORTED
from mesassist.audit.heads import keep_check
from mesassist.audit.models import ChainCheck, Entry
from mesassist.audit.sifting import sift_entries
from mesassist.audit.wording import tell_entries
from mesassist.tenants.doors import TenantRequest

SHOWN = 50


@require_safe
def trail(request: TenantRequest) -> HttpResponse:
    """What was changed, newest first, fifty at a time."""
    return show_trail(request, sift_entries(request.GET))


def show_trail(request: TenantRequest, sift: Any, **more: Any) -> HttpResponse:
    """The page, with the entries before the number that the address names."""
    before = request.GET.get("before", "")
    place = {"number__lt": int(before)} if before.isascii() and before.isdigit() and len(before) < 19 else {}
    found = list(sift.rows.filter(**place)[: SHOWN + 1])
    older = f"{sift.query}&before={found[SHOWN - 1].number}" if len(found) > SHOWN else ""
    context = {
        "sift": sift,
        "entries": tell_entries(found[:SHOWN]),
        "older": older.lstrip("&"),
        "paged": bool(place),
        "check": ChainCheck.objects.first(),
        **more,
    }
    return render(request, "audit/trail.html", context, status=422 if sift.form.errors or more else 200)


@require_safe
def entry(request: TenantRequest, number: int) -> HttpResponse:
    """A change in full: before and after, who, from where, and its seal."""
    row = get_object_or_404(Entry.objects.all(), number=number)
    return render(request, "audit/entry.html", {"told": tell_entries([row])[0]})


@require_POST
def check(request: TenantRequest) -> HttpResponse:
    """Walk along the chain now."""
    found = keep_check(verify_chain(), now=timezone.now())
    if found.broken:
        messages.error(request, _("The chain is broken: see below."), extra_tags="bad")
    else:
        messages.success(request, _("The chain is unbroken."), extra_tags="good")
    return redirect("audit:trail", request.tenant.slug)


@require_safe
def export(request: TenantRequest) -> HttpResponse:
    """The entries that the address asks for, as a file."""
    sift = sift_entries(request.GET)
    export = EXPORTS.get(request.GET.get("format", ""))
    if export is None or sift.form.errors:
        return show_trail(request, sift, refusal=_("Choose CSV or JSON lines, and a time that makes sense."))
    if sift.rows[MOST_EXPORTED : MOST_EXPORTED + 1].exists():
        said = _("More than %(most)s entries: ask for a shorter time, one file for each.") % {
            "most": f"{MOST_EXPORTED:,}"
        }
        return show_trail(request, sift, refusal=said)
    response = HttpResponse(export.write(sift.rows), content_type=export.content_type)
    response["Content-Disposition"] = f'attachment; filename="audit-{request.tenant.slug}.{export.suffix}"'
    response["Cache-Control"] = "no-store"
    return response
