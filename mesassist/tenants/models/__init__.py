"""Tenants: the rows that say who is who. `accounts` comes first: the scope that the others stand in needs `Tenant`."""

from mesassist.tenants.models.accounts import Membership, Role, Tenant, User
from mesassist.tenants.models.canaries import KeyCanary
from mesassist.tenants.models.endpoints import ApprovedEndpoint, EndpointProposal, ProposalState, Purpose
from mesassist.tenants.models.invitations import Invitation
from mesassist.tenants.models.keys import ApiKey, Scope
from mesassist.tenants.models.providers import IdentityProvider

__all__ = [
    "ApiKey",
    "ApprovedEndpoint",
    "EndpointProposal",
    "IdentityProvider",
    "Invitation",
    "KeyCanary",
    "Membership",
    "ProposalState",
    "Purpose",
    "Role",
    "Scope",
    "Tenant",
    "User",
]
