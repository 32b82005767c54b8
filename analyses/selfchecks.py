"""Self-checks: what must always be true of a tenant's analyses and what they spent."""

import datetime as dt
from collections.abc import Iterator

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce, TruncDate

from analyses.models import OPEN, Analysis, Attempt, Spend, Status
from production.selfchecks import Asked, Check

# What is still open so long after it expired, or its lease ran out, has been forgotten by the reaper.
FORGOTTEN = dt.timedelta(minutes=10)
# How far back days are added up: older analyses may have been dropped as the tenant wishes, their days have not.
RECENT = dt.timedelta(days=8)


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


def running_ones_are_worked_on(asked: Asked) -> Iterator[str]:
    """Analyses whose worker has been silent for long, and that nobody has freed."""
    silent = Analysis.objects.filter(status=Status.RUNNING, lease_until__lt=asked.now - FORGOTTEN)
    for analysis in silent.order_by("pk")[: asked.at_most + 1]:
        yield f"{analysis} is running and its lease ended at {analysis.lease_until:%Y-%m-%d %H:%M}Z"


def ended_hold_nothing(asked: Asked) -> Iterator[str]:
    """Days that hold other tokens than those of the analyses still open."""
    held = Analysis.objects.filter(status__in=OPEN).aggregate(all=Coalesce(Sum("reserved_tokens"), 0))["all"]
    booked = Spend.objects.aggregate(all=Coalesce(Sum("reserved_tokens"), 0))["all"]
    if held != booked:
        yield f"the days hold {booked} tokens, the open analyses {held}"


def days_used_what_calls_cost(asked: Asked) -> Iterator[str]:
    """Days whose used tokens are not those of the calls of their analyses."""
    since = asked.now - RECENT
    cost = (
        Analysis.objects.filter(created_at__date__gte=since.date())
        .order_by()
        .values(day=TruncDate("created_at", tzinfo=dt.UTC))
        .annotate(cost=Coalesce(Sum("tries__tokens"), 0))
    )
    of_day = dict(cost.values_list("day", "cost"))
    used = dict(Spend.objects.filter(day__gte=since.date()).values_list("day", "used_tokens"))
    for day in sorted({*of_day, *used}):
        if used.get(day, 0) != of_day.get(day, 0):
            yield f"{day} used {used.get(day, 0)} tokens, the calls of its analyses cost {of_day.get(day, 0)}"


def calls_cost_no_more_than_held(asked: Asked) -> Iterator[str]:
    """Calls that cost more than was held for them, unless their endpoint said so: our own counts never do."""
    dear = Attempt.objects.filter(tokens__gt=F("analysis__reserved_tokens")).select_related("analysis").order_by("pk")
    named = 0
    for attempt in dear.iterator():
        usage = (attempt.envelope or {}).get("usage") or {}
        if attempt.tokens == sum(usage.get(name) or 0 for name in ("prompt_tokens", "completion_tokens")):
            continue
        yield f"{attempt} cost {attempt.tokens} tokens, {attempt.analysis.reserved_tokens} were held"
        named += 1
        if named > asked.at_most:
            return


def calls_are_numbered(asked: Asked) -> Iterator[str]:
    """Calls that ended before they were sent."""
    for attempt in Attempt.objects.filter(ended_at__lt=F("sent_at")).order_by("pk")[: asked.at_most + 1]:
        yield f"{attempt} was sent at {attempt.sent_at} and ended at {attempt.ended_at}"


CHECKS: dict[str, Check] = {
    "what is done was answered once": done_were_answered,
    "what is open has not expired": open_ones_are_looked_after,
    "what runs is worked on": running_ones_are_worked_on,
    "what is held belongs to what is open": ended_hold_nothing,
    "days used what their calls cost": days_used_what_calls_cost,
    "calls cost no more than was held": calls_cost_no_more_than_held,
    "calls end after they were sent": calls_are_numbered,
}
