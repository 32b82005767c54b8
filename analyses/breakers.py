"""Breakers: while an endpoint fails, calls wait or fail at once; one probe finds out whether it is back.

Closed: calls go out. Open: none does, until `retry_at`, or until somebody changes the settings or presses "Try now".
Half-open: one probe is out and decides. Each change is one conditional UPDATE, so however many runs fail or come at the
same moment, one of them opens the circuit and one is the probe.
"""

import datetime as dt
import hashlib
import random
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.db.models import Case, DateTimeField, F, Q, QuerySet, Value, When

from analyses import failures
from analyses.dispatch import origin_of
from analyses.failures import Failure
from analyses.gateway import GatewayError
from analyses.models import Analysis, AssistantSettings, Breaker, BreakerState, Status
from mesassist.tenants.scope import current_tenant

log = structlog.get_logger(__name__)
FOR_SETTINGS = {failures.CREDENTIALS, failures.QUOTA_EXHAUSTED}
TRANSIENT = {failures.UNREACHABLE, failures.TIMEOUT, failures.PROTOCOL}
LOOK_AT_PROBE_S = (2.0, 5.0)


class Refused(Exception):
    """The circuit is open and waiting does not help; carries the failure that opened it."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.message)


@dataclass(frozen=True)
class Wait:
    """The circuit is open for now: when to come again, and why."""

    until: dt.datetime
    failure: Failure


def fingerprint_of(assistant: AssistantSettings) -> str:
    """What changes with the settings that a call is made with; the sealed token stands for the token."""
    return hashlib.sha256(f"{assistant.base_url}|{assistant.model}|{assistant.token}".encode()).hexdigest()


def find_breaker(endpoint: str) -> Breaker | None:
    """The active tenant's circuit to that endpoint, if it ever failed."""
    breaker: Breaker | None = Breaker.objects.filter(origin=origin_of(endpoint)).first()
    return breaker


# --- before a call ----------------------------------------------------------------------------------


def ask_leave(*, analysis: Analysis, fingerprint: str, now: dt.datetime) -> Wait | None:
    """None when the call may go out, perhaps as the probe; raises `Refused`. Call it as the owner of the analysis."""
    breaker = find_breaker(analysis.endpoint)
    if breaker is None or breaker.state == BreakerState.CLOSED or breaker.probe == analysis.pk:
        return None
    if breaker.fingerprint != fingerprint:
        _reset(breaker)
        return None
    if breaker.state == BreakerState.OPEN and breaker.retry_at is None:
        raise Refused(failure_of(breaker))
    if _become_probe(breaker, analysis, now):
        log.info("breaker_probed", origin=breaker.origin, analysis=str(analysis.pk))
        return None
    until = now + dt.timedelta(seconds=random.uniform(*LOOK_AT_PROBE_S))
    if breaker.state == BreakerState.OPEN and breaker.retry_at:
        until = max(until, breaker.retry_at + dt.timedelta(seconds=random.uniform(0, LOOK_AT_PROBE_S[0])))
    return Wait(until, failure_of(breaker))


def failure_of(breaker: Breaker) -> Failure:
    """Why the circuit is open."""
    return Failure(breaker.code, breaker.message, breaker.next_step)


def _become_probe(breaker: Breaker, analysis: Analysis, now: dt.datetime) -> bool:
    due = Q(state=BreakerState.OPEN, retry_at__lte=now) | Q(state=BreakerState.HALF_OPEN, probe_until__lte=now)
    until = now + dt.timedelta(seconds=settings.MODEL_DEADLINE_S + settings.ANALYSIS_LEASE_S)
    taken = Breaker.objects.filter(due, pk=breaker.pk)
    return bool(taken.update(state=BreakerState.HALF_OPEN, probe=analysis.pk, probe_until=until))


def _reset(breaker: Breaker) -> None:
    """Close a circuit that other settings opened; the new ones begin with one call."""
    rows = Breaker.objects.filter(pk=breaker.pk, fingerprint=breaker.fingerprint)
    rows.update(**_closed(), fingerprint="", allowance=1)


# --- after a call -----------------------------------------------------------------------------------


def note_answer(*, analysis: Analysis, limit: int) -> None:
    """The endpoint answers: a probe closes the circuit, later answers let more calls out at once, up to `limit`."""
    rows = Breaker.objects.filter(origin=origin_of(analysis.endpoint))
    if rows.filter(state=BreakerState.HALF_OPEN, probe=analysis.pk).update(**_closed(), allowance=2):
        log.info("breaker_closed", origin=origin_of(analysis.endpoint))
        return
    closed = rows.filter(state=BreakerState.CLOSED)
    if closed.filter(allowance__gte=limit - 1).update(allowance=None, failures=0):
        return
    closed.filter(Q(failures__gt=0) | Q(allowance__isnull=False)).update(allowance=F("allowance") + 1, failures=0)


