"""Standing: whether a person may still be where they are, for whatever stays open longer than a request."""

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.utils import timezone

from mesassist.tenants.models import Membership, Role
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope


def still_may(*, user_id: int, tenant_id: int, least_role: Role = Role.VIEWER, session_key: str | None = None) -> bool:
    """Whether the membership, its role, the account and (when given) the session still stand, at this moment.

    For streams and open pages: ask every few seconds and stop at False. Two queries at most; nothing is cached.
    """
    with platform_scope("still a member?", role=PlatformRole.DOOR):
        member = Membership.objects.filter(
            user_id=user_id, tenant_id=tenant_id, role__gte=least_role, user__is_active=True
        ).exists()
    return member and (session_key is None or session_stands(session_key))


def session_stands(session_key: str) -> bool:
    """Whether the session was neither ended nor ran out."""
    return Session.objects.filter(session_key=session_key, expire_date__gt=timezone.now()).exists()


def end_sessions(*, user_id: int, keep: str | None = None) -> int:
    """End every session of a person, except the one to `keep`; the number that ended."""
    sessions = list(UserSession.objects.filter(user_id=user_id).exclude(session_key=keep or ""))
    for session in sessions:
        session.end()
    return len(sessions)
