"""Targets: what an address that somebody typed really names: one host, one port, with or without TLS.

Read as strictly as possible: where two programs could read an address differently, it is refused.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import urlsplit

import httpx2

LONGEST = 2000
PORTS = {"http": 80, "https": 443}
HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?")
SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")


class NotATarget(ValueError):
    """The address cannot be called at all; the message says what is wrong with it."""


@dataclass(frozen=True)
class Target:
    """Where a request goes, in one spelling: the host in lower case, without brackets or a final dot."""

    host: str
    port: int
    secure: bool

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_target(url: str) -> Target:
    """The target of a web address; raises `NotATarget`."""
    if len(url) > LONGEST or not (url.isascii() and url.isprintable()) or set(url) & set(' \\"<>^`{|}'):
        raise NotATarget("The address holds characters that no web address has; write a foreign name as xn--.")
    try:
        # Twice, by the standard library and by the client that will call it: they have to agree.
        parts, read = urlsplit(url), httpx2.URL(url)
        port = parts.port
    except (httpx2.InvalidURL, ValueError):
        raise NotATarget("This is not a web address.") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise NotATarget("The address must begin with https:// or http://.")
    if "@" in parts.netloc:
        raise NotATarget("The address carries a user name or password.")
    if "#" in url:
        raise NotATarget("The address ends before the hash.")
    target = _make_target(parts.hostname, PORTS[parts.scheme] if port is None else port, parts.scheme == "https")
    if target != target_of(read):
        raise NotATarget("The address can be read in two ways.")
    return target


def target_of(url: httpx2.URL) -> Target:
    """The target of an address as the HTTP client reads it; raises `NotATarget`."""
    port = PORTS.get(url.scheme, 0) if url.port is None else url.port
    return _make_target(url.raw_host.decode("ascii"), port, url.scheme == "https")


def read_server(text: str, *, secure: bool) -> Target:
    """The target of `host:port`; raises `NotATarget`."""
    found = SERVER.fullmatch(text.strip())
    if not found:
        raise NotATarget(f"{text!r} is not host:port. Write it like kafka.example:9092.")
    return _make_target(found.group(1).strip("[]"), int(found.group(2)), secure)


def _make_target(host: str, port: int, secure: bool) -> Target:
    host = host.lower().removesuffix(".")
    if not 0 < port < 65_536:
        raise NotATarget("The port is between 1 and 65535.")
    if ":" in host:
        try:
            host = str(IPv6Address(host))
        except ValueError:
            raise NotATarget("This is not an IPv6 address.") from None
        if "%" in host:
            raise NotATarget("An address with a zone is of one link only.")
    elif not HOST.fullmatch(host) or ".." in host:
        raise NotATarget("The address holds no host name.")
    return Target(host, port, secure)
