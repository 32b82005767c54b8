"""Admission: an analysis begins only while its tenant and its endpoint have room, however many workers are idle."""

import datetime as dt
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError

from analyses import dispatch, leases
from analyses.models import Analysis, AssistantSettings, Breaker, Status
from analyses.queries import assistant_of
from analyses.switches import find_stop
from mesassist.tenants.scope import current_tenant, platform_scope, tenant_tx


def take(*, analysis_id: UUID | str, now: dt.datetime) -> Analysis | None:
    """Claim an analysis of the active tenant, or None: somebody else has it, it is not due, or there is no room yet.

    Without room the message is forgotten, so that the dispatcher may choose anew at its next turn.
    """
    assistant = assistant_of(current_tenant())
    with tenant_tx():
        try:
            waiting = Analysis.objects.filter(pk=analysis_id, status=Status.QUEUED)
            endpoint = waiting.values_list("endpoint", flat=True).first()
        except (ValidationError, ValueError):
            return None
        if endpoint is None:
            return None
        origin = dispatch.origin_of(endpoint)
        dispatch.hold_endpoint(origin)
        if find_stop(assistant=assistant) or not has_room(assistant=assistant, origin=origin):
            waiting.update(rung_at=None)
            return None
        return leases.claim(analysis_id=analysis_id, now=now)


def has_room(*, assistant: AssistantSettings, origin: str) -> bool:
    """Whether one more call of this endpoint may begin; true only while the endpoint is held."""
    with platform_scope("count running"):
        of_tenant, of_all = dispatch.count_running(tenant_id=assistant.tenant_id, origin=origin)
    allowance = Breaker.objects.filter(origin=origin).values_list("allowance", flat=True).first()
    most = dispatch.share_of(assistant)
    return of_tenant < min(most, allowance or most) and of_all < settings.ANALYSES_AT_ONCE_PER_ENDPOINT
