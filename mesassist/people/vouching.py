"""Vouching: whom a tenant's own sign-in may bring in: its own people, under its own domains, into this tenant alone.

Whoever runs the issuer can make it say anything. What it says therefore never opens an account that is somebody's
elsewhere, never counts as proof of a mailbox, and never makes an admin.
"""

from dataclasses import dataclass

import structlog
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress

from mesassist.people.own import belongs_elsewhere
from mesassist.tenants.models import IdentityProvider, Membership, User
from mesassist.tenants.scope import tenant_tx

log = structlog.get_logger(__name__)


class NotVouched(Exception):
    """The sign-in brings this person nowhere; the reason is for the log, and the same words for everybody."""


@dataclass(frozen=True)
class Claim:
    """What the issuer says of a person."""

    email: str
    email_verified: bool
    name: str


def admit_person(*, provider: IdentityProvider, claim: Claim, linked: User | None) -> User:
    """The account that the claim opens at the provider's tenant; raises `NotVouched`.

    `linked` is the account that came through this issuer before under the same subject.
    """
    domain = claim.email.rpartition("@")[2].lower()
    if not claim.email_verified or domain not in provider.domains:
        raise NotVouched("address not verified, or of another domain")
    if linked is not None:
        _check_own(provider, linked)
        return linked
    owner = owner_of(claim.email)
    if owner is not None:
        _check_own(provider, owner)
        if belongs_elsewhere(user_id=owner.pk, tenant_id=provider.tenant_id):
            raise NotVouched("a member of another tenant too")
        return owner
    if not provider.creates_members:
        raise NotVouched("nobody here has this address")
    return make_member(provider=provider, claim=claim)


def owner_of(email: str) -> User | None:
    """Whose mailbox that is: only an address that we mailed to ourselves counts."""
    proof = EmailAddress.objects.filter(email__iexact=email, verified=True).select_related("user").first()
    return proof.user if proof else None


def _check_own(provider: IdentityProvider, person: User) -> None:
    if not person.is_active or person.is_staff or person.is_superuser:
        raise NotVouched("switched off, or platform staff")
    # A link without a membership is a former member: the company's sign-in does not undo a removal.
    if not Membership.objects.filter(tenant=provider.tenant_id, user=person).exists():
        raise NotVouched("not a member")


def make_member(*, provider: IdentityProvider, claim: Claim) -> User:
    """A new account with the provider's default role; its address is a claim until its owner confirms it by mail."""
    with tenant_tx():
        username = get_adapter().generate_unique_username([claim.email.partition("@")[0], "member"])
        person = User(username=username, first_name=claim.name[:150])
        person.set_unusable_password()
        person.save()
        EmailAddress.objects.create(user=person, email=claim.email.lower(), primary=True, verified=False)
        Membership.objects.create(tenant_id=provider.tenant_id, user=person, role=provider.default_role)
    log.info("member_made_by_provider", tenant=provider.tenant_id, person=person.pk)
    return person
