"""audit_verify: whether the audit trail is as it was written; exits 1 and names each row that is not."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from mesassist.audit import anchors
from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import platform_scope


class Command(BaseCommand):
    """The door of `mesassist.audit.anchors`."""

    help = "Check the chains of the audit trail; exit 1 and the entries that were changed or are missing if they broke."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose chain, and which heads it is held against."""
        parser.add_argument("--tenant", metavar="SLUG", help="only this tenant and the platform; otherwise all")
        parser.add_argument("--anchor", type=Path, metavar="FILE", help="heads that were written down earlier")
        parser.add_argument(
            "--write-anchor", type=Path, metavar="FILE", help="write the heads down; keep them elsewhere"
        )

    def handle(self, *, tenant: str | None, anchor: Path | None, write_anchor: Path | None, **_options: Any) -> None:
        """Print each chain's head, and what broke."""
        if tenant and write_anchor:
            raise CommandError("An anchor holds every tenant's head: leave out --tenant.")
        with platform_scope("audit_verify"):
            tenants = list(Tenant.objects.filter(**({"slug": tenant} if tenant else {})).order_by("slug"))
        if tenant and not tenants:
            raise CommandError(f"There is no tenant {tenant}.")
        try:
            heads = anchors.read_anchor(anchor) if anchor else {}
        except anchors.AnchorUnreadable as error:
            raise CommandError(str(error)) from error
        self.report(tenants, heads, write_anchor)

    def report(self, tenants: list[Tenant], anchor: anchors.Heads, to: Path | None) -> None:
        """Print; write the heads down only when everything is unbroken."""
        found, broken = {}, 0
        for name, verdict in anchors.verify_all(tenants=tenants, anchor=anchor):
            found[name] = verdict.head
            broken += len(verdict.broken)
            state = "BROKEN" if verdict.broken else "unbroken"
            self.stdout.write(
                f"{name}: {verdict.entries} entries, {state}, head {verdict.head.number} {verdict.head.hash}"
            )
            for sentence in verdict.broken:
                self.stdout.write(f"  {sentence}")
        if broken:
            sys.exit(1)
        if to:
            anchors.write_anchor(to, found, now=timezone.now())
            self.stdout.write(f"Heads written to {to}: keep the file where the database's owner cannot write.")
