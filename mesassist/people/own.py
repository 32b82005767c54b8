"""Own account: the pages on which people look after their way in: password, address, second factors, sessions."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.internal.flows.manage_email import sync_user_email_address
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from mesassist.people.browsers import describe_browser
from mesassist.people.standing import end_sessions
from mesassist.tenants.gates import came_through
from mesassist.tenants.models import Membership
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope

View = Callable[..., HttpResponse]


def only_mine(view: View) -> View:
    """Open a page of the own account to whoever signed in with a proof of their own.

    A tenant's sign-in must not change how the account is reached otherwise: whoever runs the issuer could set a
    password or passkey for a person, and use it where that person is a member too, or will be.
    """

    @wraps(view)
    @never_cache
    def enter(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if came_through(request.session) is not None and view not in HARMLESS:
            raise PermissionDenied(
                _("You came in through your company's sign-in, which keeps your password and second factor.")
            )
        return view(request, *args, **kwargs)

    enter.own = True  # type: ignore[attr-defined]
    return enter


def belongs_elsewhere(*, user_id: int, tenant_id: int) -> bool:
    """Whether the person is a member of another tenant than that."""
    with platform_scope("member elsewhere?", role=PlatformRole.DOOR):
        return Membership.objects.filter(user_id=user_id).exclude(tenant_id=tenant_id).exists()


@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """What protects the account, at a glance."""
    sync_user_email_address(request.user)
    kinds = list(Authenticator.objects.filter(user_id=request.user.pk).values_list("type", flat=True))
    context = {
        "addresses": EmailAddress.objects.filter(user_id=request.user.pk).order_by("-primary", "email"),
        "has_app": Authenticator.Type.TOTP in kinds,
        "passkeys": kinds.count(Authenticator.Type.WEBAUTHN),
        "has_codes": Authenticator.Type.RECOVERY_CODES in kinds,
        "session_count": UserSession.objects.filter(user_id=request.user.pk).count(),
    }
    return render(request, "account/overview.html", context)


@require_safe
def sessions(request: HttpRequest) -> HttpResponse:
    """Where the person is signed in; sessions that ran out are tidied away."""
    rows = UserSession.objects.purge_and_list(request.user)
    rows.sort(key=lambda row: (not row.is_current(), -row.last_seen_at.timestamp()))
    context = {"sessions": [(row, describe_browser(row.user_agent)) for row in rows]}
    return render(request, "usersessions/usersession_list.html", context)


@require_POST
def end_one(request: HttpRequest, session_id: int) -> HttpResponse:
    """End one of the own sessions: it opens nothing from its next request on."""
    session = UserSession.objects.filter(user_id=request.user.pk, pk=session_id).first()
    if session is None:
        raise Http404("No such session.")
    if session.is_current():
        logout(request)
        return redirect("sign-in")
    session.end()
    messages.success(request, _("That session is ended."))
    return redirect("usersessions_list")


@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """End every other session of the person."""
    ended = end_sessions(user_id=request.user.pk, keep=request.session.session_key)  # type: ignore[arg-type]
    messages.success(request, _("%(count)d other sessions are ended.") % {"count": ended})
    return redirect("usersessions_list")


# What a person may see and end also when a company's sign-in brought it here.
HARMLESS = (account, sessions, end_one, end_others)
