"""Ringing: workers are told of rows, after a click and by the dispatcher again; a lost message loses nothing."""

import datetime as dt
import time
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError

from analyses import dispatch, tasks
from analyses.clock import read_clock
from analyses.pulse import STOPPING
from mesassist.tenants.scope import platform_scope, tenant_tx

log = structlog.get_logger(__name__)
RING_AT_ONCE = 50
# A worker that has finished rings for those who wait, so that a quick endpoint is not kept waiting for the next turn.
RING_AFTER = 2
QUIET_AFTER_FAILED_RING_S = 5.0
_quiet_until = 0.0


def is_quiet() -> bool:
    """Whether the broker failed a moment ago and is spared."""
    return time.monotonic() < _quiet_until


def ring_for(*, tenant_id: int, analysis_id: UUID) -> bool:
    """Tell the workers; a broker that is down costs nothing but the seconds until `ring` rings again."""
    global _quiet_until
    if is_quiet():
        return False
    try:
        message = {"tenant_id": tenant_id, "analysis_id": str(analysis_id)}
        tasks.run_analysis.apply_async(kwargs=message, retry=False)
    except Exception as error:
        # Whatever the broker's client raises: the row is committed, and the next requests must not wait for it too.
        _quiet_until = time.monotonic() + QUIET_AFTER_FAILED_RING_S
        log.warning("ring_failed", analysis=str(analysis_id), error=type(error).__name__)
        return False
    return True


def ring(*, now: dt.datetime, most: int = RING_AT_ONCE) -> int:
    """Ring for analyses of all tenants that are due and were not rung for lately, in fair order; returns how many."""
    if is_quiet():
        return 0
    with platform_scope("ring"), tenant_tx():
        chosen = dispatch.choose_waiting(now=now, most=most)
    return sum(ring_for(tenant_id=one.tenant_id, analysis_id=one.analysis_id) for one in chosen)


def ring_next() -> None:
    """Ring for those who come next, as somebody has finished."""
    if STOPPING.is_set():
        return
    try:
        ring(now=read_clock(), most=RING_AFTER)
    except (OperationalError, InterfaceError) as error:
        log.warning("ring_next_failed", error=type(error).__name__)
