"""Leases: who may work on an analysis. Each change of its state is one conditional UPDATE whose rows are counted.

A worker owns a row from `claim` to the end; every write names the owner, so one that lost its lease, or was frozen and
woke up late, changes nothing. Leases run by the database's clock: workers' clocks may differ.
"""

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import Exists, F, Q, QuerySet
from django.db.models.functions import Coalesce, Greatest, Now

from analyses.failures import Failure
from analyses.models import Analysis, AssistantSettings, KillSwitch, Status
from analyses.outages import wait_out


class LeaseLost(Exception):
    """The row belongs to somebody else by now, or is finished: stop, and write nothing."""


class CancelAsked(Exception):
    """A person asked to stop this analysis."""


class Halted(Exception):
    """The assistant was hidden, suspended or stopped while this analysis was under way."""


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
    """Keep the lease, and show what arrived so far; raises `LeaseLost`, `CancelAsked` or `Halted`."""
    stopped = Exists(KillSwitch.objects.filter(stopped=True))
    shut = Exists(AssistantSettings.objects.filter(Q(hidden=True) | Q(suspended=True)))
    going = _owned(analysis).filter(~stopped, ~shut, cancel_requested=False)
    if going.update(lease_until=_lease_end(), **seen):
        return
    asked = _owned(analysis).values_list("cancel_requested", flat=True).first()
    if asked is None:
        raise LeaseLost
    raise CancelAsked if asked else Halted


def renew_for_storing(*, analysis: Analysis, **sent: Any) -> None:
    """Keep the lease while an answer is stored, and note what was really sent; raises `LeaseLost`.

    A cancellation comes too late here: the answer is there and paid for.
    """
    _write(analysis, lease_until=_lease_end(), **sent)


def finish(*, analysis: Analysis, status: str, now: dt.datetime, **fields: Any) -> None:
    """Write the end; raises `LeaseLost`."""
    _write(analysis, status=status, owner=None, lease_until=None, finished_at=now, **fields)


@wait_out
def put_off(*, analysis: Analysis, until: dt.datetime, failure: Failure) -> None:
    """Queue it again for `until`, and say why meanwhile; raises `LeaseLost`."""
    _write(analysis, **_queued(until), **failure_fields(failure))


@wait_out
def wait_until(*, analysis: Analysis, until: dt.datetime, failure: Failure) -> None:
    """Queue it again for `until`, as if this attempt had not been: nothing was called; raises `LeaseLost`."""
    _write(analysis, **_queued(until), **failure_fields(failure), attempts=_one_less())


@wait_out
def hand_back(*, analysis: Analysis, now: dt.datetime, failure: Failure | None = None) -> None:
    """Queue it again at once, as if this attempt had not been: the worker is going; raises `LeaseLost`."""
    told = failure_fields(failure) if failure else {}
    _write(analysis, **_queued(now), **told, attempts=_one_less())


def extend(*, analysis: Analysis, until: dt.datetime) -> None:
    """Leave it time until then at least; raises `LeaseLost`."""
    _write(analysis, expires_at=Greatest(F("expires_at"), until))


def end_queued(*, analysis: Analysis, status: str, failure: Failure, now: dt.datetime) -> bool:
    """End an analysis that nobody works on; False when it is not queued any more."""
    queued = Analysis.objects.filter(pk=analysis.pk, status=Status.QUEUED)
    return bool(queued.update(status=status, finished_at=now, **failure_fields(failure)))


def ask_to_cancel(*, analysis: Analysis) -> bool:
    """Tell the worker to stop; it looks at every renewal. False when nobody works on it."""
    return bool(Analysis.objects.filter(pk=analysis.pk, status=Status.RUNNING).update(cancel_requested=True))


def take_over(*, analysis: Analysis, even_alive: bool = False) -> bool:
    """Become the owner of a row whose lease ran out; False when its worker renewed it after all."""
    owner = uuid4()
    rows = _owned(analysis) if even_alive else _owned(analysis).filter(lease_until__lt=Now())
    if not rows.update(owner=owner, lease_until=_lease_end()):
        return False
    analysis.owner = owner
    return True


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


def _queued(due: dt.datetime) -> dict[str, Any]:
    return {"status": Status.QUEUED, "owner": None, "lease_until": None, "next_attempt_at": due, "rung_at": None}


def _one_less() -> Greatest:
    return Greatest(F("attempts") - 1, 0)


def _owned(analysis: Analysis) -> QuerySet[Analysis]:
    rows: QuerySet[Analysis] = Analysis.objects.filter(pk=analysis.pk, status=Status.RUNNING, owner=analysis.owner)
    return rows


def _write(analysis: Analysis, **fields: Any) -> None:
    if not _owned(analysis).update(**fields):
        raise LeaseLost


def _lease_end() -> Any:
    return Now() + dt.timedelta(seconds=settings.ANALYSIS_LEASE_S)
