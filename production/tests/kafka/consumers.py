"""Consumers: `consume_events` as it is deployed, in processes of its own that tests may kill."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from django.db import connection

ROOT = Path(__file__).resolve().parents[3]
# Short, so that the partitions of a killed consumer are soon another's.
SESSION_S = 2.0
END_SECONDS = 60


def database_url(port=None):
    """The test's own database as the app role, or the same through another port."""
    known = connection.settings_dict
    address = f"{known['HOST']}:{port or known['PORT']}/{known['NAME']}"
    return f"postgresql://{known['USER']}:{quote(known['PASSWORD'])}@{address}"


class ConsumerProcess:
    """One `consume_events`. With an `instance` it is a known member of its groups: back within the session, it goes on
    with its partitions and nobody else has to move."""

    def __init__(self, *arguments, instance="", database_port=None, **environment):
        self.log_file = Path(os.environ.get("CONSUMER_LOG", os.devnull)).open("ab")  # noqa: SIM115 - closed in `reap`
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "consume_events", *arguments],
            cwd=ROOT,
            env=os.environ
            | {"DATABASE_URL": database_url(database_port), "KAFKA_SESSION_S": str(SESSION_S)}
            | ({"KAFKA_INSTANCE": instance} if instance else {})
            | environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log_file,
            stderr=self.log_file,
        )

    @property
    def is_alive(self):
        return self.process.poll() is None

    def kill(self):
        """As the power fails: nothing is flushed, nobody is told."""
        self.process.kill()
        self.reap()

    def leave(self):
        """As a deployment does: told to stop, it ends by itself. Gives the seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.reap()
        return time.monotonic() - began

    def reap(self):
        """Wait for its end; gives the exit code."""
        try:
            return self.process.wait(timeout=END_SECONDS)
        finally:
            self.log_file.close()

    def close(self):
        if self.is_alive:
            self.process.kill()
        with suppress(subprocess.TimeoutExpired):
            self.reap()


@contextmanager
def consuming(*arguments, **settings):
    """A consumer for the length of the block; it is killed at the end if it is still there."""
    consumer = ConsumerProcess(*arguments, **settings)
    try:
        yield consumer
    finally:
        consumer.close()


def read_to_the_end(**settings):
    """Let a consumer read every topic to its end and leave; gives its exit code."""
    with consuming("--once-empty", **settings) as consumer:
        return consumer.reap()


def wait_until(holds, *, within_s=60, what="it"):
    """Poll `holds()` until it is true; raises AssertionError with what was seen last."""
    deadline = time.monotonic() + within_s
    while not (seen := holds()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {within_s} s (last seen: {seen!r})")
        time.sleep(0.05)
    return seen
