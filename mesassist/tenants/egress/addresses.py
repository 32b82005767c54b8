"""Addresses: what one IP address is to us: public, only with an approval, or never to be called; pure.

`ipaddress.is_private` and `is_global` each miss some of it: embedded IPv4 addresses, metadata services on public or
shared space, deprecated transition ranges. So the ranges stand here, after the IANA special-purpose registries.
"""

from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Verdict(IntEnum):
    """How freely an address may be called; the larger, the less."""

    PUBLIC = 0
    APPROVED_ONLY = 1
    NEVER = 2


# What no approval opens: metadata services, and addresses that mean this host, this link or everybody.
NEVER = [
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
        *("168.63.129.16/32", "192.0.0.192/32", "100.100.100.200/32"),  # Azure, Oracle and Alibaba
        *("::/128", "fe80::/10", "fec0::/10", "ff00::/8"),
        *("fd00:ec2::/32", "fd20:ce::254/128", "fd00:c1::a9fe:a9fe/128", "fd00:42::42/128"),  # AWS, GCP, OCI, Scaleway
    )
]
NOT_GLOBAL = [
    ip_network(text)
    for text in (
        *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        # Of IPv6 only 2000::/3 is given out at all; these parts of it are not anybody's host.
        *("2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20"),
    )
]
PADDING = IPv4Network("0.0.0.0/8")
UNICAST6 = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
# Forms that end in an IPv4 address: compatible, translated, NAT64.
ENDS_IN_IPV4 = [IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"), NAT64, LOCAL_NAT64]
ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")


@lru_cache(1024)
def judge_address(text: str) -> Verdict:
    """The verdict on an address as the resolver gives it; what cannot be read, or names a zone, is never called."""
    try:
        address = read_address(text)
    except ValueError:
        return Verdict.NEVER
    if isinstance(address, IPv6Address) and address in NAT64:
        # A network without IPv4 of its own reaches every public IPv4 address in this way.
        return max(map(_judge_one, _embedded(address)))
    return max([_judge_one(address), *(_judge_embedded(inner) for inner in _embedded(address))])


def read_address(text: str) -> Address:
    """The address, an IPv4 one in IPv6 clothes as itself; raises `ValueError`, also for one with a zone."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.scope_id:
            raise ValueError("An address with a zone is of one link only.")
        return address.ipv4_mapped or address
    return address


def is_literal(host: str) -> bool:
    """Whether a host is an IP address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _judge_one(address: Address) -> Verdict:
    if _is_in(address, NEVER):
        return Verdict.NEVER
    if _is_in(address, NOT_GLOBAL) or (isinstance(address, IPv6Address) and address not in UNICAST6):
        return Verdict.APPROVED_ONLY
    return Verdict.PUBLIC


def _judge_embedded(inner: IPv4Address) -> Verdict:
    # A hidden public address makes its carrier no better; a hidden metadata service makes it unreachable. What hides
    # behind 0.0.0.0/8 is only padding: no router sends anything there.
    return Verdict.NEVER if _is_in(inner, NEVER) and inner not in PADDING else Verdict.PUBLIC


def _is_in(address: Address, networks: list[Network]) -> bool:
    return any(address in network for network in networks)


def _embedded(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an IPv6 one carries, by every scheme that a router on the way may know."""
    if not isinstance(address, IPv6Address):
        return
    packed = address.packed
    if any(address in network for network in ENDS_IN_IPV4):
        yield IPv4Address(packed[12:])
    if address in LOCAL_NAT64:
        yield IPv4Address(packed[6:8] + packed[9:11])
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    if packed[8:12] in ISATAP:
        yield IPv4Address(packed[12:])
