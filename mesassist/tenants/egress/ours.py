"""Ours: the installation's own servers, which no tenant's request reaches, whatever anybody approved."""

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings

from mesassist.tenants.egress.addresses import read_address

POSTGRES, REDIS = 5432, 6379


def is_ours(address: str, port: int) -> bool:
    """Whether a connection to that address and port would reach our own PostgreSQL or Redis."""
    wanted = str(read_address(address))
    for host, own_port in own_servers():
        if port == own_port:
            own = {str(read_address(one)) for one in _addresses_of(host)}
            # On this host one server has many addresses: 127.0.0.2 or the network card's lead to it as well.
            if wanted in own or (is_here(wanted) and any(map(is_here, own))):
                return True
    return False


def own_servers() -> Iterator[tuple[str, int]]:
    """(host, port) of each; a server on a Unix socket counts as one of this host."""
    database = settings.DATABASES["default"]
    host = str(database.get("HOST") or "")
    yield ("127.0.0.1" if not host or host.startswith("/") else host), int(database.get("PORT") or POSTGRES)
    redis = urlsplit(settings.REDIS_URL)
    yield redis.hostname or "127.0.0.1", redis.port or REDIS


def is_here(address: str) -> bool:
    """Whether the address is one of this host's."""
    if ip_address(address).is_loopback:
        return True
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Only an address of this host can be bound to; nothing is sent.
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _addresses_of(host: str) -> set[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(sockaddr[0]) for *_, sockaddr in found if "%" not in str(sockaddr[0])}
