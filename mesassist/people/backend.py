"""Backend: name or address and password to one person, at the same cost whether there is one or not."""

from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from mesassist.tenants.models import User


class OneHashBackend(ModelBackend):
    """Compares exactly one hash per attempt: more or fewer for a known name could be told by a clock."""

    def authenticate(  # type: ignore[override]
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **others: Any
    ) -> User | None:
        """The person, or None alike for an unknown name, a wrong password and a deactivated account."""
        if not password:
            return None
        person = find_person(username or others.get("email") or "")
        if person is None:
            make_password(password)
            return None
        right = person.check_password(password)
        return person if right and self.user_can_authenticate(person) else None


def find_person(login: str) -> User | None:
    """Who signs in with that user name, or with that address when it is theirs alone."""
    by_name = User.objects.filter(username=login).first()
    if by_name is not None or "@" not in login:
        return by_name
    verified = EmailAddress.objects.filter(email__iexact=login, verified=True).select_related("user").first()
    if verified is not None:
        owner: User = verified.user
        return owner
    # Nobody proved to read that mailbox: it is good enough for a name, unless two accounts claim it.
    claimed = list(User.objects.filter(email__iexact=login)[:2])
    return claimed[0] if len(claimed) == 1 else None
