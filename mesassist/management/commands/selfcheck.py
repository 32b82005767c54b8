"""selfcheck: the invariants of a tenant's rows as queries; prints what offends and exits 1, or 0 when all is well."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from mesassist.selfcheck import CHECKS, check_now
from mesassist.tenants.models import Tenant
from production.selfchecks import Asked


class Command(BaseCommand):
    """The door of `mesassist.selfcheck`."""

    help = "Check that what must always be true of the stored rows is true; exit 1 and the offending rows if not."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whom to check and how much."""
        parser.add_argument("--tenant", metavar="SLUG", help="only this tenant; otherwise all")
        parser.add_argument("--machine-days", type=int, default=3, metavar="N", help="machine-days to recount (3)")
        parser.add_argument("--rows", type=int, default=20, metavar="N", help="offending rows to print per check (20)")

    def handle(self, *, tenant: str | None, machine_days: int, rows: int, **_options: Any) -> None:
        """Print what is broken."""
        tenants = list(Tenant.objects.filter(**({"slug": tenant} if tenant else {})).order_by("slug"))
        if tenant and not tenants:
            raise CommandError(f"There is no tenant {tenant}.")
        asked = Asked(now=timezone.now(), machine_days=machine_days, at_most=rows)
        broken = 0
        for found_in, one in check_now(tenants=tenants, asked=asked):
            broken += 1
            self.stdout.write(f"{found_in.slug}: not true: {one.name}")
            for row in one.rows:
                self.stdout.write(f"  {row}")
            if one.more:
                self.stdout.write(f"  and more; --rows {rows * 10} prints more of them")
        if broken:
            sys.exit(1)
        self.stdout.write(f"{len(CHECKS)} checks of {len(tenants)} tenants: everything is as it must be.")
