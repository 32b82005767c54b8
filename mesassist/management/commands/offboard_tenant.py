"""Command: close a tenant, or remove it with everything of it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mesassist.offboarding import close_tenant, count_rows, remove_tenant
from mesassist.tenants.models import Tenant


class Command(BaseCommand):
    """`offboard_tenant SLUG` closes and counts; with `--remove SLUG` it removes for good."""

    help = "Close a tenant and say what it holds; with --remove SLUG remove it and everything of it for good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The tenant, and its slug once more to remove it."""
        parser.add_argument("slug")
        parser.add_argument("--remove", metavar="SLUG", help="the same slug again: remove everything, for good")

    def handle(self, *_args: Any, slug: str, remove: str | None, **_options: Any) -> None:
        """Close, count, and where it was said twice, remove."""
        tenant = Tenant.objects.filter(slug=slug).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {slug!r}.")
        if remove is not None and remove != slug:
            raise CommandError(f"--remove names {remove!r}, not {slug!r}: nothing was done.")
        close_tenant(tenant=tenant, now=timezone.now())
        self.stdout.write(f"{tenant.name} is closed: nobody enters, no key and no topic is taken.")
        if remove is None:
            for table, rows in count_rows(tenant=tenant).items():
                self.stdout.write(f"  {table:<32} {rows:>12,}")
            self.stdout.write(f"To remove all of it for good: offboard_tenant {slug} --remove {slug}")
            return
        gone = remove_tenant(tenant=tenant, on_step=lambda table: self.stdout.write(f"emptying {table}"))
        self.stdout.write(
            f"Removed {sum(gone.rows.values()):,} rows of {len(gone.rows)} tables, {gone.accounts} accounts and "
            f"{gone.trail:,} entries of the audit trail. Backups made before still hold them (docs/data-protection.md)."
        )
