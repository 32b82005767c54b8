"""Approvals: what an approval may say: one host, one port, and addresses narrow enough to be meant exactly."""

import ssl
from ipaddress import ip_address, ip_network

from mesassist.tenants.egress.addresses import NEVER, Network, Verdict, is_literal, judge_address
from mesassist.tenants.egress.ours import is_ours
from mesassist.tenants.egress.routes import METADATA_NAMES
from mesassist.tenants.egress.targets import NotATarget, Target, read_server

# A rack of servers, not a plant.
WIDEST = {4: 28, 6: 124}


class NotApprovable(ValueError):
    """The approval cannot be given as it stands; the message says why."""


def read_approved_host(*, host: str, port: int) -> Target:
    """The host in the spelling that addresses are compared in; raises `NotApprovable`."""
    wanted = f"[{host}]" if ":" in host and not host.startswith("[") else host
    try:
        target = read_server(f"{wanted}:{port}", secure=True)
    except NotATarget:
        raise NotApprovable("Write the host alone, as it stands in the address: a name or an IP address.") from None
    if target.host in METADATA_NAMES:
        raise NotApprovable("This name leads to a metadata service, which is never called.")
    return target


def read_approved_network(*, text: str, target: Target) -> str:
    """The addresses that the host may lead to, as `address/length`; raises `NotApprovable`."""
    try:
        network: Network = ip_network(text.strip())
    except ValueError:
        raise NotApprovable("Write one IP address, or a range like 10.0.0.0/28.") from None
    if network.prefixlen < WIDEST[network.version]:
        raise NotApprovable(f"This range is too wide: at most /{WIDEST[network.version]}.")
    if any(network.version == never.version and network.overlaps(never) for never in NEVER):
        raise NotApprovable("Nothing may ever be called at this address.")
    for address in network:
        if judge_address(str(address)) == Verdict.NEVER:
            raise NotApprovable("Nothing may ever be called at this address.")
        if is_ours(str(address), target.port):
            raise NotApprovable("The portal's own database or Redis answers there.")
    if is_literal(target.host) and ip_address(target.host) not in network:
        raise NotApprovable("The host is another IP address than this one.")
    return str(network)


def check_authority(ca_pem: str) -> None:
    """Raise `NotApprovable` unless the certificates can be read."""
    try:
        ssl.create_default_context(cadata=ca_pem)
    except (ssl.SSLError, ValueError) as error:
        raise NotApprovable("This is no certificate in PEM form.") from error
