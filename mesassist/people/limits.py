"""Limits: how often a password may be tried, per address and account, per account, and by everybody together.

Whoever guesses from one address uses up that address's share, not the account's: its owner gets in from elsewhere.
A browser that signed in before has a share of its own, so that not even guessing from everywhere locks people out.
"""

from collections.abc import Iterator

import structlog
from allauth.core.internal import ratelimit
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from mesassist.people.cache import redis_is_away

log = structlog.get_logger(__name__)

RATES = {
    "tried_here": "5/5m/key",  # one account from one address
    "tried_address": "20/5m/key",  # one address, whatever account
    "tried_account": "25/10m/key",  # one account, from anywhere
    "tried_everywhere": "300/m/key",  # everybody together
    "tried_known": "10/10m/key",  # one account from a browser that knows it
}
# Each process counts for itself while Redis is away: a share of the usual.
RATES_ALONE = {
    "tried_here": "2/5m/key",
    "tried_address": "5/5m/key",
    "tried_account": "5/10m/key",
    "tried_everywhere": "60/m/key",
    "tried_known": "5/10m/key",
}
KNOWN_COOKIE = "known"
KNOWN_FOR_S = 180 * 24 * 3600
SALT = "mesassist.people.known-browser"


class TriedTooOften(Exception):
    """A limit is reached; nothing was compared."""


def count_attempt(request: HttpRequest, *, login: str, person_id: int | None) -> list[ratelimit.RateLimitUsage]:
    """Count an attempt before the password is looked at; raises `TriedTooOften`. Undo the uses once it was right."""
    rates = RATES_ALONE if redis_is_away() else RATES
    uses: list[ratelimit.RateLimitUsage] = []
    for action, key in shares(request, login=login, person_id=person_id):
        use = ratelimit.consume(request, app="mesassist.people", action=action, config=rates, key=key)
        if use is None:
            log.warning("tried_too_often", limit=action, person=person_id)
            raise TriedTooOften(action)
        uses.append(use)
    return uses


def shares(request: HttpRequest, *, login: str, person_id: int | None) -> Iterator[tuple[str, str]]:
    """The limits that this attempt counts towards, as (limit, of whom)."""
    # The same account under its name and its address is one account; an unknown name is counted as if it were one.
    account = str(person_id or f"nobody:{login.casefold()}")
    if person_id is not None and person_id in known_people(request):
        yield "tried_known", account
        return
    address = ratelimit.get_ip(request)
    yield "tried_here", f"{address} {account}"
    yield "tried_address", address
    yield "tried_account", account
    yield "tried_everywhere", "all"


def known_people(request: HttpRequest) -> list[int]:
    """The ids of people who signed in with this browser before, as it says under our signature."""
    try:
        signed = request.get_signed_cookie(cookie_name(), default="", salt=SALT, max_age=KNOWN_FOR_S)
    except signing.BadSignature:
        return []
    return [int(part) for part in (signed or "").split(".") if part.isdigit()]


def remember_browser(request: HttpRequest, response: HttpResponse, person_id: int) -> None:
    """Let this browser be known to that person's account: five people at most share one."""
    people = [*[one for one in known_people(request) if one != person_id][-4:], person_id]
    response.set_signed_cookie(
        cookie_name(),
        ".".join(map(str, people)),
        salt=SALT,
        max_age=KNOWN_FOR_S,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def cookie_name() -> str:
    """`__Host-` where cookies travel over TLS."""
    return f"__Host-{KNOWN_COOKIE}" if settings.SESSION_COOKIE_SECURE else KNOWN_COOKIE