def note_failure(*, analysis: Analysis, error: GatewayError, fingerprint: str, limit: int, now: dt.datetime) -> None:
    """The call failed: open the circuit where the next call would only fail the same way."""
    rows = _row_of(analysis)
    ours = Q(state=BreakerState.CLOSED) | Q(state=BreakerState.HALF_OPEN, probe=analysis.pk)
    told: dict[str, Any] = {"fingerprint": fingerprint, "code": error.code, "message": error.failure.message}
    told |= {"next_step": error.failure.next_step, "probe": None, "probe_until": None}
    opened = 0
    if error.code in FOR_SETTINGS and error.http_status is not None:
        waits = Q(state=BreakerState.OPEN, retry_at__isnull=False)
        opened = rows.filter(ours | waits).update(**_open(now), retry_at=None, **told)
    elif error.code == failures.RATE_LIMITED:
        opened = _open_for_rate(rows, ours, told, error=error, limit=limit, now=now)
    elif error.retryable and error.code in TRANSIENT:
        rows.filter(ours).update(failures=F("failures") + 1)
        enough = Q(failures__gte=settings.BREAKER_AFTER) | Q(state=BreakerState.HALF_OPEN)
        for breaker in rows.filter(ours, enough):
            retry_at = now + dt.timedelta(seconds=_pause(breaker.openings))
            opened = rows.filter(ours).update(**_open(now), retry_at=retry_at, allowance=1, **told)
    else:
        # It answered, if only with a refusal of this one request.
        note_answer(analysis=analysis, limit=limit)
    if opened:
        log.warning("breaker_opened", origin=origin_of(analysis.endpoint), code=error.code)


def let_go(*, analysis: Analysis, now: dt.datetime) -> None:
    """A probe that was stopped found out nothing: let the next one try."""
    rows = Breaker.objects.filter(state=BreakerState.HALF_OPEN, probe=analysis.pk)
    rows.update(state=BreakerState.OPEN, retry_at=now, probe=None, probe_until=None)


def try_now(*, endpoint: str, now: dt.datetime) -> bool:
    """Let one call out at once, as a person wishes; False when the circuit was not open."""
    rows = Breaker.objects.filter(origin=origin_of(endpoint), state=BreakerState.OPEN)
    if not rows.update(retry_at=now, allowance=1):
        return False
    waiting = Analysis.objects.filter(status=Status.QUEUED, endpoint=endpoint, next_attempt_at__gt=now)
    waiting.update(next_attempt_at=now, rung_at=None)
    return True


def _open_for_rate(
    rows: "QuerySet[Breaker]", ours: Q, told: dict[str, Any], *, error: GatewayError, limit: int, now: dt.datetime
) -> int:
    """As long as the service asks for; afterwards with half as many calls at once."""
    breaker = rows.get()
    pause = _pause(breaker.openings) if error.retry_after is None else max(error.retry_after, 1.0)
    until = now + dt.timedelta(seconds=pause)
    half = max((breaker.allowance or limit) // 2, 1)
    opened = rows.filter(ours).update(**_open(now), retry_at=until, allowance=half, **told)
    # Other calls were under way: the longest wait that any of them was told counts.
    rows.filter(state=BreakerState.OPEN, retry_at__lt=until).update(retry_at=until)
    return opened


def _row_of(analysis: Analysis) -> "QuerySet[Breaker]":
    origin = origin_of(analysis.endpoint)
    Breaker.objects.bulk_create([Breaker(tenant=current_tenant(), origin=origin)], ignore_conflicts=True)
    rows: QuerySet[Breaker] = Breaker.objects.filter(origin=origin)
    return rows


def _open(now: dt.datetime) -> dict[str, Any]:
    # The first opening of an outage keeps its time: "does not answer since".
    since = Case(When(openings=0, then=Value(now)), default=F("opened_at"), output_field=DateTimeField())
    return {"state": BreakerState.OPEN, "openings": F("openings") + 1, "opened_at": since}


def _closed() -> dict[str, Any]:
    return {
        "state": BreakerState.CLOSED,
        "failures": 0,
        "openings": 0,
        "retry_at": None,
        "probe": None,
        "probe_until": None,
        "code": "",
    }


def _pause(openings: int) -> float:
    """Seconds: twice as long each time, spread so that tenants do not come back together."""
    longest: float = min(settings.BREAKER_WAIT_S * 2 ** min(openings, 20), settings.BREAKER_MOST_S)
    return longest * random.uniform(0.5, 1.0)
