"""REST: what settings.py names: who asks, and whether that is enough; the views' own door is `apidoor`.

REST framework imports this module while its views are still loading, so nothing here may import them.
"""

from hmac import compare_digest
from typing import Any

from django.utils import timezone
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.settings import CONSTANTS
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from mesassist.tenants.models import ApiKey, Role, Scope, User
from mesassist.tenants.problems import Problem, answer_problem
from mesassist.tenants.wire import Pages, StrictJSONParser

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

    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiKey]:
        """The key and the person responsible for it; 401 for a wrong, expired or orphaned one, all alike."""
        text = token.decode("ascii", errors="replace")
        digest = hash_token(text)
        keys = ApiKey.objects.select_related("user", "tenant").filter(token_key=text[: CONSTANTS.TOKEN_KEY_LENGTH])
        for key in keys:
            expired = key.expiry is not None and key.expiry < timezone.now()
            if compare_digest(digest, key.digest) and not expired and key.user.is_active:
                return key.user, key
        raise AuthenticationFailed("This API key is not valid. Ask whoever runs the portal for another.")


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
