"""Freshness: the administration opens to staff who showed lately who they are; on a real portal with two factors."""

import time
from collections.abc import Callable

from allauth.account.internal.flows.login import get_authentication_records
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from mesassist.tenants.gates import has_second_factor
from mesassist.tenants.models import User

# What a tenant's own sign-in says about a person counts in that tenant only.
PROOFS = ("password", "mfa")


def proved_within(request: HttpRequest, *, seconds: float) -> bool:
    """Whether the person signed in, or showed again who it is, in this session within `seconds`."""
    records = get_authentication_records(request, request.user)  # type: ignore[arg-type]
    proofs = [record["at"] for record in records if record["method"] in PROOFS]
    return bool(proofs) and time.time() - proofs[-1] < seconds


class FreshAdminMiddleware:
    """Sends staff to prove themselves before anything under /admin/ is shown or done."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(reverse("admin:index")) or not request.user.is_staff:
            return self.get_response(request)
        if request.path_info in (reverse("admin:login"), reverse("admin:logout")):
            return self.get_response(request)
        return self.lead(request) or self.get_response(request)

    def lead(self, request: HttpRequest) -> HttpResponse | None:
        """Where this member of staff goes first, or None."""
        person: User = request.user  # type: ignore[assignment]
        has_factor = has_second_factor(person.pk)
        if not settings.DEBUG and not has_factor:
            messages.warning(request, _("The administration needs a second factor. Set one up, then come back."))
            return redirect("mfa_index")
        if proved_within(request, seconds=settings.ADMIN_FRESH_S):
            return None
        if not person.has_usable_password() and not has_factor:
            raise PermissionDenied(_("The administration needs a password of your own. Reset it, then sign in again."))
        if request.method != "GET":
            messages.warning(request, _("Nothing was changed yet. Show who you are, then do it again."))
        path = request.get_full_path() if request.method == "GET" else reverse("admin:index")
        page = "account_reauthenticate" if person.has_usable_password() else "mfa_reauthenticate"
        return redirect(f"{reverse(page)}?{urlencode({'next': path})}")
