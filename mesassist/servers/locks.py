"""Locks: who lives, kept true by the kernel whatever dies how."""

import fcntl
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO


def try_lock(file: IO, kind: int) -> bool:
    """Take a lock of the open file without waiting (`fcntl.LOCK_EX` or `LOCK_SH`); False if another holds it."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(path: Path) -> bool:
    """Whether any living process holds a lock of that file."""
    with path.open("a") as file:
        return not try_lock(file, fcntl.LOCK_EX)


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Ask again and again until it holds; False if it does not within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
