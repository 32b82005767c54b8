"""Watchdog: a worker that hangs, hears nothing or grows without end leaves, and whoever launched it starts a new one.

Leaving is safe at any moment: each analysis has a lease and each other task is repeated. Threads can be neither
interrupted nor timed from outside (Celery's own limits do nothing in that pool), so a process is the least that can go.
"""

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from celery import current_app, shared_task
from celery.signals import task_postrun, task_prerun, task_received, worker_ready, worker_shutdown
from celery.utils.nodenames import worker_direct
from celery.worker import state
from django.conf import settings

log = structlog.get_logger(__name__)
# What the launcher (`mesassist.crew`) and other supervisors understand as: start me again.
AGAIN = 70
LOOK_EVERY_S = 5.0
GRACE_S = 30.0
# So many messages to itself may go unheard, in so many times their distance.
CANARIES = 3
STATM = Path("/proc/self/statm")


@dataclass
class Watchdog:
    """What is known of this worker. Times are of the monotonic clock; `limits` are seconds by the task's name."""

    limits: Mapping[str, float]
    canary_s: float
    memory_bytes: int
    is_full: Callable[[], bool] = lambda: False
    running: dict[str, tuple[str, float]] = field(default_factory=dict)
    heard_at: float = field(default_factory=time.monotonic)
    sung_at: float = 0.0
    sung: int = 0
    leaving: bool = False

    def begin(self, task_id: str, name: str) -> None:
        """A task begins."""
        if name in self.limits:
            self.running[task_id] = (name, time.monotonic())

    def end(self, task_id: str) -> None:
        """A task has ended."""
        self.running.pop(task_id, None)

    def hear(self) -> None:
        """A message arrived, whichever it was."""
        self.heard_at, self.sung = time.monotonic(), 0

    def find_hung(self) -> str:
        """The task that runs far beyond its limit, or ""."""
        now = time.monotonic()
        over = [name for name, began in list(self.running.values()) if now - began > self.limits[name]]
        return over[0] if over else ""

    def is_deaf(self) -> bool:
        """Whether several messages to itself were sent and none arrived, though there was room to take one."""
        if self.is_full():
            self.hear()
        return self.sung >= CANARIES and time.monotonic() - self.heard_at > CANARIES * self.canary_s

    def sing(self, send: Callable[[], None]) -> None:
        """Send a message to this worker when it is time; a broker that is away proves nothing about the worker."""
        if not self.canary_s or time.monotonic() - self.sung_at < self.canary_s:
            return
        self.sung_at = time.monotonic()
        try:
            send()
            self.sung += 1
        except Exception as error:
            # Whatever the broker's client raises.
            log.warning("canary_not_sent", error=type(error).__name__)
            self.hear()


def read_memory() -> int:
    """The bytes that this process has in memory."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def look(dog: Watchdog, *, send: Callable[[], None], leave: Callable[[int], Any] = os._exit) -> None:
    """Look once at everything; leave where the worker is no good any more."""
    if hung := dog.find_hung():
        log.error("worker_hung", task=hung)
        leave(AGAIN)
    if dog.is_deaf():
        log.error("worker_deaf", seconds=round(time.monotonic() - dog.heard_at))
        leave(AGAIN)
    if not dog.leaving and read_memory() > dog.memory_bytes:
        log.error("worker_too_large", megabytes=read_memory() >> 20)
        dog.leaving = True
        # In order: what is under way is handed back first.
        os.kill(os.getpid(), signal.SIGTERM)
    dog.sing(send)


# --- in a worker ------------------------------------------------------------------------------------

_dog: Watchdog | None = None


@shared_task(name="mesassist.watchdog.canary")
def canary() -> None:
    """A message of a worker to itself: that it arrives is all there is to it."""


@worker_ready.connect
def guard(sender: Any = None, **_kwargs: Any) -> None:
    """Begin to watch this worker."""
    global _dog
    slots = sender.controller.concurrency
    dog = _dog = Watchdog(
        limits={"analyses.tasks.run_analysis": settings.MODEL_DEADLINE_S + GRACE_S},
        canary_s=settings.CANARY_S,
        memory_bytes=settings.WORKER_MEMORY_MB << 20,
        is_full=lambda: len(state.reserved_requests) >= slots,
    )
    own_queue = worker_direct(sender.hostname)

    def send() -> None:
        current_app.send_task(canary.name, queue=own_queue, expires=60, retry=False)

    def watch() -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            look(dog, send=send)

    threading.Thread(target=watch, name="watchdog", daemon=True).start()


@task_received.connect
def note_message(**_kwargs: Any) -> None:
    """Something arrived."""
    if _dog:
        _dog.hear()


@task_prerun.connect
def note_begin(task_id: str = "", task: Any = None, **_kwargs: Any) -> None:
    """A task begins in this process."""
    if _dog:
        _dog.begin(task_id, task.name)


@task_postrun.connect
def note_end(task_id: str = "", **_kwargs: Any) -> None:
    """It has ended, well or badly."""
    if _dog:
        _dog.end(task_id)


@worker_shutdown.connect
def leave_for_good(**_kwargs: Any) -> None:
    """What was too large asks to be started again."""
    if _dog and _dog.leaving:
        os._exit(AGAIN)
