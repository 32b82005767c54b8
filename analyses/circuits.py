"""Circuits: what a manager sees of an endpoint that is left alone, and the button that tries it at once."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from analyses.breakers import find_breaker, try_now
from analyses.clock import read_clock
from analyses.models import AssistantSettings, BreakerState
from analyses.queries import assistant_of
from analyses.runs import ring_next
from analyses.switches import find_stop
from analyses.waiting import describe_breaker
from mesassist.tenants.doors import TenantRequest, door
from mesassist.tenants.models import Role
from production.viewing import plant_time


def describe_trouble(assistant: AssistantSettings) -> dict[str, object]:
    """Template context: the sentence about a stop or an open circuit (`trouble`), and whether it can be tried now."""
    if stop := find_stop(assistant=assistant):
        return {"trouble": stop.message}
    breaker = find_breaker(assistant.base_url)
    if breaker is None or breaker.state == BreakerState.CLOSED:
        return {}
    can_be_tried = breaker.state == BreakerState.OPEN
    return {"trouble": describe_breaker(breaker), "trouble_step": breaker.next_step, "can_be_tried": can_be_tried}


@require_POST
@door(Role.MANAGER)
@plant_time()
def try_again(request: TenantRequest) -> HttpResponse:
    """Let one call out at once; what waits follows if it is answered."""
    endpoint = assistant_of(request.tenant).base_url
    if try_now(endpoint=endpoint, now=read_clock()):
        ring_next()
        messages.info(request, _("The next analysis tries the endpoint at once."), extra_tags="good")
    else:
        messages.info(request, _("The endpoint is being tried, or answers again."), extra_tags="good")
    return redirect("analyses:assistant", request.tenant.slug)
