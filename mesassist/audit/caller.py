"""Caller: who a request comes from, as the audit trail names it: asked at the first write, when its door has looked."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from structlog.contextvars import bound_contextvars

from mesassist.tenants.actor import Actor, acting
from mesassist.tenants.models import ApiKey

# What a proxy in front may have named the request; anything else could say anything.
REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


def introduce_caller(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: what a request writes is written in the name of its person or key; logs carry its id too."""

    def serve(request: HttpRequest) -> HttpResponse:
        named = request.headers.get("X-Request-Id", "")
        request_id = named if REQUEST_ID.fullmatch(named) else uuid4().hex
        with bound_contextvars(request_id=request_id), acting(lambda: read_caller(request, request_id)):
            return get_response(request)

    return serve


def read_caller(request: HttpRequest, request_id: str) -> Actor:
    """The key or the person as far as the request's door has asked; it is never asked for here."""
    whence = {"door": _door(request), "ip": request.META.get("REMOTE_ADDR") or "", "request_id": request_id}
    key = getattr(request, "auth", None)
    if isinstance(key, ApiKey):
        return Actor(kind="key", id=key.token_key, name=key.name, **whence)
    person = _known_person(request)
    if person is None:
        return Actor(kind="person", name="", **whence)
    return Actor(kind="person", id=str(person.pk), name=person.get_username(), **whence)


def _known_person(request: HttpRequest) -> Any:
    # The lazy user of a session must not be looked up in the middle of another statement.
    known = getattr(request, "_cached_user", None)
    person = known if known is not None or "user" not in vars(request) else vars(request)["user"]
    if type(person).__name__ == "SimpleLazyObject" or person is None:
        return None
    return person if person.is_authenticated else None


def _door(request: HttpRequest) -> str:
    if request.path_info.startswith("/api/"):
        return "api"
    return "admin" if request.path_info.startswith(reverse("admin:index")) else "page"
