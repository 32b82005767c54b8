"""Invitations: made, sent again, withdrawn and accepted; the link works once, for a week, and is stored nowhere."""

import datetime as dt
import hashlib
import secrets

from django.core import signing
from django.db import IntegrityError

from mesassist.people.backend import find_person
from mesassist.tenants.models import Invitation, Membership, Role, Tenant, User
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_tx

VALID_FOR = dt.timedelta(days=7)
SIGNER = signing.TimestampSigner(salt="mesassist.people.invitation")


class AlreadyMember(Exception):
    """Whoever reads that mailbox is a member already."""


class AlreadyInvited(Exception):
    """There is an open invitation to that address."""


class InvitationGone(Exception):
    """The invitation was used, withdrawn, sent again under another link, or ran out."""


def invite_person(
    *, tenant: Tenant, email: str, role: Role, invited_by: User, now: dt.datetime
) -> tuple[Invitation, str]:
    """A new invitation and the token of its link; raises `AlreadyMember` or `AlreadyInvited`."""
    email = email.lower()
    person = find_person(email)
    if person is not None and Membership.objects.filter(tenant=tenant, user=person).exists():
        raise AlreadyMember
    token, digest = make_token()
    try:
        with tenant_tx(tenant):
            invitation = Invitation.objects.create(
                tenant=tenant,
                email=email,
                role=role,
                invited_by=invited_by,
                digest=digest,
                sent_at=now,
                expires_at=now + VALID_FOR,
            )
    except IntegrityError as error:
        raise AlreadyInvited from error
    return invitation, token


def renew_invitation(*, invitation_id: int, now: dt.datetime) -> tuple[Invitation, str]:
    """The same invitation under a new link, for another week; raises `InvitationGone`. The old link is dead."""
    token, digest = make_token()
    changed = still_open(invitation_id).update(digest=digest, mailed=False, sent_at=now, expires_at=now + VALID_FOR)
    if not changed:
        raise InvitationGone
    return Invitation.objects.get(pk=invitation_id), token


def withdraw_invitation(*, invitation_id: int, now: dt.datetime) -> None:
    """End an open invitation; raises `InvitationGone`."""
    if not still_open(invitation_id).update(withdrawn_at=now):
        raise InvitationGone


def still_open(invitation_id: int):  # type: ignore[no-untyped-def]  # noqa: ANN201 - a queryset of one row
    """The invitation while it can still be accepted or changed, in the active tenant."""
    return Invitation.objects.filter(pk=invitation_id, accepted_at=None, withdrawn_at=None)


def make_token() -> tuple[str, str]:
    """The text of a link, signed with the time, and the digest that is stored of it."""
    secret = secrets.token_urlsafe(32)
    return SIGNER.sign(secret), digest_of(secret)


def digest_of(secret: str) -> str:
    """SHA-256 in hex: the secret has 256 bits of its own and needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find_invitation(*, token: str, now: dt.datetime) -> Invitation:
    """The open invitation of a link, with its tenant; raises `InvitationGone` alike for whatever is wrong with it."""
    try:
        secret = SIGNER.unsign(token, max_age=VALID_FOR)
    except signing.BadSignature as error:
        raise InvitationGone from error
    with platform_scope("whose invitation?", role=PlatformRole.DOOR):
        found = (
            Invitation.objects.select_related("tenant")
            .filter(digest=digest_of(secret), accepted_at=None, withdrawn_at=None, expires_at__gt=now)
            .first()
        )
    if found is None:
        raise InvitationGone
    return found


def accept_invitation(*, invitation: Invitation, person: User, now: dt.datetime) -> Membership:
    """The new membership; raises `InvitationGone` when somebody was faster. A member stays what it is."""
    with tenant_tx(invitation.tenant):
        used = still_open(invitation.pk).filter(digest=invitation.digest, expires_at__gt=now)
        if not used.update(accepted_at=now, accepted_by=person):
            raise InvitationGone
        membership, _ = Membership.objects.get_or_create(
            tenant=invitation.tenant, user=person, defaults={"role": invitation.role}
        )
    return membership
