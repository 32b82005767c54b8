"""Waiting: why an analysis has not begun yet, in one sentence for the people who wait."""

import datetime as dt

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from analyses import failures
from analyses.breakers import find_breaker
from analyses.models import Analysis, Breaker, BreakerState, Status
from analyses.queries import active_assistant
from analyses.switches import find_stop

UNUSUAL = dt.timedelta(seconds=15)


def describe_wait(analysis: Analysis, *, now: dt.datetime) -> str:
    """What a queued analysis of the active tenant waits for; "" where there is nothing to say beyond its state."""
    if analysis.status != Status.QUEUED:
        return ""
    if stop := find_stop(assistant=active_assistant()):
        return stop.message
    breaker = find_breaker(analysis.endpoint)
    if breaker is not None and breaker.state != BreakerState.CLOSED:
        return describe_breaker(breaker)
    if analysis.attempts or now - analysis.created_at < UNUSUAL:
        return ""
    ahead = Analysis.objects.filter(status=Status.QUEUED, created_at__lt=analysis.created_at).count()
    if ahead:
        text = ngettext("%(n)s analysis of this plant comes first", "%(n)s analyses of this plant come first", ahead)
        return text % {"n": ahead}
    return _("All workers are busy or away; it begins by itself as soon as one is there")


def describe_breaker(breaker: Breaker) -> str:
    """`The endpoint does not answer since 14:03; next try at 14:08.`, in the zone that is active."""
    since = write_time(breaker.opened_at)
    if breaker.state == BreakerState.HALF_OPEN:
        return _("The endpoint failed at %(since)s; one call finds out now whether it answers again.") % {
            "since": since
        }
    if breaker.retry_at is None:
        return _("Since %(since)s nothing is asked: %(why)s") % {"since": since, "why": breaker.message}
    again = write_time(breaker.retry_at)
    if breaker.code == failures.RATE_LIMITED:
        return _("The model service takes no more requests; next try at %(again)s.") % {"again": again}
    return _("The endpoint does not answer since %(since)s; next try at %(again)s.") % {"since": since, "again": again}


def write_time(at: dt.datetime | None) -> str:
    """Hours and minutes in the zone that is active."""
    return f"{timezone.localtime(at):%H:%M}" if at else ""
