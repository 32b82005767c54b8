"""Dispatch: which waiting analyses are rung for next, fairly between tenants and without a rush on any endpoint.

Any number of dispatchers may choose at once: each locks its rows and leaves those that another one has.
"""

import datetime as dt
import re
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection

from analyses.models import AssistantSettings, Status

RING_AGAIN_S = 12.0
ORIGIN = re.compile(r"[a-z]+://[^/?#]+")
# A row is busy while it runs, or while a message for it is on its way. `place` counts within the tenant, so that every
# tenant's first comes before any tenant's second, however many one of them has queued.
CHOICE = """
WITH seen AS (
    SELECT id, tenant_id, created_at, substring(lower(endpoint) FROM '^[a-z]+://[^/?#]+') AS origin,
        status = 'running' OR (next_attempt_at <= %(now)s AND rung_at > %(rung_before)s) AS busy,
        status = 'queued' AND next_attempt_at <= %(now)s AND expires_at > %(now)s
            AND (rung_at IS NULL OR rung_at <= %(rung_before)s) AS due
    FROM analyses_analysis
    WHERE status IN ('queued', 'running') AND NOT EXISTS (SELECT FROM analyses_killswitch WHERE stopped)
), room AS (
    SELECT tenant_id, coalesce(at_once, %(per_tenant)s) AS most,
        (SELECT count(*) FROM seen WHERE seen.tenant_id = settings.tenant_id AND busy) AS busy
    FROM analyses_assistantsettings settings
    WHERE NOT suspended
), fair AS (
    SELECT seen.id, seen.tenant_id, seen.origin, seen.created_at, least(room.most, breaker.allowance) AS most,
        room.busy + row_number() OVER (PARTITION BY seen.tenant_id ORDER BY seen.created_at, seen.id) AS place
    FROM seen JOIN room USING (tenant_id) LEFT JOIN analyses_breaker breaker USING (tenant_id, origin)
    WHERE due AND (breaker.id IS NULL OR breaker.probe = seen.id OR NOT (
        breaker.state = 'open' AND coalesce(breaker.retry_at > %(now)s, false)
        OR breaker.state = 'half_open' AND breaker.probe_until > %(now)s))
), chosen AS (
    SELECT id, place FROM (
        SELECT *, row_number() OVER (PARTITION BY origin ORDER BY place, created_at, id)
            + (SELECT count(*) FROM seen WHERE seen.origin = fair.origin AND busy) AS place_at_origin
        FROM fair WHERE place <= most
    ) ranked
    WHERE place_at_origin <= %(per_endpoint)s
    ORDER BY place, created_at, id
    LIMIT greatest(0, least(%(most)s, %(outstanding)s - (SELECT count(*) FROM seen WHERE busy)))
), locked AS (
    SELECT waiting.id, place FROM analyses_analysis waiting JOIN chosen USING (id)
    WHERE status = 'queued' AND (rung_at IS NULL OR rung_at <= %(rung_before)s)
    FOR UPDATE OF waiting SKIP LOCKED
)
UPDATE analyses_analysis waiting SET rung_at = %(now)s FROM locked WHERE waiting.id = locked.id
RETURNING waiting.tenant_id, waiting.id, locked.place
"""
COUNT_RUNNING = """
SELECT count(*) FILTER (WHERE tenant_id = %s), count(*) FROM analyses_analysis
WHERE status = %s AND substring(lower(endpoint) FROM '^[a-z]+://[^/?#]+') = %s
"""


class Chosen(NamedTuple):
    """An analysis to ring for."""

    tenant_id: int
    analysis_id: UUID


def choose_waiting(*, now: dt.datetime, most: int) -> list[Chosen]:
    """Mark up to `most` due analyses of all tenants as rung for and return them, first things first.

    Within one transaction, in the platform's scope. Left aside: what was rung for in the last `RING_AGAIN_S` seconds,
    tenants and endpoints that have their share, and endpoints whose circuit is open.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            CHOICE,
            {
                "now": now,
                "rung_before": now - dt.timedelta(seconds=RING_AGAIN_S),
                "most": most,
                "per_tenant": settings.ANALYSES_AT_ONCE_PER_TENANT,
                "per_endpoint": settings.ANALYSES_AT_ONCE_PER_ENDPOINT,
                "outstanding": 2 * settings.MODEL_SLOTS,
            },
        )
        rows = sorted(cursor.fetchall(), key=lambda row: row[2])
    return [Chosen(tenant_id, analysis_id) for tenant_id, analysis_id, _place in rows]


def origin_of(endpoint: str) -> str:
    """Scheme, host and port of an endpoint as they are written, in small letters."""
    found = ORIGIN.match(endpoint.lower())
    return found.group() if found else ""


def count_running(*, tenant_id: int, origin: str) -> tuple[int, int]:
    """How many analyses call that endpoint now: of the tenant, and of all. In the platform's scope."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_RUNNING, [tenant_id, Status.RUNNING.value, origin])
        of_tenant, of_all = cursor.fetchone()
    return of_tenant, of_all


def share_of(assistant: AssistantSettings) -> int:
    """How many analyses of this tenant may be under way at once."""
    share: int = assistant.at_once or settings.ANALYSES_AT_ONCE_PER_TENANT
    return share


def hold_endpoint(origin: str) -> None:
    """Let only one transaction at a time decide who begins at this endpoint."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [origin])
