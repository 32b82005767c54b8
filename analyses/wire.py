"""Wire: the HTTP client under the gateway, one per worker thread, whose exchanges obey a watch."""

import atexit
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from mesassist.tenants.outbound import (
    Blocked,
    DeadlinePassed,
    PackedAnswer,
    Route,
    TooManyBytes,
    Watch,
    WatchedTransport,
    WireCut,
    begin_watch,
    refuse_packed,
    wait_idly,
)

__all__ = [
    "Blocked",
    "DeadlinePassed",
    "Line",
    "PackedAnswer",
    "TooManyBytes",
    "Watch",
    "WireCut",
    "begin_watch",
    "close_lines",
    "line_of_this_thread",
    "wait_idly",
]

DRAIN_S = 0.1
SENT_HEADERS = {
    "host",
    "accept",
    "accept-encoding",
    "connection",
    "content-type",
    "content-length",
    "user-agent",
    "authorization",
}


class FinishingBody(httpx2.SyncByteStream):
    """The body of an answer. Closing it after the last event reads the few bytes that follow, so the connection lives.

    The SDK stops at `[DONE]`, one empty chunk before the end; without those bytes every call would dial anew.
    """

    def __init__(self, inner: httpx2.SyncByteStream, line: "Line") -> None:
        self._inner, self._line, self._tail = inner, line, b""
        self._parts = iter(inner)

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            self._tail = (self._tail + part)[-32:]
            yield part

    def close(self) -> None:
        """Finish what is nearly finished, then let go."""
        if b"[DONE]" in self._tail:
            self._line.watch = begin_watch(deadline_s=DRAIN_S, idle_s=DRAIN_S, max_bytes=1024)
            try:
                for _ in self._parts:
                    pass
            except (httpx2.HTTPError, WireCut):
                self._tail = b""
        self._inner.close()


class FinishingTransport(WatchedTransport):
    """The same, and each body can be finished."""

    def __init__(self, line: "Line") -> None:
        super().__init__(line)
        self._thread_line = line

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, and wrap the body so that it can be finished."""
        response = super().handle_request(request)
        assert isinstance(response.stream, httpx2.SyncByteStream)  # noqa: S101 - for the type checker
        response.stream = FinishingBody(response.stream, self._thread_line)
        return response


class Line:
    """One thread's HTTP client, and the watch and the route of the exchange that is under way on it."""

    def __init__(self) -> None:
        self.watch = begin_watch(deadline_s=0, idle_s=0, max_bytes=0)
        self.route: Route | None = None
        self.sent_sha256 = ""
        self.client = httpx2.Client(
            transport=FinishingTransport(self),
            trust_env=False,
            follow_redirects=False,
            event_hooks={"request": [self._send_plainly], "response": [refuse_packed]},
        )

    @contextmanager
    def exchange(self, watch: Watch, route: Route) -> Iterator[httpx2.Client]:
        """The client, for one exchange under `watch` that may go along `route` and nowhere else."""
        self.watch, self.route, self.sent_sha256 = watch, route, ""
        # Cookies of one tenant's endpoint must never reach another tenant's on the same host.
        self.client.cookies.clear()
        yield self.client

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _send_plainly(self, request: httpx2.Request) -> None:
        # The SDK adds headers about this machine and from the platform's environment; tenants' endpoints get neither.
        for name in set(request.headers) - SENT_HEADERS:
            del request.headers[name]
        request.headers["user-agent"] = "mesassist"
        request.headers["accept-encoding"] = "identity"
        self.sent_sha256 = hashlib.sha256(request.read()).hexdigest()


_of_thread = threading.local()
_lines: list[Line] = []
_guard = threading.Lock()


def line_of_this_thread() -> Line:
    """The calling thread's line, made at its first call."""
    line: Line | None = getattr(_of_thread, "line", None)
    if line is None or line.client.is_closed:
        line = _of_thread.line = Line()
        with _guard:
            _lines.append(line)
    return line


def close_lines() -> None:
    """Close every thread's connections."""
    with _guard:
        lines, _lines[:] = _lines[:], []
    for line in lines:
        line.close()


atexit.register(close_lines)
