"""Command: ask for one analysis of a tenant's summary and print what came of it; the workers do the work."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from analyses import runs
from analyses.models import OPEN, Analysis, Status, Trigger
from analyses.prices import format_cost
from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import tenant_scope
from production.models import Summary
from production.summaries import main_summary

POLL_S = 0.25
GRACE_S = 60.0


class Command(BaseCommand):
    """`run_analysis --tenant SLUG [--summary ID] [--question TEXT] [--wait]`; exits 1 unless the analysis is done."""

    help = "Ask the assistant of a tenant, and with --wait print the result."

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("--tenant", required=True, help="the tenant's slug")
        parser.add_argument("--summary", type=int, help="the summary's id; without it the tenant's main summary")
        parser.add_argument("--question", default="", help="without it the assistant's main query")
        parser.add_argument("--wait", action="store_true", help="wait for the end and print the result")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, and report."""
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}.")
        with tenant_scope(tenant):
            analysis = self.ask(tenant, options)
            if options["wait"]:
                analysis = wait_for(analysis)
            for name, value in report(analysis):
                self.stdout.write(f"{name:<8} {value}")
            if options["wait"] and analysis.status != Status.DONE:
                raise CommandError(explain(analysis))

    def ask(self, tenant: Tenant, options: dict[str, Any]) -> Analysis:
        """The queued analysis; a refusal ends the command with its sentences."""
        chosen = options["summary"]
        summary = main_summary() if chosen is None else Summary.objects.filter(pk=chosen).first()
        if summary is None:
            raise CommandError(f"{tenant} has no summary {chosen}.")
        try:
            return runs.request_analysis(
                tenant=tenant,
                summary=summary,
                question=options["question"],
                asked_by=None,
                trigger=Trigger.API,
                now=timezone.now(),
            )
        except runs.AnalysisRefused as refusal:
            raise CommandError(str(refusal)) from None


def wait_for(analysis: Analysis) -> Analysis:
    """The analysis at its end, or as it is when the longest time has passed."""
    until = time.monotonic() + settings.MODEL_DEADLINE_S + GRACE_S
    while analysis.status in OPEN and time.monotonic() < until:
        time.sleep(POLL_S)
        analysis.refresh_from_db()
    return analysis


def report(analysis: Analysis) -> list[tuple[str, str]]:
    """The lines that are printed, as name and value."""
    lines = [("analysis", str(analysis.pk)), ("status", analysis.status)]
    if analysis.status in OPEN:
        return lines
    numbers = analysis.numbers or {}
    confirmed = numbers.get("found", 0) + numbers.get("derived", 0)
    tokens = "unknown"
    if analysis.prompt_tokens is not None:
        tokens = f"{analysis.prompt_tokens} in + {analysis.completion_tokens} out"
    cost = format_cost(amount_micros=analysis.cost_micros, currency=analysis.currency)
    return [
        *lines,
        ("model", analysis.model_answered or analysis.model_requested),
        ("tokens", tokens + (" (estimated)" if analysis.usage_estimated else "")),
        ("cost", cost),
        ("numbers", f"{confirmed} of {len(numbers.get('marks', []))} confirmed"),
    ]


def explain(analysis: Analysis) -> str:
    """One line that says why there is no finished analysis."""
    if analysis.status in OPEN:
        return f"The analysis is still {analysis.status}. Is a worker running?"
    return f"{analysis.error_code}: {analysis.error_message} {analysis.error_next_step}".strip()
