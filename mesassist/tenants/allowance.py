"""Allowance: how many requests a minute a key and its tenant may send, counted in Redis over a window that slides.

What the last minute used counts for as much of it as still lies within the last 60 seconds. While Redis is away
everything is let through: a limit that stops production would do more harm than the flood.
"""

import math
import time
from dataclasses import dataclass
from functools import lru_cache

import redis
import structlog
from django.conf import settings
from django.core.cache import cache

log = structlog.get_logger(__name__)
WINDOW_S = 60
AWAY_S = 5.0

_away_until = 0.0


@dataclass(frozen=True)
class Allowance:
    """What is left to whoever has the least left: requests per minute, and seconds until more is to be had."""

    limit: int
    remaining: int
    reset_s: int

    @property
    def spent(self) -> bool:
        """Whether this request was one too many."""
        return self.remaining < 0

    def headers(self) -> dict[str, str]:
        """RateLimit-Limit, -Remaining and -Reset."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, self.remaining)),
            "RateLimit-Reset": str(self.reset_s),
        }


def take_allowance(*, who: str, tenant_id: int, now: float) -> Allowance | None:
    """Use one request of `who` and of the tenant; None where nothing is limited or Redis is away. `now` in seconds."""
    global _away_until
    limits = {f"{who}": settings.KEY_REQUESTS_PER_MINUTE, f"tenant-{tenant_id}": settings.TENANT_REQUESTS_PER_MINUTE}
    limits = {name: limit for name, limit in limits.items() if limit}
    if not limits or time.monotonic() < _away_until:
        return None
    try:
        return _take(limits, now)
    except redis.RedisError as error:
        _away_until = time.monotonic() + AWAY_S
        log.warning("limits_not_counted", error=type(error).__name__)
        return None


def _take(limits: dict[str, int], now: float) -> Allowance:
    minute, passed = divmod(now, WINDOW_S)
    names = [(_name(who, int(minute)), _name(who, int(minute) - 1)) for who in limits]
    with _client(settings.REDIS_URL).pipeline(transaction=False) as pipe:
        for present, before in names:
            pipe.incr(present)
            pipe.expire(present, 2 * WINDOW_S)
            pipe.get(before)
        said = pipe.execute()
        left: list[Allowance] = []
        for at, limit in enumerate(limits.values()):
            used, earlier = int(said[3 * at]), int(said[3 * at + 2] or 0)
            within = used + earlier * (1 - passed / WINDOW_S)
            left.append(Allowance(limit, math.floor(limit - within), max(1, math.ceil(WINDOW_S - passed))))
        least = min(left, key=lambda one: one.remaining)
        if least.spent:
            # What was refused does not count: whoever sends too fast still gets his limit through.
            for present, _ in names:
                pipe.decr(present)
            pipe.execute()
    return least


def _name(who: str, minute: int) -> str:
    return f"{cache.key_prefix}:requests:{who}:{minute}"


@lru_cache(maxsize=4)
def _client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)
