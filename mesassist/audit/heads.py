"""Heads: what a walk along a chain found, kept for its page and said in the log, from where logs are kept elsewhere."""

import datetime as dt

import structlog
from django.db import connection

from mesassist.audit.chain import Verdict
from mesassist.audit.models import ChainCheck
from mesassist.tenants.scope import current_tenant, platform_scope

log = structlog.get_logger(__name__)


def keep_check(verdict: Verdict, *, now: dt.datetime) -> ChainCheck:
    """Keep the verdict on the active tenant's chain."""
    note_head(current_tenant().pk, verdict)
    found = {"entries": verdict.entries, "head": verdict.head.hash, "broken": verdict.broken}
    check: ChainCheck = ChainCheck.objects.update_or_create(
        tenant=current_tenant(), defaults={"checked_at": now, **found}
    )[0]
    return check


def note_head(tenant_id: int, verdict: Verdict) -> None:
    """A line that a later chain can be held against, wherever logs are shipped; tenant 0 is the platform."""
    log.info("audit_head", tenant=tenant_id, number=verdict.head.number, hash=verdict.head.hash)
    for sentence in verdict.broken:
        log.error("audit_broken", tenant=tenant_id, what=sentence)


def forget_trail(tenant_id: int) -> int:
    """Remove the trail of a tenant that is gone; gives the number of entries. The last step of off-boarding.

    Raises `ProgrammingError` while the tenant is there: a trail goes after its tenant, never before.
    """
    with platform_scope("forget trail"), connection.cursor() as cursor:
        cursor.execute("SELECT audit_forget(%s)", [tenant_id])
        return int(cursor.fetchone()[0])
