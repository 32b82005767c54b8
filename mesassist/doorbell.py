"""Doorbell: whether the broker may be used as one; a Redis that throws away messages when it is full may not."""

import sys

import redis

REFUSED = "allkeys-"


def stop_if_it_forgets(url: str) -> None:
    """End the start of a worker whose Redis is set to evict any key. One that does not answer yet is waited for."""
    try:
        with redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3) as client:
            policy = str(client.info("memory").get("maxmemory_policy", ""))
    except redis.RedisError:
        return
    if policy.startswith(REFUSED):
        sys.stderr.write(
            f"Redis is set to maxmemory-policy {policy}: when it is full it would drop messages of this portal. "
            "Set it to noeviction, and give the portal a database of its own.\n"
        )
        raise SystemExit(78)
