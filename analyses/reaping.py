"""Reaping: analyses whose worker is gone are freed, and those that nobody finished in time are ended."""

import datetime as dt
import random

import structlog
from django.conf import settings
from django.db.models import QuerySet

from analyses import budget, failures, leases, records
from analyses.failures import Failure, describe_failure
from analyses.models import Analysis, OnUnknown, Status
from analyses.queries import assistant_of
from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import current_tenant, platform_scope, tenant_scope, tenant_tx

log = structlog.get_logger(__name__)
# Who loses a second worker waits a little: if the analysis is what kills them, its neighbours are elsewhere by then.
APART_S = 10.0
GRACE = dt.timedelta(seconds=60)
ANOTHER_CHANCE = dt.timedelta(minutes=10)


def reap(*, now: dt.datetime) -> int:
    """Free every tenant's analyses whose worker is gone, and end those that waited too long; returns how many."""
    with platform_scope("reap"):
        found = leases.stale_analyses().union(_overdue(now), _endless(now)).values_list("tenant_id", flat=True)
        tenants = set(found)
    reaped = 0
    for tenant in Tenant.objects.filter(pk__in=tenants):
        with tenant_scope(tenant):
            reaped += sum(_free(analysis, now) for analysis in leases.stale_analyses())
            reaped += sum(_stop(analysis, now) for analysis in _endless(now))
            reaped += sum(_expire(analysis, now) for analysis in _overdue(now))
    return reaped


def _overdue(now: dt.datetime) -> QuerySet[Analysis]:
    rows: QuerySet[Analysis] = Analysis.objects.filter(status=Status.QUEUED, expires_at__lte=now)
    return rows


def _endless(now: dt.datetime) -> QuerySet[Analysis]:
    """Still running when the longest call that could have begun in time should long be over, lease or not."""
    before = now - dt.timedelta(seconds=settings.MODEL_DEADLINE_S) - GRACE
    rows: QuerySet[Analysis] = Analysis.objects.filter(status=Status.RUNNING, expires_at__lte=before)
    return rows


def _free(analysis: Analysis, now: dt.datetime) -> bool:
    if not leases.take_over(analysis=analysis):
        return False
    try:
        lost = records.end_lost_attempts(analysis=analysis, now=now)
        _requeue_or_end(analysis, now, in_mid_call=lost > 0)
    except leases.LeaseLost:
        return False
    log.warning("analysis_freed", analysis=str(analysis.pk), attempts=analysis.attempts)
    return True


def _requeue_or_end(analysis: Analysis, now: dt.datetime, *, in_mid_call: bool) -> None:
    answered = analysis.tries.filter(outcome=records.ANSWERED).exists()
    status, poison = Status.FAILED, False
    if answered:
        # It only has to be finished, which must not fail for want of time.
        leases.extend(analysis=analysis, until=now + ANOTHER_CHANCE)
        _put_back(analysis, now)
        return
    if analysis.cancel_requested:
        failure, status = describe_failure(failures.CANCELLED), Status.CANCELLED
    elif analysis.expires_at <= now:
        failure = describe_failure(failures.TIMEOUT, message="The worker was lost, and no time was left to repeat it.")
    elif in_mid_call and assistant_of(current_tenant()).on_unknown == OnUnknown.FAIL:
        message = "The worker was lost while the model answered; the call may be paid and is not repeated."
        failure = describe_failure(failures.INTERNAL, message=message, next_step="Analyse again if you need it.")
    elif analysis.attempts < analysis.max_attempts:
        _put_back(analysis, now)
        return
    else:
        failure, poison = describe_poison(analysis.attempts), True
    records.fail(analysis=analysis, failure=failure, now=now, status=status, text=analysis.answer, poison=poison)


def describe_poison(attempts: int) -> Failure:
    """The failure of an analysis that no worker survived."""
    return describe_failure(
        failures.INTERNAL,
        message=f"Its worker was lost {attempts} times, so it is not tried again.",
        next_step="Choose another period or question; the platform's staff find the cause by its number.",
    )


def _put_back(analysis: Analysis, now: dt.datetime) -> None:
    message = f"The worker was lost; attempt {analysis.attempts} of {analysis.max_attempts} is repeated."
    apart = random.uniform(0, APART_S) if analysis.attempts > 1 else 0.0
    until = now + dt.timedelta(seconds=apart)
    leases.put_off(analysis=analysis, until=until, failure=Failure(failures.INTERNAL, message, ""))


def _stop(analysis: Analysis, now: dt.datetime) -> bool:
    """Take it from a worker that goes on for ever; what it writes from now on is refused."""
    if not leases.take_over(analysis=analysis, even_alive=True):
        return False
    records.end_lost_attempts(analysis=analysis, now=now)
    failure = describe_failure(failures.TIMEOUT, message="It was not finished by its deadline.")
    records.fail(analysis=analysis, failure=failure, now=now, text=analysis.answer)
    return True


def _expire(analysis: Analysis, now: dt.datetime) -> bool:
    with tenant_tx():
        failure = describe_failure(failures.EXPIRED)
        if not leases.end_queued(analysis=analysis, status=Status.FAILED, failure=failure, now=now):
            return False
        budget.release_tokens(tokens=analysis.reserved_tokens, at=analysis.created_at)
    return True
