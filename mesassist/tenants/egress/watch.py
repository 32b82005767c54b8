"""Watch: what one exchange may still use of time and bytes, looked at where every byte passes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

TICK_S = 0.25


class WireCut(Exception):
    """We ended an exchange ourselves: one of the limits below, or `Blocked`."""


class DeadlinePassed(WireCut):
    """The whole exchange took longer than it may; carries the seconds it had."""


class WentQuiet(WireCut):
    """Nothing arrived for too long."""


class TooManyBytes(WireCut):
    """More arrived than an answer may have."""


class PackedAnswer(WireCut):
    """The answer came compressed though we asked for it plain: its size could not be bounded."""


def wait_idly() -> None:
    """What is done while nothing arrives, when nobody has a better idea."""


@dataclass
class Watch:
    """What one exchange may still use. Times are of the monotonic clock."""

    deadline: float
    deadline_s: float
    idle_s: float
    bytes_left: int
    on_wait: Callable[[], None] = wait_idly
    heard_at: float = 0.0

    def look(self) -> float:
        """Do what is due meanwhile; return the seconds that one socket operation may take, or raise `WireCut`."""
        self.on_wait()
        now = time.monotonic()
        if now >= self.deadline:
            raise DeadlinePassed(self.deadline_s)
        if now - self.heard_at >= self.idle_s:
            raise WentQuiet
        return min(TICK_S, self.deadline - now)

    def take(self, size: int) -> None:
        """Note that bytes arrived; raises `TooManyBytes`."""
        self.heard_at = time.monotonic()
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise TooManyBytes

    def give(self) -> None:
        """Note that the other side took bytes: it is alive, though it says nothing yet."""
        self.heard_at = time.monotonic()


def begin_watch(*, deadline_s: float, idle_s: float, max_bytes: int, on_wait: Callable[[], None] = wait_idly) -> Watch:
    """A watch that starts now."""
    now = time.monotonic()
    return Watch(
        deadline=now + deadline_s,
        deadline_s=deadline_s,
        idle_s=idle_s,
        bytes_left=max_bytes,
        on_wait=on_wait,
        heard_at=now,
    )
