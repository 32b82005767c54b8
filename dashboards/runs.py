"""Run pages: one import while it is under way and after it; who may look may see, who may import may cancel."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from mesassist.tenants.doors import TenantRequest, door
from mesassist.tenants.models import Role
from production.ingest.runs import cancel_import
from production.ingest.uploads import AT_WORK
from production.models import ImportRun, Quarantined
from production.viewing import WALL_CLOCK, plant_time

STOP_POLLING = 286
EXAMPLES = 5
NOUNS = {
    "machines": gettext_lazy("New machines"),
    "reasons": gettext_lazy("New reasons"),
    "products": gettext_lazy("New products"),
    "orders": gettext_lazy("New orders"),
}


@dataclass(frozen=True)
class Progress:
    """How far an import is: `percent` and `left_s` only where somebody could count the rows; `rate` in rows per s."""

    done: int
    total: int | None
    percent: int | None
    rate: int | None
    left_s: float | None

    @property
    def tens(self) -> int | None:
        """For those who listen: not every percent is news."""
        return None if self.percent is None else self.percent // 10 * 10


@dataclass(frozen=True)
class Group:
    """Warnings or refusals of one kind: how many, and the first of them."""

    code: str
    count: int
    examples: tuple[dict[str, Any], ...]


def read_progress(run: ImportRun) -> Progress:
    """The progress as the row says it."""
    began, seen = run.report.get("began_at"), run.heartbeat_at
    seconds = (seen - dt.datetime.fromisoformat(began)).total_seconds() if began and seen else 0.0
    rate = round(run.rows_done / seconds) if seconds > 0 and run.rows_done else None
    # Line breaks inside cells make the total a little too high; it is never shown as finished before it is.
    percent = min(99, run.rows_done * 100 // run.rows_total) if run.rows_total else None
    left = max(0.0, (run.rows_total - run.rows_done) / rate) if rate and run.rows_total else None
    return Progress(run.rows_done, run.rows_total, percent, rate, left)


def describe_run(run: ImportRun) -> dict[str, Any]:
    """What the page of a run shows."""
    return {
        "run": run,
        "busy": run.status in AT_WORK,
        "progress": read_progress(run),
        "warnings": group_warnings(run.warnings, run.report.get("more_warnings", {})),
        "problems": group_problems(run),
        "window": window_query(run),
        "created": [
            (words, made) for noun, words in NOUNS.items() if (made := run.report.get("created", {}).get(noun))
        ],
        **{name: parse_moment(run.report.get(name)) for name in ("first_at", "last_at")},
        "kept": run.upload_id is not None,
    }


def group_warnings(warnings: Iterable[dict[str, Any]], more: dict[str, int]) -> list[Group]:
    """Warnings by their code, the commonest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    counts: dict[str, int] = {}
    for warning in warnings:
        # Of those beyond the first thousand the run itself only keeps how many there were: no line.
        if warning.get("line") is not None:
            found.setdefault(warning["code"], []).append(warning)
    for code, first in found.items():
        counts[code] = len(first) + more.get(code, 0)
    groups = [Group(code, counts[code], tuple(first[:EXAMPLES])) for code, first in found.items()]
    return sorted(groups, key=lambda group: (-group.count, group.code))


def group_problems(run: ImportRun) -> list[Group]:
    """Rows that were not taken, by their code. Runs of the command keep no report: their rows are in quarantine."""
    if not run.report:
        return _group_kept(run)
    examples: dict[str, list[dict[str, Any]]] = {}
    for problem in run.report.get("problems", ()):
        examples.setdefault(problem["code"], []).append(problem)
    by_code = run.report.get("by_code", {})
    return [Group(code, count, tuple(examples.get(code, ())[:EXAMPLES])) for code, count in by_code.items()]


def _group_kept(run: ImportRun) -> list[Group]:
    rows = Quarantined.objects.filter(import_run=run)
    counts = rows.order_by().values_list("code").annotate(rows=Count("pk")).order_by("-rows", "code")
    return [Group(code, count, _first_kept(rows.filter(code=code))) for code, count in counts]


def _first_kept(rows: QuerySet[Quarantined]) -> tuple[dict[str, Any], ...]:
    first = rows.order_by("position")[:EXAMPLES]
    return tuple({"line": row.position, "code": row.code, "detail": row.detail} for row in first)


def parse_moment(text: str | None) -> dt.datetime | None:
    """A moment as the report keeps it."""
    return dt.datetime.fromisoformat(text) if text else None


def window_query(run: ImportRun) -> str:
    """The dashboard's address of the time that the file tells of; empty where it told of none."""
    first, last = run.report.get("first_at"), run.report.get("last_at")
    if not first or not last or run.dry_run:
        return ""
    ends = [timezone.localtime(dt.datetime.fromisoformat(text)) for text in (first, last)]
    # To the next minute: the page's fields know no seconds.
    ends[1] += dt.timedelta(minutes=1)
    return urlencode({"window": "custom", "from": f"{ends[0]:{WALL_CLOCK}}", "to": f"{ends[1]:{WALL_CLOCK}}"})


def find_run(run_id: int) -> ImportRun:
    """The plant's import of that number, or 404."""
    run: ImportRun = get_object_or_404(ImportRun.objects.select_related("requested_by", "upload"), pk=run_id)
    return run


@require_safe
@door(Role.VIEWER)
@plant_time()
def show(request: TenantRequest, run_id: int) -> HttpResponse:
    """The import: how far it is, or what became of every row."""
    return render(request, "dashboards/import.html", describe_run(find_run(run_id)))


@require_safe
@door(Role.VIEWER)
@plant_time()
def progress(request: TenantRequest, run_id: int) -> HttpResponse:
    """The import as it is now; the last answer ends the polling."""
    context = describe_run(find_run(run_id)) | {"polled": True}
    status = 200 if context["busy"] else STOP_POLLING
    return render(request, "dashboards/_import.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@door(Role.MANAGER)
@plant_time()
def cancel(request: TenantRequest, run_id: int) -> HttpResponse:
    """Ask, then stop an import."""
    run = find_run(run_id)
    back = reverse("dashboards:import", args=[request.tenant.slug, run.pk])
    if request.method != "POST":
        return render(request, "dashboards/import_cancel.html", {"run": run, "back": back})
    if cancel_import(run=run, now=timezone.now()):
        messages.success(request, _("The import is stopped. What was taken stays."), extra_tags="care")
    else:
        messages.warning(request, _("The import was finished before it could be stopped."), extra_tags="care")
    return redirect(back)
