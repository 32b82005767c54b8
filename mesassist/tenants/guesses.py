"""Guesses: how many wrong API keys an address may show. A right one is let in all the same: many share an address."""

import structlog
from django.core.cache import cache
from django.http import HttpRequest

from mesassist.tenants.problems import Problem

log = structlog.get_logger(__name__)
MOST = 30
WITHIN_S = 300


def client_address(request: HttpRequest, *, proxies: int) -> str:
    """Where a request comes from: the connection's other end, or what the outermost of our `proxies` saw."""
    seen = [one.strip() for one in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if one.strip()]
    if proxies and len(seen) >= proxies:
        return str(seen[-proxies])
    return str(request.META.get("REMOTE_ADDR") or "")


def count_guess(address: str) -> None:
    """Count a wrong key; raises 429 once there were too many from there."""
    name = f"wrong-keys:{address}"
    cache.add(name, 0, WITHIN_S)
    try:
        guesses = cache.incr(name)
    except ValueError:  # it ran out between the two
        return
    if guesses > MOST:
        log.warning("keys_guessed", address=address, guesses=guesses)
        text = "Too many wrong keys came from this address. Check the key, then try again in a few minutes."
        raise Problem(429, "too_many_wrong_keys", text, wait=WITHIN_S)
