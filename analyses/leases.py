"""Leases: who may work on an analysis. Each change of its state is one conditional UPDATE whose rows are counted.

A worker owns a row from `claim` to the end; every write names the owner, so one that lost its lease, or was frozen and
woke up late, changes nothing. Leases run by the database's clock: workers' clocks may differ.
"""

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Greatest, Now

from analyses.failures import Failure
from analyses.models import Analysis, Status
from mesassist.tenants.scope import tenant_tx


class LeaseLost(Exception):
    """The row belongs to somebody else by now, or is finished: stop, and write nothing."""


class CancelAsked(Exception):
    """A person asked to stop this analysis."""


def claim(*, analysis_id: UUID | str, now: dt.datetime) -> Analysis | None:
    """Take a queued, due analysis; None when somebody else was faster, it is not due, or it is finished."""
    owner = uuid4()
    taken = Analysis.objects.filter(
        pk=analysis_id, status=Status.QUEUED, next_attempt_at__lte=now, expires_at__gt=now
    ).update(
        status=Status.RUNNING,
        owner=owner,
        lease_until=_lease_end(),
        attempts=F("attempts") + 1,
        started_at=Coalesce(F("started_at"), now),
        first_token_at=None,
        answer="",
        error_code="",
        error_message="",
        error_next_step="",
    )
    if not taken:
        return None
    row: Analysis = Analysis.objects.select_related("requested_by").get(pk=analysis_id)
    return row


def renew(*, analysis: Analysis, **seen: Any) -> None:
    """Keep the lease, and show what arrived so far; raises `LeaseLost` or `CancelAsked`."""
    if _owned(analysis).filter(cancel_requested=False).update(lease_until=_lease_end(), **seen):
        return
    raise CancelAsked if _owned(analysis).exists() else LeaseLost


def renew_for_storing(*, analysis: Analysis, **sent: Any) -> None:
    """Keep the lease while an answer is stored, and note what was really sent; raises `LeaseLost`.

    A cancellation comes too late here: the answer is there and paid for.
    """
    _write(analysis, lease_until=_lease_end(), **sent)


def finish(*, analysis: Analysis, status: str, now: dt.datetime, **fields: Any) -> None:
    """Write the end; raises `LeaseLost`."""
    _write(analysis, status=status, owner=None, lease_until=None, finished_at=now, **fields)


def put_off(*, analysis: Analysis, until: dt.datetime, failure: Failure) -> None:
    """Queue it again for `until`, and say why meanwhile; raises `LeaseLost`."""
    _write(
        analysis,
        status=Status.QUEUED,
        owner=None,
        lease_until=None,
        next_attempt_at=until,
        rung_at=None,
        **failure_fields(failure),
    )


def hand_back(*, analysis: Analysis, now: dt.datetime) -> None:
    """Queue it again at once, as if this attempt had not been: the worker is going; raises `LeaseLost`."""
    _write(
        analysis,
        status=Status.QUEUED,
        owner=None,
        lease_until=None,
        next_attempt_at=now,
        rung_at=None,
        attempts=Greatest(F("attempts") - 1, 0),
    )


def end_queued(*, analysis: Analysis, status: str, failure: Failure, now: dt.datetime) -> bool:
    """End an analysis that nobody works on; False when it is not queued any more."""
    queued = Analysis.objects.filter(pk=analysis.pk, status=Status.QUEUED)
    return bool(queued.update(status=status, finished_at=now, **failure_fields(failure)))


def ask_to_cancel(*, analysis: Analysis) -> bool:
    """Tell the worker to stop; it looks at every renewal. False when nobody works on it."""
    return bool(Analysis.objects.filter(pk=analysis.pk, status=Status.RUNNING).update(cancel_requested=True))


def take_over(*, analysis: Analysis) -> bool:
    """Become the owner of a row whose lease ran out; False when its worker renewed it after all."""
    owner = uuid4()
    stale = _owned(analysis).filter(lease_until__lt=Now())
    if not stale.update(owner=owner, lease_until=_lease_end()):
        return False
    analysis.owner = owner
    return True


def mark_rung(*, now: dt.datetime, after_s: float, most: int) -> list[UUID]:
    """The oldest analyses that are due and were not rung for in the last `after_s` seconds; marked as rung for."""
    not_lately = Q(rung_at__isnull=True) | Q(rung_at__lt=now - dt.timedelta(seconds=after_s))
    waiting = Analysis.objects.filter(not_lately, status=Status.QUEUED, next_attempt_at__lte=now)
    with tenant_tx():
        # Several beats may ring at once; each takes other rows.
        locked = waiting.order_by("created_at", "id").select_for_update(skip_locked=True)[:most]
        ids = [row.pk for row in locked.only("pk")]
        Analysis.objects.filter(pk__in=ids).update(rung_at=now)
    return ids


def stale_analyses() -> QuerySet[Analysis]:
    """Rows whose worker has not renewed its lease."""
    stale: QuerySet[Analysis] = Analysis.objects.filter(status=Status.RUNNING, lease_until__lt=Now())
    return stale


def failure_fields(failure: Failure) -> dict[str, str]:
    """The columns that hold a failure."""
    return {
        "error_code": failure.code,
        "error_message": failure.message,
        "error_next_step": failure.next_step,
    }


def _owned(analysis: Analysis) -> QuerySet[Analysis]:
    rows: QuerySet[Analysis] = Analysis.objects.filter(pk=analysis.pk, status=Status.RUNNING, owner=analysis.owner)
    return rows


def _write(analysis: Analysis, **fields: Any) -> None:
    if not _owned(analysis).update(**fields):
        raise LeaseLost


def _lease_end() -> Any:
    return Now() + dt.timedelta(seconds=settings.ANALYSIS_LEASE_S)
