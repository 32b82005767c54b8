"""Company sign-in: the plant's own way in: the page with its button, the way to the issuer, and the way back."""

import secrets
from collections.abc import Callable
from functools import wraps

import structlog
from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from mesassist.people.oidc import NONCE, TenantIssuer
from mesassist.people.oidc_keys import provider_key
from mesassist.tenants.models import IdentityProvider, Tenant
from mesassist.tenants.scope import tenant_scope

log = structlog.get_logger(__name__)
Page = Callable[[HttpRequest, IdentityProvider], HttpResponse]


def at_the_plant(page: Page) -> Callable[[HttpRequest, str], HttpResponse]:
    """Open a page inside the tenant's scope; a plant without a sign-in of its own looks like one that is not there."""

    @wraps(page)
    def enter(request: HttpRequest, tenant: str) -> HttpResponse:
        plant = Tenant.objects.filter(slug=tenant).first()
        if plant is None:
            return redirect("sign-in")
        with tenant_scope(plant):
            row = IdentityProvider.objects.select_related("tenant").filter(enabled=True).first()
            return page(request, row) if row else redirect("sign-in")

    return enter


@never_cache
@require_safe
@at_the_plant
def sign_in_here(request: HttpRequest, row: IdentityProvider) -> HttpResponse:
    """The page with the company's button."""
    target = get_next_redirect_url(request) or reverse("dashboards:board", args=[row.tenant.slug])
    return render(request, "people/company_sign_in.html", {"provider": row, "plant": row.tenant, "next": target})


@never_cache
@require_safe
@at_the_plant
def go(request: HttpRequest, row: IdentityProvider) -> HttpResponse:
    """To the issuer, with what only this browser's session can answer. A link of another site starts at our page."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return redirect("people:sign-in-here", row.tenant.slug)
    target = get_next_redirect_url(request) or reverse("dashboards:board", args=[row.tenant.slug])
    request.session[NONCE] = secrets.token_urlsafe(24)
    provider = get_adapter().get_provider(request, provider_key(row))
    provider.oauth2_adapter_class = TenantIssuer
    wanted = {"nonce": request.session[NONCE]}
    try:
        answer: HttpResponse = provider.redirect(request, AuthProcess.LOGIN, next_url=target, auth_params=wanted)
    except OAuth2Error as error:
        log.warning("provider_failed", tenant=row.tenant_id, error=type(error).__name__, said=str(error)[:200])
        return render(request, "people/company_failed.html", status=502)
    return answer


@never_cache
@require_safe
@at_the_plant
def back(request: HttpRequest, row: IdentityProvider) -> HttpResponse:
    """From the issuer: check everything it sends, then sign in."""
    view = OAuth2CallbackView.adapter_view(TenantIssuer(request, provider_key(row)))
    answer: HttpResponse = view(request)
    return answer
