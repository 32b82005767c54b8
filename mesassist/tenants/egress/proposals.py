"""Proposals: a tenant asks for an endpoint inside its own network; platform staff approve exactly that, or decline."""

import datetime as dt

from mesassist.tenants.egress.early import judge_url
from mesassist.tenants.egress.names import find_addresses
from mesassist.tenants.egress.routes import Blocked
from mesassist.tenants.egress.targets import Target
from mesassist.tenants.models import ApprovedEndpoint, EndpointProposal, ProposalState, Purpose, Tenant, User
from mesassist.tenants.scope import tenant_tx

MOST_OPEN = 20


class ProposalRefused(Exception):
    """The address cannot be proposed; the message says why."""


def propose_endpoint(
    *, tenant: Tenant, url: str, purpose: Purpose, proposed_by: User | None, now: dt.datetime
) -> EndpointProposal:
    """Ask platform staff to approve the address; asking twice is asking once.

    Raises `ProposalRefused` for what needs no approval, for what nobody can approve, and while too many others wait.
    """
    target = _find_approvable(url, purpose)
    with tenant_tx(tenant):
        wanted = {"purpose": purpose, "host": target.host, "port": target.port, "state": ProposalState.OPEN}
        waiting = EndpointProposal.objects.filter(state=ProposalState.OPEN)
        known = waiting.filter(**wanted).first()
        if known is not None:
            return known
        if waiting.count() >= MOST_OPEN:
            raise ProposalRefused(f"{MOST_OPEN} proposals wait already. Ask platform staff to look at them.")
        addresses = find_addresses(target.host, target.port)
        return EndpointProposal.objects.create(
            tenant=tenant, addresses=addresses, proposed_by=proposed_by, proposed_at=now, **wanted
        )


def settle_proposals(*, approved: ApprovedEndpoint, decided_by: User | None, now: dt.datetime) -> int:
    """Mark the open proposals that an approval fulfils; returns how many. Needs the platform's scope."""
    waiting = EndpointProposal.objects.filter(
        state=ProposalState.OPEN, purpose=approved.purpose, host=approved.host, port=approved.port
    )
    if approved.tenant_id is not None:
        waiting = waiting.filter(tenant=approved.tenant_id)
    return waiting.update(state=ProposalState.APPROVED, decided_by=decided_by, decided_at=now)


def decline_proposal(*, proposal: EndpointProposal, decided_by: User | None, now: dt.datetime) -> bool:
    """Decline a proposal that is still open; False where it was decided meanwhile."""
    waiting = EndpointProposal.objects.filter(pk=proposal.pk, state=ProposalState.OPEN)
    return bool(waiting.update(state=ProposalState.DECLINED, decided_by=decided_by, decided_at=now))


def _find_approvable(url: str, purpose: Purpose) -> Target:
    try:
        route = judge_url(url=url, purpose=purpose)
    except Blocked as blocked:
        if blocked.target is not None and blocked.can_be_approved:
            return blocked.target
        raise ProposalRefused(str(blocked)) from blocked
    raise ProposalRefused(f"{route.target} needs no approval: save it.")
