"""Pages of the dashboards room: the board, its time lines, the summaries a plant defines, and where its data stands."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from dashboards.arrivals import read_arrivals, read_imports
from dashboards.charts import pareto_chart, trend_chart
from dashboards.forms import SummaryForm
from dashboards.timelines import draw_axis, draw_track
from dashboards.widgets import build_tiles
from mesassist.tenants.doors import TenantRequest, door
from mesassist.tenants.models import Role
from production.models import Line, State, Summary
from production.summaries import SummaryData, SummarySpec, read_strips, read_summary
from production.viewing import plant_time, read_view

# --- the board -----------------------------------------------------------------------------------------


@require_safe
@door(Role.VIEWER)
@plant_time()
def board(request: TenantRequest) -> HttpResponse:
    """The plant's figures of one period; the assistant's panel loads itself from the analyses room."""
    view = read_view(request.GET)
    data = read_summary(spec=view.spec, now=timezone.now())
    context = describe_figures(data) | {"view": view, "lines": Line.objects.all()}
    return render(request, "dashboards/board.html", context)


@require_safe
@door(Role.VIEWER)
@plant_time()
def strips(request: TenantRequest) -> HttpResponse:
    """The machines' states over time: loaded after the page, because it alone reads events."""
    read = read_strips(spec=read_view(request.GET).spec, now=timezone.now())
    zone = timezone.get_current_timezone_name()
    context = {
        "tracks": [draw_track(strip, zone=zone) for strip in read],
        "axis": draw_axis(read, zone=zone),
        "states": State.choices,
        "from_at": read[0].from_at if read else None,
        "to_at": read[0].to_at if read else None,
        "label": read[0].label if read else "",
    }
    return render(request, "dashboards/_strips.html", context)


def describe_figures(data: SummaryData) -> dict[str, Any]:
    """What the figures' template needs."""
    return {
        "data": data,
        "tiles": build_tiles(data),
        "trend": trend_chart(data),
        "pareto": pareto_chart(data),
        # Also part of the freshness line: on a running day it would stand in a yellow box all the time.
        "warnings": [warned for warned in data.warnings if warned.code != "provisional"],
        "empty": any(warned.code == "no_events" for warned in data.warnings),
    }


# --- summaries -------------------------------------------------------------------------------------------


@require_safe
@door(Role.VIEWER)
@plant_time()
def summaries(request: TenantRequest) -> HttpResponse:
    """Every definition of the plant."""
    rows = Summary.objects.select_related("created_by").prefetch_related("lines", "machines")
    return render(request, "dashboards/summaries.html", {"summaries": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.MANAGER)
@plant_time()
def new_summary(request: TenantRequest) -> HttpResponse:
    """Compose a summary."""
    return show_or_save(request, Summary(tenant=request.tenant, created_by=request.user), _("New summary"))


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.MANAGER)
@plant_time()
def edit_summary(request: TenantRequest, summary_id: int) -> HttpResponse:
    """Change a summary."""
    row: Summary = get_object_or_404(Summary.objects.all(), pk=summary_id)
    return show_or_save(request, row, row.name)


def show_or_save(request: TenantRequest, row: Summary, title: str) -> HttpResponse:
    """Show the form, or save it and go back to the list."""
    form = SummaryForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("%(name)s is saved.") % {"name": row.name}, extra_tags="good")
        return redirect("dashboards:summaries", request.tenant.slug)
    context = {"form": form, "title": title, "summary": row}
    return render(request, "dashboards/summary.html", context, status=422 if form.errors else 200)


@require_http_methods(["POST"])
@door(Role.MANAGER)
@plant_time()
def summary_preview(request: TenantRequest) -> HttpResponse:
    """What the summary in the form would show now; nothing is saved."""
    form = SummaryForm(request.POST)
    # The name says nothing about the figures, so a missing one does not hold them back.
    if set(form.errors) - {"name"}:
        return render(request, "dashboards/_preview.html", {"form": form})
    data = read_summary(spec=read_spec(form), now=timezone.now())
    return render(request, "dashboards/_preview.html", {"data": data, "tiles": build_tiles(data)})


def read_spec(form: SummaryForm) -> SummarySpec:
    """The spec of a form that is not saved."""
    chosen = form.cleaned_data
    return SummarySpec(
        title=chosen.get("name") or _("New summary"),
        window=chosen["window"],
        from_at=chosen["from_at"],
        to_at=chosen["to_at"],
        lines=tuple(line.pk for line in chosen["lines"]),
        machines=tuple(machine.pk for machine in chosen["machines"]),
        metrics=tuple(chosen["metrics"]),
        group_by=chosen["group_by"],
        compare_to=chosen["compare_to"],
    )


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.MANAGER)
@plant_time()
def delete_summary(request: TenantRequest, summary_id: int) -> HttpResponse:
    """Ask, then delete; analyses keep their figures."""
    row: Summary = get_object_or_404(Summary.objects.filter(is_main=False), pk=summary_id)
    if request.method != "POST":
        return render(request, "dashboards/summary_delete.html", {"summary": row})
    row.delete()
    messages.success(request, _("%(name)s is deleted.") % {"name": row.name}, extra_tags="good")
    return redirect("dashboards:summaries", request.tenant.slug)


# --- data -------------------------------------------------------------------------------------------------


@require_safe
@door(Role.VIEWER)
@plant_time()
def data_page(request: TenantRequest) -> HttpResponse:
    """How fresh each machine's data is, and what files brought."""
    context = {"arrivals": read_arrivals(now=timezone.now()), "imports": read_imports()}
    return render(request, "dashboards/data.html", context)
