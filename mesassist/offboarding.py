"""Off-boarding: a tenant goes, and everything of it: rows in every table, accounts that nobody else needs, its trail.

The tables are read from the database's own catalogue, not from a list: one that is added tomorrow is emptied too.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from mesassist.audit.heads import forget_trail
from mesassist.tenants.models import Tenant, User
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_tx

log = structlog.get_logger(__name__)
# The trail goes last, and by its own function: nobody may delete from it.
KEPT = {"audit_entry"}
# Each table that has a tenant, and whether a row of another one points to it.
TABLES = """
SELECT c.relname, EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.confrelid = c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY c.relname
"""


@dataclass(frozen=True)
class Gone:
    """What was removed: rows by table, accounts, and entries of the trail."""

    rows: dict[str, int]
    accounts: int
    trail: int


def count_rows(*, tenant: Tenant) -> dict[str, int]:
    """How many rows each table holds of the tenant, those without any left out."""
    counted = {}
    with platform_scope("off-boarding", role=PlatformRole.STAFF), connection.cursor() as cursor:
        for table, _ in _tables():
            cursor.execute(f'SELECT count(*) FROM "{table}" WHERE tenant_id = %s', [tenant.pk])  # noqa: S608
            counted[table] = cursor.fetchone()[0]
    return {table: rows for table, rows in counted.items() if rows}


def close_tenant(*, tenant: Tenant, now: dt.datetime) -> None:
    """Shut every door of the tenant at once: people, keys, topics and tasks find it gone. Its rows stay."""
    Tenant.objects.filter(pk=tenant.pk, closed_at=None).update(closed_at=now)


def remove_tenant(*, tenant: Tenant, on_step: Callable[[str], None]) -> Gone:
    """Remove a closed tenant and all that is its own. Stopped half-way it is called again and goes on.

    What nothing else points to goes in short transactions, the rest in one. Raises `ValueError` if it is not closed.
    """
    if not Tenant.objects.filter(pk=tenant.pk).exclude(closed_at=None).exists():
        raise ValueError(f"{tenant.name} is not closed. Close it first, so that nothing new comes in.")
    rows = Counter[str]()
    with platform_scope("off-boarding", role=PlatformRole.STAFF):
        tables = _tables()
        _forget_in_admin_log(tenant.pk)
        for table in (table for table, is_named in tables if not is_named and table != "tenants_membership"):
            on_step(table)
            while some := _empty(table, tenant.pk, "LIMIT 20000"):
                rows[table] += some
        with tenant_tx():
            people = list(User.objects.filter(memberships__tenant=tenant).values_list("pk", flat=True))
            for table, _ in tables:
                rows[table] += _empty(table, tenant.pk)
            accounts = _remove_accounts(people)
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM tenants_tenant WHERE id = %s", [tenant.pk])
    entries = forget_trail(tenant.pk)
    log.info("tenant_removed", tenant=tenant.pk, rows=rows.total(), accounts=accounts, trail=entries)
    return Gone({table: some for table, some in rows.items() if some}, accounts, entries)


def _tables() -> list[tuple[str, bool]]:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        return [(table, is_named) for table, is_named in cursor.fetchall() if table not in KEPT]


def _empty(table: str, tenant_id: int, limit: str = "") -> int:
    """Delete the tenant's rows of one table, or some of them; gives their number."""
    # Rows of different partitions may share a place, so the table is part of it.
    which = f'(tableoid, ctid) IN (SELECT tableoid, ctid FROM "{table}" WHERE tenant_id = %s {limit})'  # noqa: S608 - names from the catalogue
    with connection.cursor() as cursor:
        cursor.execute(f'DELETE FROM "{table}" WHERE tenant_id = %s AND {which}', [tenant_id, tenant_id])  # noqa: S608
        return int(cursor.rowcount)


def _forget_in_admin_log(tenant_id: int) -> None:
    """The administration's own log names the rows that were changed there."""
    for entry in LogEntry.objects.select_related("content_type").iterator():
        model = entry.content_type and entry.content_type.model_class()
        if model is None or not any(field.name == "tenant" for field in model._meta.local_fields):
            continue
        if not model.objects.filter(pk=entry.object_id).exclude(tenant_id=tenant_id).exists():
            # Also of rows that are gone already: nobody can say any more whose they were.
            entry.delete()
    own = ContentType.objects.get_for_model(Tenant)
    LogEntry.objects.filter(content_type=own, object_id=str(tenant_id)).delete()


def _remove_accounts(people: list[int]) -> int:
    """Remove the accounts of people who belong to no other tenant and do not run the platform."""
    lonely = User.objects.filter(pk__in=people, memberships=None, is_staff=False)
    removed = lonely.count()
    lonely.delete()
    return removed
