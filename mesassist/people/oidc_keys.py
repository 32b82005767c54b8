"""OIDC keys: under what name the links of a tenant's issuer are stored, so that no other issuer can use them."""

import hashlib

from mesassist.tenants.models import IdentityProvider


def provider_key(row: IdentityProvider) -> str:
    """Under which links are stored: another issuer in the same row is another provider, with links of its own."""
    return f"tenant-{row.tenant_id}-{hashlib.sha256(row.issuer.encode()).hexdigest()[:16]}"


def tenant_of_key(key: str) -> int:
    """The id of the tenant whose provider that is."""
    return int(key.split("-")[1])
