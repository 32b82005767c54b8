"""Joining: what an invitation's link opens: the plant and the role, then an account or the one that exists."""

from http import HTTPStatus
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import EmailAddress, Login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from mesassist.people.forms import JoinForm
from mesassist.people.invitations import InvitationGone, accept_invitation, find_invitation
from mesassist.people.vouching import owner_of
from mesassist.tenants.gates import sign_in_leads_to
from mesassist.tenants.models import Invitation, User
from mesassist.tenants.scope import tenant_tx


@sensitive_post_parameters("password", "again")
@never_cache
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Show the invitation; accept it as the person who is signed in, or as a new one."""
    try:
        invitation = find_invitation(token=token, now=timezone.now())
        if request.user.is_authenticated:
            return join_as_member(request, invitation)
        if owner_of(invitation.email) is not None:
            return render(request, "people/join.html", {"invitation": invitation, "known": True})
        return join_as_new(request, invitation)
    except InvitationGone:
        return render(request, "people/join_gone.html", status=HTTPStatus.GONE)


def join_as_member(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    """Add the tenant to the account that is signed in."""
    if not sign_in_leads_to(request.session, invitation.tenant):
        raise PermissionDenied(
            _("You came in through another plant's sign-in. Sign out, then open the invitation again.")
        )
    if request.method == "POST":
        accept_invitation(invitation=invitation, person=request.user, now=timezone.now())  # type: ignore[arg-type]
        return redirect(plant_of(invitation))
    return render(request, "people/join.html", {"invitation": invitation})


def join_as_new(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    """Make an account for the address that the invitation went to, and come in with it."""
    form = JoinForm(request.POST if request.method == "POST" else None, email=invitation.email)
    if not (request.method == "POST" and form.is_valid()):
        context = {"invitation": invitation, "form": form}
        return render(request, "people/join.html", context, status=400 if form.errors else 200)
    with tenant_tx(invitation.tenant):
        person = make_account(invitation=invitation, cleaned=form.cleaned_data)
        accept_invitation(invitation=invitation, person=person, now=timezone.now())
    record_authentication(request, person, method="password")
    answer: HttpResponse = perform_login(request, Login(user=person, redirect_url=plant_of(invitation)))
    return answer


def make_account(*, invitation: Invitation, cleaned: dict[str, Any]) -> User:
    """A new account. Its address is proved if we mailed the link there, and only a claim if an admin handed it over."""
    email = invitation.email
    username = get_adapter().generate_unique_username([email.partition("@")[0], "member"])
    person = User.objects.create_user(username, email, cleaned["password"], first_name=cleaned["name"])
    EmailAddress.objects.create(user=person, email=email, primary=True, verified=invitation.mailed)
    return person


def plant_of(invitation: Invitation) -> str:
    """The plant's first page."""
    return reverse("dashboards:board", args=[invitation.tenant.slug])
