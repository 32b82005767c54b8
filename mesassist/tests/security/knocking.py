"""Knocking: a request by somebody at a door, taken back afterwards, and what of its answer can be compared."""

import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

from django.db import connection, transaction

from mesassist.tenants.models import Role, Scope

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# What differs from one request to the next whoever asks: tokens against forgery, ids of forms, moments.
CHANCE = re.compile(
    rb"[0-9A-Za-z]{64}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d\d(:|%3A)\d\d((:|%3A)\d\d(\.\d+)?)?|nonce-[^'\"]+"
)
BY_CHANCE = {"content-length", "set-cookie", "date", "x-request-id", "ratelimit-remaining", "ratelimit-reset"}


@dataclass(frozen=True)
class Principal:
    """Somebody who knocks: a client that is signed in, or a key, and what they are in Alfa."""

    name: str
    client: Any
    headers: dict[str, str] = field(default_factory=dict)
    role: int = 0
    scopes: tuple[str, ...] = ()
    is_staff: bool = False
    known: bool = True  # somebody, though perhaps of another plant

    @property
    def is_member(self):
        return bool(self.role or self.scopes)

    def may(self, least):
        """Whether a role or a scope is enough for a door."""
        if isinstance(least, Scope):
            return least in self.scopes or self.role >= LEAST[least]
        return self.role >= least


LEAST = {
    Scope.READ: Role.VIEWER,
    Scope.ANALYSE: Role.OPERATOR,
    Scope.INGEST: Role.MANAGER,
    Scope.CONFIGURE: Role.MANAGER,
}


@dataclass(frozen=True)
class Answer:
    """What came back, with how many queries, and what `then` saw of the database."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]
    queries: int
    left: Any = None

    def without(self, *words):
        """The answer as it would be whatever had been asked for by these words."""
        body, headers = self.body, [(name, value) for name, value in self.headers if name.lower() not in BY_CHANCE]
        for word in words:
            body = body.replace(quote(word).encode(), b"WORD").replace(word.encode(), b"WORD")
            headers = [(name, value.replace(word, "WORD")) for name, value in headers]
        body = CHANCE.sub(b"", body)
        return self.status, body, sorted(headers), self.queries


class Counted:
    """Counts the queries that go by."""

    queries = 0

    def __call__(self, execute, sql, params, many, context):
        """One more."""
        self.queries += 1
        return execute(sql, params, many, context)


class Undone(Exception):
    """Ends a savepoint, whatever was done in it."""


def knock(principal, method, path, body=None, *, then=None, **headers):
    """One request; whatever it writes is taken back, after `then()` has looked at it."""
    api = path.startswith("/api/")
    how: dict[str, Any] = {"headers": {**principal.headers, **headers}}
    if api:
        how |= {"data": json.dumps(body or {}), "content_type": "application/json"}
    elif method in {"POST", "PUT", "PATCH", "DELETE"}:
        how |= form(method, body or {})
    answers, left = [], None
    try:
        with transaction.atomic(), connection.execute_wrapper(count := Counted()):
            send = principal.client.post if method == "POST" and not api else partial(principal.client.generic, method)
            answer = send(path, **how)
            answers.append((answer.status_code, read(answer), tuple(answer.headers.items()), count.queries))
            left = then() if then else None
            raise Undone
    except Undone:
        pass
    return Answer(*answers[0], left)


def differing(ask, pair):
    """Which parts of the two answers differ, and differ again: between two requests a clock may have moved on."""
    parts = ("status", "body", "headers", "queries")
    found = []
    for _again in range(5):
        one, other = (ask(choice) for choice in pair)
        found = [part for part, left, right in zip(parts, one, other, strict=True) if left != right]
        if not found:
            break
    return found


def form(method, body):
    """A form as a browser sends it; other methods than POST have none."""
    return {"data": body} if method == "POST" else {"data": "", "content_type": "application/x-www-form-urlencoded"}


def read(answer):
    """The whole body, of a stream too."""
    return b"".join(answer.streaming_content) if answer.streaming else answer.content
