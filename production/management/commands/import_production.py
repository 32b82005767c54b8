"""import_production: a plant's file into a tenant, with a report; `--dry-run` shows what would happen."""

from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import tenant_scope
from production.ingest.files import ImportReport, import_file
from production.ingest.mapping import ImportRefused

LINES_SHOWN = 10


class Command(BaseCommand):
    """Door: arguments in, one call, a report out."""

    help = (
        "Import a plant's file (CSV, XLSX, SHDR log, MTConnect streams) into a tenant. Importing it again adds nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """FILE --tenant SLUG --zone ZONE [--mapping NAME] [--dry-run]."""
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--tenant", required=True, metavar="SLUG", help="The tenant that the file belongs to.")
        parser.add_argument(
            "--zone", required=True, help="IANA zone of stamps without an offset, such as Europe/Warsaw."
        )
        parser.add_argument("--mapping", metavar="NAME", help="Default: the mapping that fits the file.")
        parser.add_argument("--dry-run", action="store_true", help="Show what would happen; write nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, then print what became of every row; exit 1 with a sentence when nothing could be done."""
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            known = ", ".join(Tenant.objects.values_list("slug", flat=True)) or "none yet"
            raise CommandError(f"There is no tenant {options['tenant']!r}. There are: {known}.")
        try:
            with tenant_scope(tenant):
                report = import_file(
                    path=options["file"],
                    mapping_name=options["mapping"],
                    zone=options["zone"],
                    dry_run=options["dry_run"],
                    requested_by=None,
                    now=timezone.now(),
                )
        except ImportRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write("\n".join(describe(report)))


def describe(report: ImportReport) -> list[str]:
    """The report, line by line, for people."""
    created = report.created
    warned = Counter(warning.code for warning in report.warnings) + Counter(report.more_warnings)
    lines = [
        f"{'Dry run, nothing written: ' if report.dry_run else ''}{report.file_name} with mapping {report.mapping}, "
        f"zone {report.zone}",
        f"rows         {report.received:,} = {report.accepted:,} accepted + {report.duplicate:,} duplicate "
        f"+ {report.quarantined:,} quarantined",
        f"events       {report.events:,}{_span(report)}",
        f"created      {len(created.machines)} machines, {len(created.products)} products, "
        f"{len(created.orders)} orders, {len(created.reasons)} reasons",
        f"copies       {report.copies} rows repeat an earlier row exactly",
        f"warnings     {warned.total():,}{_by_code(warned)}",
    ]
    if report.left:
        lines.append(f"left         {report.left:,} observations that the mapping does not take")
    if not report.dry_run:
        lines.append(f"rollups      {report.folded:,} folded")
    lines += _listed("quarantined", [f"line {row.line}: {row.code}: {row.detail}" for row in report.problems])
    rare = [warned for warned in report.warnings if warned.code != "duration_differs"]
    lines += _listed(
        "warnings, rows taken all the same",
        [f"{_place(row.line)}: {row.code} in {row.column}: {row.detail}" for row in rare],
    )
    return lines


def _place(line: int | None) -> str:
    return "whole file" if line is None else f"line {line}"


def _span(report: ImportReport) -> str:
    return f" from {report.first_at:%Y-%m-%d %H:%M} to {report.last_at:%Y-%m-%d %H:%M} UTC" if report.first_at else ""


def _by_code(codes: Counter[str]) -> str:
    counted = ", ".join(f"{count} {code}" for code, count in codes.most_common())
    return f" ({counted})" if counted else ""


def _listed(title: str, texts: list[str]) -> list[str]:
    if not texts:
        return []
    more = len(texts) - LINES_SHOWN
    shown = [f"  {text}" for text in texts[:LINES_SHOWN]]
    return ["", f"{title}:", *shown, *([f"  ... and {more} more"] if more > 0 else [])]
