"""Faults: each kind breaks one part of the portal and mends it again, and says which calls it may have cost.

A process that is killed is frozen first, so that its connections at that very moment are known: a fault answers for the
calls that were in flight on them, and for no other.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import redis

from mesassist.tests.nemesis.stage import MODEL_WORKERS, Stage

GRACE_S = 45.0
SKEW_S = 600.0


@dataclass
class Fault:
    """What was broken, from when to when (seconds of the clock). `ports`: whose calls it may cost; None: anybody's."""

    kind: str
    target: str
    at: float
    until: float = 0.0
    ports: set[int] | None = field(default_factory=set)


class Nemesis:
    """Strikes; one fault per part at a time. `lease_s` is how long the portal waits for a worker that is silent."""

    def __init__(self, stage: Stage, *, lease_s: float) -> None:
        self.stage, self.lease_s = stage, lease_s
        self.done: list[Fault] = []
        self.errors: list[str] = []
        self._busy: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def strike(self, kind: str, target: str, dice: random.Random) -> None:
        """Break the target in that way, and mend it; what fails in the harness itself is kept as an error."""
        with self._lock_of(target):
            try:
                KINDS[kind].play(self, target, dice)
            except Exception as error:
                self.errors.append(f"{kind} of {target}: {type(error).__name__}: {error}")

    def is_free(self, target: str) -> bool:
        """Whether nothing is broken there now."""
        return not self._lock_of(target).locked()

    @contextmanager
    def fault(self, kind: str, target: str, *, everybodys: bool = False) -> Iterator[Fault]:
        """Note when the fault began and when it was mended."""
        fault = Fault(kind, target, time.time(), ports=None if everybodys else set())
        try:
            yield fault
        finally:
            fault.until = time.time()
            self.done.append(fault)

    def freeze(self, name: str) -> set[int]:
        """Stop the process where it stands; gives the ports of its calls."""
        os.kill(self.stage.pid(name), signal.SIGSTOP)
        return self.stage.ports_of(name)

    def _lock_of(self, target: str) -> threading.Lock:
        with self._guard:
            return self._busy.setdefault(target, threading.Lock())


# --- workers --------------------------------------------------------------------------------------------


def kill(nemesis: Nemesis, name: str, dice: random.Random) -> None:
    """kill -9 of a whole process, which is back after a moment."""
    kind = "worker killed" if name in MODEL_WORKERS else f"{name} killed"
    with nemesis.fault(kind, name) as fault:
        fault.ports = nemesis.freeze(name)
        fault.at = time.time()
        nemesis.stage.end(name, signal.SIGKILL)
        time.sleep(dice.uniform(5, 12) if name == "beat" else dice.uniform(0, 2))
        nemesis.stage.start(name)


def kill_child(nemesis: Nemesis, name: str, dice: random.Random) -> None:
    """kill -9 of one child of the prefork worker: out of memory, as a rule."""
    with nemesis.fault("child killed", name):
        children = nemesis.stage.children_of(name)
        if children:
            with suppress(ProcessLookupError):
                os.kill(dice.choice(children), signal.SIGKILL)


def deploy(nemesis: Nemesis, name: str, dice: random.Random) -> None:
    """SIGTERM, and the same process anew when it has left."""
    with nemesis.fault("worker deployed" if name in MODEL_WORKERS else "compute deployed", name) as fault:
        fault.ports = nemesis.stage.ports_of(name)
        nemesis.stage.end(name, signal.SIGTERM, within_s=GRACE_S)
        nemesis.stage.start(name)


def freeze(nemesis: Nemesis, name: str, dice: random.Random) -> None:
    """SIGSTOP until its leases are long gone to others, then SIGCONT: it wakes up and believes that it owns them."""
    with nemesis.fault("worker frozen", name) as fault:
        fault.ports = nemesis.freeze(name)
        time.sleep(nemesis.lease_s + dice.uniform(7, 15))
        os.kill(nemesis.stage.pid(name), signal.SIGCONT)
        # A call that was about to be made goes out now.
        for _ in range(10):
            fault.ports |= nemesis.stage.ports_of(name)
            time.sleep(0.1)


