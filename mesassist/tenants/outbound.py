"""Outbound: the one way out to addresses that other people chose; deadline, byte cap and route inside the sockets.

A check in the loop that reads an answer never runs while a server stays silent or drips comments, so the limits live
where every byte passes. The same place is reached while nothing arrives, which is when a lease must be renewed.
"""

import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any, Protocol

import httpcore2
import httpx2

from mesassist.tenants.egress.names import NameLookup
from mesassist.tenants.egress.routes import Blocked, Route, find_route, never, tls_context
from mesassist.tenants.egress.targets import NotATarget, target_of
from mesassist.tenants.egress.watch import (
    DeadlinePassed,
    PackedAnswer,
    TooManyBytes,
    Watch,
    WentQuiet,
    WireCut,
    begin_watch,
    wait_idly,
)

__all__ = [
    "Blocked",
    "DeadlinePassed",
    "PackedAnswer",
    "Route",
    "TooManyBytes",
    "Watch",
    "Watched",
    "WatchedTransport",
    "WentQuiet",
    "WireCut",
    "begin_watch",
    "find_route",
    "refuse_packed",
    "wait_idly",
]

WRITE_PIECE = 64 * 1024
KEEPALIVE_S = 90.0
CONNECT_S = 5.0
# As many endpoints as one thread keeps connections to.
ROUTES_KEPT = 8


class Watched(Protocol):
    """Whoever holds the watch and the route of the exchange that is under way."""

    watch: Watch
    route: Route | None


class WatchedStream(httpcore2.NetworkStream):
    """A connection whose reads and writes obey the line's present watch."""

    def __init__(self, inner: httpcore2.NetworkStream, line: Watched) -> None:
        self._inner, self._line = inner, line

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Wait in short ticks, so that the watch is looked at even when nothing arrives."""
        while True:
            tick = self._line.watch.look()
            try:
                data = self._inner.read(max_bytes, timeout=tick)
            except httpcore2.ReadTimeout:
                continue
            self._line.watch.take(len(data))
            return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write in ticks too: a server that takes a byte at a time would hold us as long as one that sends so."""
        waiting = memoryview(buffer)
        plug: socket.socket = self._inner.get_extra_info("socket")
        while waiting:
            plug.settimeout(self._line.watch.look())
            try:
                taken = plug.send(waiting[:WRITE_PIECE])
            except TimeoutError:
                continue
            except OSError as error:
                raise httpcore2.WriteError(str(error)) from error
            self._line.watch.give()
            waiting = waiting[taken:]

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "WatchedStream":
        """Shake hands within the connect timeout."""
        return WatchedStream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._line)

    def get_extra_info(self, info: str) -> Any:
        """What the connection knows of itself."""
        return self._inner.get_extra_info(info)


class WatchedBackend(httpcore2.NetworkBackend):
    """Resolves a name once, asks the route about every address it gave, and dials one of these very addresses."""

    def __init__(self, line: Watched, route: Route) -> None:
        self._line, self._route, self._inner = line, route, httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> WatchedStream:
        """Connect within `timeout` seconds in all; raises `Blocked` where one address must not be called."""
        until = time.monotonic() + (timeout or CONNECT_S)
        addresses = resolve_host(host, port, line=self._line, until=until)
        for address in addresses:
            self._route.admit(address)
        for number, address in enumerate(addresses, start=1):
            self._line.watch.look()
            try:
                left = max(until - time.monotonic(), 0.001)
                stream = self._inner.connect_tcp(address, port, left, local_address, socket_options)
                return WatchedStream(stream, self._line)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise httpcore2.ConnectError(f"{host} has no address.")

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> WatchedStream:
        """Never: the portal's own servers listen there."""
        raise never(self._route.target)


def resolve_host(host: str, port: int, *, line: Watched, until: float) -> list[str]:
    """The addresses of a host, in the system's order, each once; raises `httpcore2.ConnectError`."""
    lookup = NameLookup(host, port)
    # Whoever owns the name decides how slowly it resolves.
    while not lookup.done.wait(min(line.watch.look(), max(until - time.monotonic(), 0.001))):
        if time.monotonic() >= until:
            raise httpcore2.ConnectTimeout("The name did not resolve in time.")
    if lookup.fault is not None:
        raise httpcore2.ConnectError(f"The name does not resolve: {lookup.fault}") from lookup.fault
    return lookup.addresses


class WatchedTransport(httpx2.HTTPTransport):
    """The usual transport over our backend, with connections of its own for each route."""

    def __init__(self, line: Watched) -> None:
        super().__init__(verify=tls_context(), trust_env=False)
        self._line = line
        self._pools: dict[Route, httpcore2.ConnectionPool] = {}

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it if it goes where the exchange may go: neither a redirect nor a mistake leads elsewhere."""
        route = self._line.route
        try:
            wanted = target_of(request.url)
        except NotATarget:
            wanted = None
        if route is None or wanted != route.target:
            raise Blocked(wanted, "A request was to leave for another address.", "Check the endpoint's address.")
        # The transport offers no parameter for the pool; this is the one private name that we use.
        self._pool = self._pool_of(route)
        return super().handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()
        super().close()

    def _pool_of(self, route: Route) -> httpcore2.ConnectionPool:
        # A connection that one tenant's approval opened must not serve another's, nor outlive the approval.
        pool = self._pools.pop(route, None) or httpcore2.ConnectionPool(
            ssl_context=route.tls(),
            max_connections=4,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=WatchedBackend(self._line, route),
        )
        self._pools[route] = pool
        if len(self._pools) > ROUTES_KEPT:
            self._pools.pop(next(iter(self._pools))).close()
        return pool


def refuse_packed(response: httpx2.Response) -> None:
    """Refuse a compressed answer: a few kilobytes of it could unpack to gigabytes."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise PackedAnswer
