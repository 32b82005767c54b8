"""Cache: counters of attempts and signs of life, in Redis; while Redis is away, in this process."""

import time
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, NoReturn

import structlog
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)
AWAY_S = 5.0
HERE = "while-redis-is-away"

_away_until = 0.0


def redis_is_away() -> bool:
    """Whether Redis failed within the last seconds: then each process counts for itself, and limits are stricter."""
    return time.monotonic() < _away_until


@cache
def _client(server: str, options: tuple[tuple[str, Any], ...]) -> RedisCacheClient:
    # Django makes a cache object per request under ASGI: without this, each would open its own connection.
    return RedisCacheClient([server], **dict(options))


def _steadily(name: str) -> Callable[..., Any]:
    there, here = getattr(RedisCache, name), getattr(LocMemCache, name)

    def call(self: "SteadyCache", *args: Any, **kwargs: Any) -> Any:
        global _away_until
        if not redis_is_away():
            try:
                return there(self, *args, **kwargs)
            except RedisError as error:
                _away_until = time.monotonic() + AWAY_S
                log.warning("cache_in_process", error=type(error).__name__)
        return here(self.here, *args, **kwargs)

    return call


class SteadyCache(RedisCache):
    """Django's Redis cache that goes on in memory when Redis does not answer, instead of failing the request."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._process_wide = (server, tuple(params.get("OPTIONS", {}).items()))
        self.here = LocMemCache(HERE, {"KEY_PREFIX": params.get("KEY_PREFIX", "")})

    @cached_property
    def _cache(self) -> RedisCacheClient:
        return _client(*self._process_wide)

    add = _steadily("add")
    get = _steadily("get")
    set = _steadily("set")
    touch = _steadily("touch")
    delete = _steadily("delete")
    incr = _steadily("incr")
    has_key = _steadily("has_key")
    get_many = _steadily("get_many")
    set_many = _steadily("set_many")
    delete_many = _steadily("delete_many")

    def clear(self) -> NoReturn:
        """Refused: Django's way is to empty the whole Redis database, in which the workers' tasks wait too."""
        raise NotImplementedError("The cache shares its Redis with the tasks: delete keys by name.")
