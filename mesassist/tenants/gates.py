"""Gates: what a session needs besides a membership: a sign-in that leads here, and a second factor where asked for."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from mesassist.tenants.models import Membership, Tenant

# In the session of a person who came through a tenant's own sign-in: the id of that tenant.
THROUGH_TENANT = "through_tenant"
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def came_through(session: Any) -> int | None:
    """The tenant through whose own sign-in the person came, or None."""
    through: int | None = session.get(THROUGH_TENANT)
    return through


def sign_in_leads_to(session: Any, tenant: Tenant) -> bool:
    """False for a person who came through another tenant's sign-in: it vouches for nobody here."""
    return came_through(session) in (None, tenant.pk)


def second_factor_missing(session: Any, membership: Membership) -> bool:
    """Whether the tenant asks for a second factor that this member has not set up.

    Who came through the tenant's own sign-in showed it there, if the company wants one.
    """
    if not membership.tenant.requires_second_factor or came_through(session) == membership.tenant_id:
        return False
    return not has_second_factor(membership.user_id)


def has_second_factor(user_id: int) -> bool:
    """Whether the person set up an authenticator app, a passkey or a security key."""
    return bool(Authenticator.objects.filter(user_id=user_id, type__in=FACTORS).exists())


def lead_elsewhere(request: HttpRequest, membership: Membership) -> HttpResponse | None:
    """Where a member goes before any page of the tenant opens, or None; raises `PermissionDenied` with the reason."""
    if not sign_in_leads_to(request.session, membership.tenant):
        raise PermissionDenied(
            _("You came in through another plant's sign-in, which opens that plant only. Sign out, then sign in here.")
        )
    if not second_factor_missing(request.session, membership):
        return None
    request.session["factor_wanted_by"] = str(membership.tenant)
    if getattr(request, "htmx", False):
        return HttpResponseClientRedirect(reverse("mfa_index"))
    return redirect("mfa_index")
