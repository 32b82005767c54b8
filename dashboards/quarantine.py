"""Quarantine pages: see what was not taken and why, mend it, send it again, discard it, take it along as a file."""

import json
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from dashboards.causes import (
    advise,
    count_causes,
    count_strangers,
    find_fault,
    is_binary,
    read_machine,
    read_pairs,
    show_content,
)
from dashboards.exports import EXPORTS, MOST_EXPORTED
from dashboards.forms import MachineForm
from dashboards.sifting import Sift, seen_at, sift_rows
from mesassist.tenants.doors import TenantRequest, door
from mesassist.tenants.models import Role
from production.ingest.decisions import (
    AlreadyDecided,
    Replayed,
    StillRefused,
    discard_rows,
    list_cells,
    mend_row,
    replay_rows,
)
from production.models import ImportRun, Line, Machine, Quarantined, QuarantineStatus
from production.viewing import plant_time

ROWS_SHOWN = 25
FILES_OFFERED = 50


@require_safe
@door(Role.OPERATOR)
@plant_time()
def quarantine(request: TenantRequest) -> HttpResponse:
    """What was not taken: the causes with what to do, and the rows that the address asks for."""
    sift = sift_rows(request.GET)
    causes = count_causes()
    context = {
        "sift": sift,
        "causes": causes,
        "waiting": sum(cause.rows for cause in causes),
        "strangers": count_strangers() if any(cause.code == "unknown_machine" for cause in causes) else (),
        "page": Paginator(sift.rows, ROWS_SHOWN).get_page(request.GET.get("page")),
        "statuses": QuarantineStatus.choices,
        "sources": Quarantined.objects.order_by("source").values_list("source", flat=True).distinct(),
        "files": ImportRun.objects.filter(quarantined__gt=0)[:FILES_OFFERED],
        # What comes after this moment was not seen, so it is not among what is agreed to below.
        "seen": urlencode({"until": seen_at(timezone.now())}),
        "sendable": sift.chosen.get("status", QuarantineStatus.WAITING) == QuarantineStatus.WAITING,
        "unlisted": (code := sift.chosen.get("code")) and code not in {cause.code for cause in causes},
        "others": sift.without("why"),
        "most_exported": MOST_EXPORTED,
    }
    return render(request, "dashboards/quarantine.html", context)


@require_safe
@door(Role.OPERATOR)
@plant_time()
def quarantined(request: TenantRequest, row_id: int) -> HttpResponse:
    """One row: exactly what came, why it was not taken, and what was decided."""
    row = find_row(row_id)
    return render(request, "dashboards/quarantined.html", describe_row(row))


def find_row(row_id: int) -> Quarantined:
    """The plant's row of that number, or 404."""
    rows = Quarantined.objects.select_related("import_run", "kafka_source", "resolved_by")
    row: Quarantined = get_object_or_404(rows, pk=row_id)
    return row


def describe_row(row: Quarantined) -> dict[str, Any]:
    """What the pages of one row show."""
    return {
        "row": row,
        "lines": show_content(row),
        "advice": advise(row.code),
        "machine": read_machine(row.detail) if row.code == "unknown_machine" else "",
        "waiting": row.status == QuarantineStatus.WAITING,
    }


@require_safe
@door(Role.OPERATOR)
@plant_time()
def export(request: TenantRequest) -> HttpResponse:
    """The rows that the address asks for, newest first, as CSV or one JSON object per line."""
    kind = EXPORTS["ndjson" if request.GET.get("format") == "ndjson" else "csv"]
    answer = HttpResponse(kind.write(sift_rows(request.GET).rows), content_type=kind.content_type)
    answer["Content-Disposition"] = f'attachment; filename="not-taken-{request.tenant.slug}.{kind.suffix}"'
    return answer


# --- mending ----------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.MANAGER)
@plant_time()
def mend(request: TenantRequest, row_id: int) -> HttpResponse:
    """Correct what came and send it through the same door; what is still refused says why beside the text."""
    row = find_row(row_id)
    columns = list_cells(row=row)
    cells = read_cells(request.POST, columns) if request.method == "POST" else columns
    text = request.POST.get("mended", "") if request.method == "POST" else draft_text(row)
    refusal = None
    if request.method == "POST":
        mended = text if cells is None else json.dumps(cells, ensure_ascii=False)
        try:
            receipt = mend_row(row=row, mended=mended, decided_by=request.user, now=timezone.now())
        except StillRefused as refused:
            refusal = refused
        except AlreadyDecided:
            return tell_decided(request, row)
        else:
            said = (
                _("The row was taken.") if receipt.accepted else _("The row is closed: the portal knew this already.")
            )
            messages.success(request, said, extra_tags="good")
            return redirect("dashboards:quarantined", request.tenant.slug, row.pk)
    context = describe_row(row) | {"cells": describe_cells(row, cells), "text": text, "refusal": refusal}
    return render(request, "dashboards/quarantined_mend.html", context, status=422 if refusal else 200)


