"""Self-checks: what must always be true of a tenant's analyses and what they spent."""

import datetime as dt
from collections.abc import Iterator

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce

from analyses.models import OPEN, Analysis, Attempt, Spend, Status
from production.selfchecks import Asked, Check

# What is still open so long after it expired has been forgotten by the reaper.
FORGOTTEN = dt.timedelta(minutes=10)


def done_were_answered(asked: Asked) -> Iterator[str]:
    """Analyses that are done without exactly one answered call."""
    answered = Count("tries", filter=Q(tries__outcome="answered"))
    done = Analysis.objects.filter(status=Status.DONE).annotate(answered=answered).exclude(answered=1)
    for analysis in done.order_by("pk")[: asked.at_most + 1]:
        yield f"{analysis} is done with {analysis.answered} answered calls"


def open_ones_are_looked_after(asked: Asked) -> Iterator[str]:
    """Analyses that are open long after they expired."""
    open_ones = Analysis.objects.filter(status__in=OPEN, expires_at__lt=asked.now - FORGOTTEN)
    for analysis in open_ones.order_by("pk")[: asked.at_most + 1]:
        yield f"{analysis} is {analysis.status} and expired at {analysis.expires_at:%Y-%m-%d %H:%M}Z"


def ended_hold_nothing(asked: Asked) -> Iterator[str]:
    """Days that hold other tokens than those of the analyses still open."""
    held = Analysis.objects.filter(status__in=OPEN).aggregate(all=Coalesce(Sum("reserved_tokens"), 0))["all"]
    booked = Spend.objects.aggregate(all=Coalesce(Sum("reserved_tokens"), 0))["all"]
    if held != booked:
        yield f"the days hold {booked} tokens, the open analyses {held}"


def calls_are_numbered(asked: Asked) -> Iterator[str]:
    """Calls that ended before they were sent."""
    for attempt in Attempt.objects.filter(ended_at__lt=F("sent_at")).order_by("pk")[: asked.at_most + 1]:
        yield f"{attempt} was sent at {attempt.sent_at} and ended at {attempt.ended_at}"


CHECKS: dict[str, Check] = {
    "what is done was answered once": done_were_answered,
    "what is open has not expired": open_ones_are_looked_after,
    "what is held belongs to what is open": ended_hold_nothing,
    "calls end after they were sent": calls_are_numbered,
}
