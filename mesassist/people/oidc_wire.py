"""OIDC wire: the guarded way to a tenant's issuer, in the shape in which allauth asks for a session of requests."""

import json
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlencode

from allauth.socialaccount.providers.oauth2.client import OAuth2Error

from mesassist.tenants.egress.calls import CallFailed, Reply, call_out
from mesassist.tenants.models import Purpose

DEADLINE_S = 10.0
ANSWER_BYTES = 256 * 1024


class IssuerAway(OAuth2Error):
    """The issuer did not answer, may not be called, or said something that is no answer."""


class GuardedAnswer:
    """What came back, read as allauth reads it."""

    def __init__(self, reply: Reply) -> None:
        self.status_code, self.headers, self.content = reply.status, reply.headers, reply.content

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """The body as an object; raises `IssuerAway`."""
        try:
            read = json.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise IssuerAway("The issuer's answer is no JSON.") from error
        if not isinstance(read, dict):
            raise IssuerAway("The issuer's answer is no object.")
        return read

    def raise_for_status(self) -> None:
        """Raise `IssuerAway` for whatever is no plain answer, a redirect included."""
        if self.status_code != 200:
            raise IssuerAway(f"The issuer answers with status {self.status_code}.")


class GuardedSession:
    """Each request goes through the egress guard; nothing is kept between two of them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> GuardedAnswer:
        """GET."""
        return self.request("GET", url, headers=headers)

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Any = None,
    ) -> GuardedAnswer:
        """Ask once; raises `IssuerAway`."""
        if params:
            raise IssuerAway("Nothing is sent to an issuer in an address.")
        sent = {"accept": "application/json", **(headers or {})}
        body = urlencode(data).encode() if data else None
        if body:
            sent["content-type"] = "application/x-www-form-urlencoded"
        pair = (auth.username, auth.password) if auth else None
        try:
            reply = call_out(
                method,
                url,
                purpose=Purpose.IDENTITY,
                headers=sent,
                auth=pair,
                body=body,
                deadline_s=DEADLINE_S,
                max_bytes=ANSWER_BYTES,
            )
        except CallFailed as error:
            raise IssuerAway(str(error)) from error
        return GuardedAnswer(reply)
