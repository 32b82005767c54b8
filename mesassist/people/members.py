"""Members: another role or none; a tenant never loses its last admin, and what a former admin handed out ends too."""

import datetime as dt
from typing import Any

from allauth.mfa.models import Authenticator
from django.db.models import Exists, OuterRef, QuerySet

from mesassist.tenants.gates import FACTORS
from mesassist.tenants.models import Invitation, Membership, Role, Tenant
from mesassist.tenants.scope import tenant_tx


class LastAdmin(Exception):
    """Without this member nobody could look after the tenant's people."""


def list_members(tenant: Tenant) -> QuerySet[Membership]:
    """The tenant's members by name, each with `has_factor`."""
    factors = Authenticator.objects.filter(user_id=OuterRef("user_id"), type__in=FACTORS)
    members = Membership.objects.filter(tenant=tenant).select_related("user")
    return members.annotate(has_factor=Exists(factors)).order_by("-role", "user__username")


def change_role(*, tenant: Tenant, membership_id: int, role: Role, now: dt.datetime) -> Membership:
    """Give a member another role; raises `Membership.DoesNotExist` or `LastAdmin`."""
    with tenant_tx(tenant):
        membership = _hold(tenant, membership_id, stays_admin=role == Role.TENANT_ADMIN)
        if role < Role.TENANT_ADMIN:
            _end_invitations(membership, now=now)
        membership.role = role
        membership.save(update_fields=["role"])
    return membership


def remove_member(*, tenant: Tenant, membership_id: int, now: dt.datetime) -> Membership:
    """End a membership; the account stays. Raises `Membership.DoesNotExist` or `LastAdmin`."""
    with tenant_tx(tenant):
        membership = _hold(tenant, membership_id, stays_admin=False)
        _end_invitations(membership, now=now)
        membership.delete()
    return membership


def _hold(tenant: Tenant, membership_id: int, *, stays_admin: bool) -> Membership:
    """The member, with every admin of the tenant locked: two admins cannot remove each other at once."""
    rows = Membership.objects.select_for_update(of=("self",)).filter(tenant=tenant)
    admins = list(rows.filter(role=Role.TENANT_ADMIN, user__is_active=True).order_by("pk").values_list("pk", flat=True))
    membership = rows.select_related("user").get(pk=membership_id)
    if admins == [membership.pk] and not stays_admin:
        raise LastAdmin
    return membership


def _end_invitations(membership: Membership, *, now: dt.datetime) -> None:
    """What somebody handed out as an admin does not outlive the role."""
    theirs: Any = Invitation.objects.filter(invited_by_id=membership.user_id, accepted_at=None, withdrawn_at=None)
    theirs.update(withdrawn_at=now)
