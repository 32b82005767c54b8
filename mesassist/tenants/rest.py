"""REST: what settings.py names: who asks, and whether that is enough; the views' own door is `apidoor`.

REST framework imports this module while its views are still loading, so nothing here may import them.
"""

import re
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from knox.auth import TokenAuthentication
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from mesassist.tenants.guesses import client_address, count_guess
from mesassist.tenants.keys import why_closed
from mesassist.tenants.models import ApiKey, Role, Scope, User
from mesassist.tenants.peppers import PREFIX, SHOWN, fits
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.problems import Problem, answer_problem
from mesassist.tenants.scope import platform_scope
from mesassist.tenants.scrubbing import remember
from mesassist.tenants.wire import Pages, StrictJSONParser

log = structlog.get_logger(__name__)
KEY_IN_ADDRESS = re.compile(r"\bmes_[0-9a-f]{16,}")

__all__ = [
    "ApiKeyAuthentication",
    "BrowserSession",
    "DoorPermission",
    "Pages",
    "StrictJSONParser",
    "answer_problem",
]

# What a person needs where a key would need the scope.
LEAST_ROLE = {
    Scope.READ: Role.VIEWER,
    Scope.ANALYSE: Role.OPERATOR,
    Scope.INGEST: Role.MANAGER,
    Scope.CONFIGURE: Role.MANAGER,
}


class ApiKeyAuthentication(TokenAuthentication):
    """`Authorization: Api-Key <key>`: found by its first characters, compared by its hash, in one query."""

    def authenticate(self, request: Request) -> Any:
        """The key and the person responsible for it, or None without a key; a key in the address is refused."""
        if found := KEY_IN_ADDRESS.search(request.META.get("QUERY_STRING", "")):
            log.warning("key_in_address", key=found.group()[:SHOWN])
            raise AuthenticationFailed(
                "A key belongs in the header Authorization, never in an address, which logs keep. Replace this key."
            )
        self.address = client_address(request, proxies=settings.ALLAUTH_TRUSTED_PROXY_COUNT)
        return super().authenticate(request)

    @sensitive_variables("token", "text")
    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiKey]:
        """401 for a wrong, paused, expired or orphaned key and one used from elsewhere, all alike; 429 for guessing."""
        text = token.decode("ascii", errors="replace")
        key = find_key(text)
        why = why_closed(key=key, address=self.address, now=timezone.now()) if key else "unknown"
        if key is not None and not text.startswith(PREFIX):
            # Keys made today are known by their look. What anybody sends must not be remembered: it would mask words.
            remember(text)
        if key is not None and not why:
            key.used = KeyUse(text, self.address)  # type: ignore[attr-defined]
            return key.user, key
        log.info("key_refused", why=why, key=key.token_key if key else "", address=self.address)
        if key is None:
            count_guess(self.address)
        raise AuthenticationFailed("This API key is not valid. Ask whoever runs the portal for another.")


@dataclass(frozen=True, repr=False)
class KeyUse:
    """How a key was shown in this request."""

    text: str
    address: str


@sensitive_variables("text")
def find_key(text: str) -> ApiKey | None:
    """The key of this text, with its person and tenant, or None."""
    with platform_scope("who asks", role=PlatformRole.DOOR):
        rows = list(
            ApiKey.objects.select_related("user", "tenant").filter(token_key=text[:SHOWN], tenant__closed_at=None)
        )
    return next((key for key in rows if fits(text, digest=key.digest, pepper=key.pepper)), None)


class BrowserSession(SessionAuthentication):
    """The session of a signed-in person; whatever changes something needs the CSRF token too."""

    def enforce_csrf(self, request: Request) -> None:
        """Refuse a request that another site may have made the browser send."""
        try:
            super().enforce_csrf(request)
        except Exception as error:
            raise Problem(403, "csrf", "The CSRF token is missing or wrong. Reload the page and try again.") from error


class DoorPermission(BasePermission):
    """A key needs the scope that the door names for the method, a person the role that stands for it."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """True, or a problem that says what is missing; nobody at all: False, which becomes 401."""
        if not request.user.is_authenticated:
            return False
        method = "GET" if request.method == "HEAD" else request.method
        scope = view.needs.get(method)
        if scope is None:
            raise MethodNotAllowed(str(request.method))
        if isinstance(request.auth, ApiKey):
            if scope not in request.auth.scopes:
                raise Problem(403, "scope_missing", f"This needs a key with the scope {scope.value}.")
        elif view.membership.role < LEAST_ROLE[scope]:
            raise Problem(403, "role_too_low", f"This needs the role {LEAST_ROLE[scope].label}. Ask a manager.")
        return True
