"""Presence: when a session and a member were last seen, noted every few minutes rather than with every request."""

from collections.abc import Callable

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from mesassist.tenants.models import Membership
from mesassist.tenants.scope import tenant_scope

SIGNED_IN_AT = "signed_in_at"
NOTED_FOR_S = 300


class PresenceMiddleware:
    """Notes after the answer who was here. A request without a session of a person costs nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.session.accessed and request.user.is_authenticated and SIGNED_IN_AT in request.session:
            note_session(request)
            note_member(request)
        return response


def note_session(request: HttpRequest) -> None:
    """Write down from where the session is used now."""
    key = request.session.session_key
    if cache.add(f"seen:session:{key}", 1, NOTED_FOR_S):
        UserSession.objects.filter(session_key=key).update(
            last_seen_at=timezone.now(), ip=get_adapter().get_client_ip(request)
        )


def note_member(request: HttpRequest) -> None:
    """Write down that a member was in the tenant; other tenants see nothing of it."""
    membership: Membership | None = getattr(request, "membership", None)
    if membership is not None and cache.add(f"seen:member:{membership.pk}", 1, NOTED_FOR_S):
        with tenant_scope(membership.tenant):
            Membership.objects.filter(pk=membership.pk).update(last_seen_at=timezone.now())
