"""Outbound: requests to addresses that other people chose, with deadline and byte cap inside the sockets.

A check in the loop that reads an answer never runs while a server stays silent or drips comments, so the limits live
where every byte passes. The same place is reached while nothing arrives, which is when a lease must be renewed.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import httpcore2
import httpx2

TICK_S = 0.25
WRITE_PIECE = 64 * 1024
KEEPALIVE_S = 90.0


class WireCut(Exception):
    """We ended an exchange ourselves: one of the limits below."""


class DeadlinePassed(WireCut):
    """The whole exchange took longer than it may; carries the seconds it had."""


class WentQuiet(WireCut):
    """Nothing arrived for too long."""


class TooManyBytes(WireCut):
    """More arrived than an answer may have."""


class PackedAnswer(WireCut):
    """The answer came compressed though we asked for it plain: its size could not be bounded."""


def wait_idly() -> None:
    """What is done while nothing arrives, when nobody has a better idea."""


@dataclass
class Watch:
    """What one exchange may still use. Times are of the monotonic clock."""

    deadline: float
    deadline_s: float
    idle_s: float
    bytes_left: int
    on_wait: Callable[[], None] = wait_idly
    heard_at: float = 0.0

    def look(self) -> float:
        """Do what is due meanwhile; return the seconds that one socket operation may take, or raise `WireCut`."""
        self.on_wait()
        now = time.monotonic()
        if now >= self.deadline:
            raise DeadlinePassed(self.deadline_s)
        if now - self.heard_at >= self.idle_s:
            raise WentQuiet
        return min(TICK_S, self.deadline - now)

    def take(self, size: int) -> None:
        """Note that bytes arrived; raises `TooManyBytes`."""
        self.heard_at = time.monotonic()
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise TooManyBytes


def begin_watch(*, deadline_s: float, idle_s: float, max_bytes: int, on_wait: Callable[[], None] = wait_idly) -> Watch:
    """A watch that starts now."""
    now = time.monotonic()
    return Watch(
        deadline=now + deadline_s,
        deadline_s=deadline_s,
        idle_s=idle_s,
        bytes_left=max_bytes,
        on_wait=on_wait,
        heard_at=now,
    )


class Watched(Protocol):
    """Whoever holds the watch of the exchange that is under way."""

    watch: Watch


class WatchedStream(httpcore2.NetworkStream):
    """A connection whose reads and writes obey the line's present watch."""

    def __init__(self, inner: httpcore2.NetworkStream, line: "Watched") -> None:
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
        """Write in pieces, each within what is left of the deadline."""
        for start in range(0, len(buffer), WRITE_PIECE):
            left = max(self._line.watch.deadline - time.monotonic(), 0.001)
            self._inner.write(buffer[start : start + WRITE_PIECE], timeout=left)

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
    """Resolves a name once, asks for each address whether it may be called, and dials that very address."""

    def __init__(self, line: "Watched", admit: Callable[[str, str, int], None]) -> None:
        self._line, self._admit, self._inner = line, admit, httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> WatchedStream:
        """Connect within `timeout` seconds in all; `admit` raises for an address that must not be called."""
        addresses = resolve_host(host, port)
        for address in addresses:
            self._admit(host, address, port)
        until = time.monotonic() + (timeout or 5.0)
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


def resolve_host(host: str, port: int) -> list[str]:
    """The addresses of a host, in the system's order, each once; raises `httpcore2.ConnectError`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError(f"The name does not resolve: {error}") from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def admit_any(_host: str, _address: str, _port: int) -> None:
    """Let every address be called. The check for private and platform addresses belongs here."""


class WatchedTransport(httpx2.HTTPTransport):
    """The usual transport over our backend."""

    def __init__(self, line: Watched, admit: Callable[[str, str, int], None]) -> None:
        super().__init__(verify=tls_context(), trust_env=False)
        # The transport offers no parameter for the backend; its pool is the one private name that we use.
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls_context(),
            max_connections=4,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=WatchedBackend(line, admit),
        )


def refuse_packed(response: httpx2.Response) -> None:
    """Refuse a compressed answer: a few kilobytes of it could unpack to gigabytes."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise PackedAnswer


@cache
def tls_context() -> ssl.SSLContext:
    """The one TLS context: making it costs more than a whole call, sharing it costs nothing."""
    return httpx2.create_ssl_context(trust_env=False)
