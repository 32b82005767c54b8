"""People pages: for tenant admins: who is a member with what role, who is invited, and what is asked of everybody."""

from allauth.core.internal import ratelimit
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from mesassist.people.forms import InviteForm, PolicyForm, RemovalForm, RoleForm
from mesassist.people.invitations import (
    AlreadyInvited,
    AlreadyMember,
    InvitationGone,
    invite_person,
    renew_invitation,
    withdraw_invitation,
)
from mesassist.people.members import LastAdmin, change_role, list_members, remove_member
from mesassist.people.post import mail_invitation
from mesassist.tenants.doors import TenantRequest, door
from mesassist.tenants.models import ApiKey, Invitation, Membership, Role

LAST_ADMIN = _("This is the last tenant admin. Make another member tenant admin first.")
# A tenant that mails strangers by the hundred is not inviting people.
INVITES = {"invited": "100/d/key"}


@require_http_methods(["GET", "POST"])
@door(Role.TENANT_ADMIN)
@never_cache
def people(request: TenantRequest) -> HttpResponse:
    """The list; sending the form invites somebody."""
    form = InviteForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and (answer := invite(request, form)) is not None:
        return answer
    return show_people(request, form=form, status=400 if form.errors else 200)


def invite(request: TenantRequest, form: InviteForm) -> HttpResponse | None:
    """Invite whom the form names; None with the reason on the form."""
    now = timezone.now()
    within = ratelimit.consume(
        request, app="mesassist.people", action="invited", config=INVITES, key=str(request.tenant.pk)
    )
    if within is None:
        form.add_error(None, _("100 invitations a day are enough for a plant. Go on tomorrow."))
        return None
    try:
        invitation, token = invite_person(tenant=request.tenant, **form.cleaned_data, invited_by=request.user, now=now)
    except AlreadyMember:
        form.add_error("email", _("Whoever has this address is a member already."))
    except AlreadyInvited:
        form.add_error("email", _("This address is invited already. Send the invitation again below."))
    else:
        return hand_over(request, invitation, token)
    return None


def hand_over(request: TenantRequest, invitation: Invitation, token: str) -> HttpResponse:
    """Mail the link; where mail reaches nobody, show it once to be handed over."""
    link = request.build_absolute_uri(reverse("join", args=[token]))
    if mail_invitation(invitation=invitation, link=link, invited_by=str(request.user)):
        Invitation.objects.filter(pk=invitation.pk, digest=invitation.digest).update(mailed=True)
        messages.success(request, _("The invitation is on its way to %(email)s.") % {"email": invitation.email})
        return redirect("people:people", request.tenant.slug)
    # Neither message nor session: the link would be stored there, and it is a way in.
    return show_people(request, form=InviteForm(), link=link, invited=invitation)


def show_people(request: TenantRequest, *, form: InviteForm, status: int = 200, **extra: object) -> HttpResponse:
    """The page."""
    now = timezone.now()
    invitations = Invitation.objects.filter(accepted_at=None, withdrawn_at=None).select_related("invited_by")
    context = {
        "members": list_members(request.tenant),
        "invitations": [(one, one.expires_at <= now) for one in invitations],
        "form": form,
        "policy": PolicyForm(instance=request.tenant),
        "roles": Role.choices,
        "mail": settings.MAIL_REACHES_PEOPLE,
    }
    return render(request, "people/people.html", context | extra, status=status)


@require_POST
@door(Role.TENANT_ADMIN)
def resend(request: TenantRequest, invitation_id: int) -> HttpResponse:
    """Send an invitation again, under a new link."""
    try:
        invitation, token = renew_invitation(invitation_id=invitation_id, now=timezone.now())
    except InvitationGone as gone:
        raise Http404("No such invitation.") from gone
    return hand_over(request, invitation, token)


@require_POST
@door(Role.TENANT_ADMIN)
def withdraw(request: TenantRequest, invitation_id: int) -> HttpResponse:
    """Withdraw an invitation: its link opens nothing any more."""
    try:
        withdraw_invitation(invitation_id=invitation_id, now=timezone.now())
    except InvitationGone as gone:
        raise Http404("No such invitation.") from gone
    messages.success(request, _("The invitation is withdrawn."))
    return redirect("people:people", request.tenant.slug)


@require_POST
@door(Role.TENANT_ADMIN)
def role(request: TenantRequest, membership_id: int) -> HttpResponse:
    """Give a member another role; it holds from the member's next request on."""
    form = RoleForm(request.POST)
    member = find_member(request, membership_id)
    if not form.is_valid():
        messages.error(request, _("That is no role here. Choose one from the list."))
        return redirect("people:people", request.tenant.slug)
    wanted = form.cleaned_data["role"]
    try:
        change_role(tenant=request.tenant, membership_id=member.pk, role=wanted, now=timezone.now())
    except LastAdmin:
        messages.error(request, LAST_ADMIN)
    else:
        messages.success(request, _("%(name)s is %(role)s now.") % {"name": member.user, "role": wanted.label})
    return redirect("people:people", request.tenant.slug)


@require_http_methods(["GET", "POST"])
@door(Role.TENANT_ADMIN)
def remove(request: TenantRequest, membership_id: int) -> HttpResponse:
    """Ask, then remove; whoever removes himself is asked twice."""
    member = find_member(request, membership_id)
    is_self = member.user_id == request.user.pk
    form = RemovalForm(request.POST if request.method == "POST" else None, is_self=is_self)
    if request.method == "POST" and form.is_valid():
        try:
            remove_member(tenant=request.tenant, membership_id=member.pk, now=timezone.now())
        except LastAdmin:
            form.add_error(None, LAST_ADMIN)
        else:
            messages.success(request, _("%(name)s is no longer a member.") % {"name": member.user})
            return redirect("home") if is_self else redirect("people:people", request.tenant.slug)
    keys = ApiKey.objects.filter(tenant=request.tenant, user=member.user)
    context = {"member": member, "form": form, "is_self": is_self, "keys": keys}
    return render(request, "people/remove.html", context, status=400 if form.errors else 200)


@require_POST
@door(Role.TENANT_ADMIN)
def policy(request: TenantRequest) -> HttpResponse:
    """Save what is asked of every member."""
    form = PolicyForm(request.POST, instance=request.tenant)
    if form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
    return redirect("people:people", request.tenant.slug)


def find_member(request: TenantRequest, membership_id: int) -> Membership:
    """A member of the tenant; 404 for anybody else's."""
    member = Membership.objects.select_related("user").filter(tenant=request.tenant, pk=membership_id).first()
    if member is None:
        raise Http404("No such member.")
    return member