def draft_text(row: Quarantined) -> str:
    """What came, set out to be corrected; a record that is no text starts empty."""
    if is_binary(row):
        return ""
    pairs = read_pairs(row.raw)
    # Set out anew only where nothing gets lost by it: of two equal keys a person must see both.
    if not pairs or len({key for key, _value in pairs}) < len(pairs):
        return row.raw
    return json.dumps(dict(pairs), ensure_ascii=False, indent=2)


def read_cells(sent: QueryDict, columns: dict[str, str] | None) -> dict[str, str] | None:
    """The cells of a file's row as they were entered: cell-0, cell-1, ... in the order of the columns."""
    if columns is None:
        return None
    return {column: sent.get(f"cell-{number}", "").strip() for number, column in enumerate(columns)}


def describe_cells(row: Quarantined, cells: dict[str, str] | None) -> list[dict[str, Any]] | None:
    """A field for each cell, the faulty one marked."""
    if cells is None:
        return None
    faulty = find_fault(row, list(cells.items()))
    return [{"column": column, "text": text, "fault": column in faulty} for column, text in cells.items()]


def tell_decided(request: TenantRequest, row: Quarantined) -> HttpResponse:
    """Somebody else was quicker: show what they decided."""
    messages.warning(request, _("Nothing was changed: somebody decided about this row meanwhile."), extra_tags="care")
    return redirect("dashboards:quarantined", request.tenant.slug, row.pk)


# --- many at once -----------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.MANAGER)
@plant_time()
def replay(request: TenantRequest) -> HttpResponse:
    """Ask, then send the rows that the address asks for again as they came."""
    sift = sift_rows(request.GET)
    after = int(given) if (given := request.GET.get("after", "")).isdecimal() and len(given) < 19 else 0
    if request.method != "POST":
        return ask(request, sift, "dashboards/quarantine_replay.html", after=after)
    told = replay_rows(rows=sift.rows, decided_by=request.user, now=timezone.now(), after=after)
    tell_replayed(request, told)
    if told.left:
        return redirect(f"{request.path}?{sift.query}&after={told.last}")
    return redirect(back_address(request, sift))


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.MANAGER)
@plant_time()
def discard(request: TenantRequest) -> HttpResponse:
    """Ask, then set the rows that the address asks for aside."""
    sift = sift_rows(request.GET)
    if request.method != "POST":
        return ask(request, sift, "dashboards/quarantine_discard.html")
    rows = discard_rows(rows=sift.rows, decided_by=request.user, now=timezone.now())
    said = ngettext("%(rows)s row is discarded.", "%(rows)s rows are discarded.", rows) % {"rows": rows}
    messages.success(request, said, extra_tags="good" if rows else "care")
    return redirect(back_address(request, sift))


def ask(request: TenantRequest, sift: Sift, template: str, *, after: int = 0) -> HttpResponse:
    """What would happen to how many rows; sending the form goes to the same address."""
    query = sift.query if sift.chosen.get("until") else f"{sift.query}&{urlencode({'until': seen_at(timezone.now())})}"
    context = {
        "sift": sift,
        "rows": sift.rows.filter(status=QuarantineStatus.WAITING, pk__gt=after).count(),
        "back": back_address(request, sift),
        "action": f"{request.path}?{query}&after={after}",
    }
    return render(request, template, context)


def back_address(request: TenantRequest, sift: Sift) -> str:
    """Where the person came from: the row, or the list as it was narrowed."""
    row = sift.chosen.get("row", "")
    if row.isdecimal():
        return reverse("dashboards:quarantined", args=[request.tenant.slug, row])
    return f"{reverse('dashboards:quarantine', args=[request.tenant.slug])}?{sift.without('until')}"


def tell_replayed(request: TenantRequest, told: Replayed) -> None:
    """The counts of what was sent again."""
    refused = told.refused.total()
    parts = [
        _("%(rows)s taken") % {"rows": told.accepted},
        _("%(rows)s known already") % {"rows": told.duplicate},
        _("%(rows)s still refused") % {"rows": refused},
    ]
    if refused:
        parts[-1] += f" ({', '.join(f'{code} {rows}' for code, rows in sorted(told.refused.items()))})"
    text = f"{', '.join(parts)}."
    if told.left:
        text += " " + _("%(rows)s more were not tried yet.") % {"rows": told.left}
    messages.success(request, text, extra_tags="care" if refused else "good")


# --- unknown machines -------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.MANAGER)
@plant_time()
def new_machine(request: TenantRequest) -> HttpResponse:
    """Create the machine that rows name, then offer to send them again."""
    why = request.GET.get("why", "")
    code = read_machine(why)
    form = MachineForm(
        request.POST or None, initial={"code": code, "name": code}, instance=Machine(tenant=request.tenant)
    )
    if request.method == "POST" and form.is_valid():
        form.save()
        said = _("%(name)s is created. Its rows can be sent again now.") % {"name": form.instance.name}
        messages.success(request, said, extra_tags="good")
        query = QueryDict(mutable=True)
        query.update({"code": "unknown_machine", "why": why} if code else {"code": "unknown_machine"})
        return redirect(f"{reverse('dashboards:quarantine-replay', args=[request.tenant.slug])}?{query.urlencode()}")
    context = {"form": form, "code": code, "lines": Line.objects.exists()}
    return render(request, "dashboards/quarantine_machine.html", context, status=422 if form.errors else 200)
