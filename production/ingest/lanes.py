"""Lanes: one assigned partition each, with the records that wait to be taken, and how long to wait for what."""

import time
from dataclasses import dataclass, field

from confluent_kafka import Message

from production.ingest.batches import Done
from production.ingest.progress import Window
from production.models import PartitionState

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
# How much the newest second counts in the rate.
RATE_WEIGHT = 0.3
SAMPLES = 50


@dataclass
class BackOff:
    """Waits of the monotonic clock that double from half a second to half a minute."""

    seconds: float = 0.0
    until: float = 0.0

    def longer(self) -> float:
        """Wait from now on, twice as long as before; gives the seconds."""
        self.seconds = min(max(self.seconds * 2, FIRST_WAIT_S), LONGEST_WAIT_S)
        self.until = time.monotonic() + self.seconds
        return self.seconds

    def reset(self) -> None:
        """What was waited for is there."""
        self.seconds = self.until = 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether something was in the way at the last try."""
        return self.seconds > 0

    @property
    def is_over(self) -> bool:
        """Whether it is time to try."""
        return time.monotonic() >= self.until


@dataclass
class Lane:
    """One partition while it is ours."""

    partition: int
    pending: list[Message] = field(default_factory=list)
    following: int | None = None
    window: Window = field(default_factory=Window)
    wait: BackOff = field(default_factory=BackOff)
    state: PartitionState = PartitionState.READING
    detail: str = ""
    suspects: tuple[int, int] | None = None
    is_known: bool = False
    at_end: bool = False
    record_bytes: float = 1000.0
    rate: float = 0.0
    counted: int = 0
    told_at: float = 0.0
    told: tuple[object, ...] = ()

    def take(self, done: Done) -> None:
        """The first records of those that wait were taken."""
        taken = self.pending[: done.taken]
        sample = taken[:: max(1, len(taken) // SAMPLES)]
        self.record_bytes = sum(len(record) for record in sample) / len(sample)
        del self.pending[: done.taken]
        self.following = done.tally.following
        self.counted += done.taken
        self.window.note(done.taken, done.bad)
        if self.suspects and self.following > self.suspects[1]:
            self.suspects = None

    def hold(self, state: PartitionState, detail: str) -> None:
        """Something is waited for."""
        self.state, self.detail = state, detail

    def release(self) -> None:
        """What was waited for is there."""
        self.state, self.detail = PartitionState.READING, ""
        self.wait.reset()

    def describe_bad(self) -> str:
        """Why it is not read on, and what to do, for people."""
        return (
            f"{sum(self.window.lately)} of the last {len(self.window.lately):,} records went to quarantine. "
            "Look there for the cause, mend it, then resume the partition in the administration."
        )

    def stop(self, detail: str) -> None:
        """Read nothing more until a person says so; what was fetched is fetched again then."""
        self.state, self.detail = PartitionState.STOPPED, detail
        self.pending.clear()

    def count_rate(self, seconds: float) -> None:
        """Records per second, smoothed; called about once a second."""
        if seconds > 0:
            self.rate += RATE_WEIGHT * (self.counted / seconds - self.rate)
        self.rate = 0.0 if self.rate < 0.01 else self.rate
        self.counted = 0
