"""Leftovers: ends the children of a launcher that was itself killed before it could (kill -9, out of memory).

Runs on its own, outside the package (`python -I -S leftovers.py`), so that it costs next to nothing: it reads
"+<process group>" and "-<process group>" lines, and acts once the launcher's end of the pipe is gone.
"""

import os
import signal
import sys
import time
from contextlib import suppress

GRACE_SECONDS = 5.0


def is_there(group: int) -> bool:
    """Whether a process of that group still exists."""
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def end_groups(groups: set[int]) -> None:
    """Ask every process of the groups to end, then make them."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for group in groups:
            with suppress(ProcessLookupError):
                os.killpg(group, number)
        deadline = time.monotonic() + GRACE_SECONDS
        while any(map(is_there, groups)) and time.monotonic() < deadline:
            time.sleep(0.05)


if __name__ == "__main__":
    running: set[int] = set()
    for line in sys.stdin:
        number = int(line)
        running = running | {number} if number > 0 else running - {-number}
    end_groups(running)