def skew(nemesis: Nemesis, name: str, dice: random.Random) -> None:
    """The worker works for a while with a clock that is ten minutes off."""
    shift_s = dice.choice((-SKEW_S, SKEW_S))
    with nemesis.fault("clock skewed", name) as fault:
        for shift in (shift_s, 0.0):
            fault.ports |= nemesis.stage.ports_of(name)
            nemesis.stage.end(name, signal.SIGTERM, within_s=GRACE_S)
            nemesis.stage.start(name, shift_s=shift)
            time.sleep(dice.uniform(15, 25) if shift else 0)


# --- what they lean on ----------------------------------------------------------------------------------


def wipe(nemesis: Nemesis, name: str, dice: random.Random) -> None:
    """FLUSHALL."""
    with nemesis.fault("redis wiped", name), redis.Redis.from_url(nemesis.stage.valkey.url()) as client:
        client.flushall()


def restart_redis(nemesis: Nemesis, name: str, dice: random.Random) -> None:
    """kill -9; back after some seconds, and empty: it keeps no journal."""
    with nemesis.fault("redis restarted", name):
        os.kill(nemesis.stage.valkey.state["pid"], signal.SIGKILL)
        time.sleep(dice.uniform(0.5, 6))
        nemesis.stage.valkey.ensure_running()


def restart_postgres(nemesis: Nemesis, name: str, dice: random.Random) -> None:
    """Immediate stop, as when the power fails; it comes back through crash recovery."""
    postgres = nemesis.stage.postgres
    with nemesis.fault("postgres restarted", name, everybodys=True):
        os.kill(postgres.state["pid"], signal.SIGQUIT)
        time.sleep(dice.uniform(0.5, 4))
        postgres.ensure_running()


def crowd_beats(nemesis: Nemesis, name: str, dice: random.Random) -> None:
    """Two more beats beside the one."""
    extra = ("beat-2", "beat-3")
    with nemesis.fault("three beats", name):
        for beat in extra:
            nemesis.stage.start(beat)
        time.sleep(dice.uniform(10, 15))
        for beat in extra:
            nemesis.stage.end(beat, signal.SIGTERM)


def cut_endpoint(nemesis: Nemesis, name: str, dice: random.Random) -> None:
    """The endpoint is gone in mid-answer and comes back."""
    with nemesis.fault("endpoint cut", name, everybodys=True):
        nemesis.stage.end(name, signal.SIGKILL)
        time.sleep(dice.uniform(0, 2))
        nemesis.stage.start(name)


@dataclass(frozen=True)
class Kind:
    """How to play it, on which targets, and how often compared with the others."""

    play: Callable[[Nemesis, str, random.Random], None]
    targets: tuple[str, ...]
    weight: int


KINDS: dict[str, Kind] = {
    "worker killed": Kind(kill, MODEL_WORKERS, 5),
    "compute killed": Kind(kill, ("compute",), 1),
    "child killed": Kind(kill_child, ("compute",), 3),
    "worker deployed": Kind(deploy, MODEL_WORKERS, 3),
    "compute deployed": Kind(deploy, ("compute",), 1),
    "worker frozen": Kind(freeze, MODEL_WORKERS, 2),
    "clock skewed": Kind(skew, MODEL_WORKERS, 1),
    "redis wiped": Kind(wipe, ("redis",), 3),
    "redis restarted": Kind(restart_redis, ("redis",), 2),
    "postgres restarted": Kind(restart_postgres, ("postgres",), 2),
    "beat killed": Kind(kill, ("beat",), 2),
    "three beats": Kind(crowd_beats, ("beat-more",), 1),
    "endpoint cut": Kind(cut_endpoint, ("analyst",), 2),
    "web killed": Kind(kill, ("web",), 2),
}


def draw_schedule(*, dice: random.Random, faults: int) -> list[tuple[str, str]]:
    """So many faults by their weights, each kind at least once where there is room, in a random order."""
    names = list(KINDS)
    drawn = dice.sample(names, k=min(faults, len(names)))
    drawn += dice.choices(names, weights=[KINDS[name].weight for name in names], k=faults - len(drawn))
    dice.shuffle(drawn)
    return [(name, dice.choice(KINDS[name].targets)) for name in drawn]
