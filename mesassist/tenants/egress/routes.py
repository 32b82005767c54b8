"""Routes: whether a request may go to a target, by what the world, the platform's staff and the settings allow.

A public target needs TLS and a usual port. Everything else needs an approval of exactly that host and port, and the
approval says to which addresses the host may lead. What `addresses.NEVER` lists, and our own servers, nothing opens.
"""

import ssl
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network

import httpx2
from django.conf import settings
from django.db.models import F, Q

from mesassist.tenants.egress.addresses import Verdict, is_literal, judge_address, read_address
from mesassist.tenants.egress.ours import is_ours
from mesassist.tenants.egress.targets import NotATarget, Target, read_server, read_target
from mesassist.tenants.egress.watch import WireCut
from mesassist.tenants.models import ApprovedEndpoint, Purpose
from mesassist.tenants.place import PLACE

METADATA_NAMES = {
    *("metadata", "metadata.google.internal", "metadata.goog", "metadata.azure.internal"),
    *("instance-data", "instance-data.ec2.internal", "metadata.tencentyun.com", "metadata.platformequinix.com"),
}
WEB_PORTS = frozenset({443, 8443})
# Hosted brokers speak TLS on these.
KAFKA_PORTS = WEB_PORTS | set(range(9092, 9099)) | set(range(9192, 9199))


class Blocked(WireCut):
    """A request must not go there. `can_be_approved` says whether platform staff could allow it."""

    def __init__(self, target: Target | None, message: str, next_step: str, *, can_be_approved: bool = False) -> None:
        super().__init__(f"{message} {next_step}")
        self.target, self.message, self.next_step = target, message, next_step
        self.can_be_approved = can_be_approved


@dataclass(frozen=True)
class Permit:
    """What an approval adds: the addresses that the host may lead to ("": any), and who vouches for its certificate."""

    network: str = ""
    ca_pem: str = ""

    def covers(self, address: str) -> bool:
        """Whether the host may lead to that address."""
        return not self.network or read_address(address) in ip_network(self.network)


@dataclass(frozen=True)
class Route:
    """A target and what allows it. Equal routes may share connections, others never."""

    target: Target
    purpose: Purpose
    permits: tuple[Permit, ...] = ()

    def admit(self, address: str) -> None:
        """Raise `Blocked` unless the target may be called at this address, one of those that its host resolves to."""
        verdict = judge_address(address)
        if verdict == Verdict.NEVER or is_ours(address, self.target.port):
            raise never(self.target)
        if any(permit.covers(address) for permit in self.permits):
            return
        if verdict != Verdict.PUBLIC or not is_usual(self.target, self.purpose):
            raise unapproved(self.target)

    def tls(self) -> ssl.SSLContext:
        """Whose certificates are trusted there: the approval's authority alone where it names one, else the usual."""
        return tls_context(next((permit.ca_pem for permit in self.permits if permit.ca_pem), ""))


def find_route(*, url: str, purpose: Purpose) -> Route:
    """The route to a web address for the active tenant, or for nobody in particular; raises `Blocked`."""
    try:
        target = read_target(url)
    except NotATarget as mistake:
        step = "Enter the address without it." if "carries" in str(mistake) else "Check the address."
        raise Blocked(None, str(mistake), step) from None
    return route_to(target, purpose)


def route_to(target: Target, purpose: Purpose) -> Route:
    """The same for a target that was read already."""
    if target.host in METADATA_NAMES or (is_literal(target.host) and judge_address(target.host) == Verdict.NEVER):
        raise never(target)
    route = Route(target, purpose, find_permits(target, purpose))
    if not route.permits and not is_usual(target, purpose):
        raise unapproved(target)
    return route


def is_usual(target: Target, purpose: Purpose) -> bool:
    """Whether a public host may be called like this without anybody's approval."""
    return target.secure and target.port in (KAFKA_PORTS if purpose == Purpose.KAFKA else WEB_PORTS)


def find_permits(target: Target, purpose: Purpose) -> tuple[Permit, ...]:
    """Approvals of that host and port: those of the environment, or of platform staff for this tenant or for all."""
    if (target.host, target.port) in configured_servers(purpose):
        return (Permit(),)
    rows = ApprovedEndpoint.objects.filter(host=target.host, port=target.port, purpose=purpose)
    mine = rows.filter(Q(tenant=None) | Q(tenant=PLACE.get().tenant_id)).order_by(F("tenant").asc(nulls_last=True))
    found = (Permit(network, ca_pem) for network, ca_pem in mine.values_list("network", "ca_pem"))
    # Whoever named an authority meant TLS: such an approval opens nothing in the clear.
    return tuple(permit for permit in found if target.secure or not permit.ca_pem)


def configured_servers(purpose: Purpose) -> set[tuple[str, int]]:
    """(host, port) that the installation's environment approves: whoever sets it runs the platform."""
    found = {read_server(text, secure=False) for text in settings.APPROVED_ENDPOINTS}
    if purpose == Purpose.MODEL:
        found |= {read_target(url) for url in settings.PLATFORM_MODEL_URLS if url}
    return {(target.host, target.port) for target in found}


def never(target: Target) -> Blocked:
    """The refusal of what nobody may approve."""
    return Blocked(
        target,
        f"The portal never calls {target}.",
        "Enter the address of the service itself; no approval opens this one.",
    )


def unapproved(target: Target) -> Blocked:
    """The refusal of what platform staff could approve. It tells nothing of what the host leads to."""
    return Blocked(
        target,
        f"The portal may not call {target} without an approval.",
        f"Ask platform staff to approve {target}, or give a public address that begins with https://.",
        can_be_approved=True,
    )


@lru_cache(64)
def tls_context(ca_pem: str = "") -> ssl.SSLContext:
    """The one TLS context of an authority: making it costs more than a whole call, sharing it costs nothing."""
    if ca_pem:
        return ssl.create_default_context(cadata=ca_pem)
    return httpx2.create_ssl_context(trust_env=False)
