"""Calls: one plain request to an address that somebody else chose, within its limits; for all but the models.

`call_out` asks once and hangs up; a `Line` keeps its connections for the next request to the same endpoint.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

import httpx2

from mesassist.tenants.egress.routes import Blocked, Route, find_route
from mesassist.tenants.egress.watch import Watch, WireCut, begin_watch
from mesassist.tenants.models import Purpose
from mesassist.tenants.outbound import WatchedTransport, refuse_packed

ANSWER_BYTES = 1024 * 1024
DEADLINE_S = 10.0


class CallFailed(Exception):
    """No answer came. The message is for people and the same whether nobody listens or nobody says anything."""


class CallBlocked(CallFailed):
    """The address must not be called; `blocked` says why and what to do."""

    def __init__(self, blocked: Blocked) -> None:
        super().__init__(f"{blocked.message} {blocked.next_step}")
        self.blocked = blocked


@dataclass(frozen=True)
class Reply:
    """An answer as it came. A redirect is an answer like any other: it is not followed."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Line:
    """An HTTP client for one purpose: no redirects, no cookies, no proxies, a deadline, and only so many bytes."""

    def __init__(self, purpose: Purpose) -> None:
        self.purpose = purpose
        self.route: Route | None = None
        self.watch: Watch = begin_watch(deadline_s=0, idle_s=0, max_bytes=0)
        self.client = httpx2.Client(
            transport=WatchedTransport(self),
            trust_env=False,
            follow_redirects=False,
            headers={"user-agent": "mesassist", "accept-encoding": "identity"},
            event_hooks={"response": [refuse_packed]},
        )

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        body: bytes | None = None,
        deadline_s: float = DEADLINE_S,
        max_bytes: int = ANSWER_BYTES,
    ) -> Reply:
        """The answer, whatever its status; raises `CallBlocked` or `CallFailed`."""
        try:
            self.route = find_route(url=url, purpose=self.purpose)
            self.watch = begin_watch(deadline_s=deadline_s, idle_s=deadline_s, max_bytes=max_bytes)
            self.client.cookies.clear()
            sent = dict(headers or {}) | {"accept-encoding": "identity"}
            answer = self.client.request(method, url, headers=sent, auth=auth, content=body)
        except Blocked as blocked:
            raise CallBlocked(blocked) from blocked
        except (httpx2.HTTPError, httpx2.InvalidURL, WireCut) as error:
            where = self.route.target if self.route else "The address"
            raise CallFailed(f"{where} does not answer.") from error
        return Reply(answer.status_code, answer.headers, answer.content)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def call_out(
    method: str,
    url: str,
    *,
    purpose: Purpose,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    body: bytes | None = None,
    deadline_s: float = DEADLINE_S,
    max_bytes: int = ANSWER_BYTES,
) -> Reply:
    """Ask once, for the active tenant where there is one, and hang up; raises `CallBlocked` or `CallFailed`."""
    with closing(Line(purpose)) as line:
        return line.ask(method, url, headers=headers, auth=auth, body=body, deadline_s=deadline_s, max_bytes=max_bytes)
