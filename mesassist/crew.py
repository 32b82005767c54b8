"""Crew: the child processes of one launch; whatever happens to the launcher, none is left behind.

Plain processes rather than honcho's manager: that one takes the main thread and the signal handlers for itself, knows
no SIGHUP, fails on a Ctrl-C that comes before its children have reported in, gives them five seconds at most, and
leaves them running when it is killed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

from mesassist.servers.locks import wait_until

PROJECT = Path(__file__).resolve().parent.parent
GRACE_SECONDS = 10.0
LOG_BYTES = 5_000_000
LOG_LINES = 15
# A child that ends with this code asks to be started again (`mesassist.watchdog`); not without end.
AGAIN = 70
RESTARTS, RESTARTS_IN_S = 5, 300.0


class Stopped(Exception):
    """The launcher was asked to stop (Ctrl-C, SIGTERM, a closed terminal)."""


class CrewError(RuntimeError):
    """A child failed; the message says which, how, and what it said last."""


@dataclass(frozen=True)
class Finished:
    """How a step ended: exit code, standard output, and the last line it wrote to standard error."""

    code: int
    output: str
    complaint: str


class StopRequest:
    """Notes the first signal and every later one, and raises nothing by itself: a second Ctrl-C breaks no clean-up."""

    def __init__(self) -> None:
        self.came = False

    def install(self) -> None:
        """Take SIGINT, SIGTERM and SIGHUP over, the last unless it is ignored (nohup)."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.note)

    def note(self, _number: int, _frame: FrameType | None) -> None:
        """The signal handler."""
        self.came = True

    def check(self) -> None:
        """Raise Stopped at a point where it is safe to."""
        if self.came:
            raise Stopped


class Crew:
    """Children that serve until stopped (`start`) and steps that run to their end (`run`), each with its log."""

    def __init__(
        self, *, environ: Mapping[str, str], logs: Path, stop: StopRequest, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        self.environ, self.logs, self.stop_request, self.grace_seconds = dict(environ), logs, stop, grace_seconds
        self.children: dict[str, subprocess.Popen] = {}
        self.commands: dict[str, Sequence[str]] = {}
        self.restarts: list[float] = []
        self.step: subprocess.Popen | None = None

    def __enter__(self) -> Self:
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        leftovers = Path(__file__).with_name("leftovers.py")
        self.guard = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-I", "-S", str(leftovers)], stdin=subprocess.PIPE, start_new_session=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a child that serves; its output goes to its log."""
        self.commands[name] = command
        with self.open_log(name) as log:
            self.children[name] = self._spawn(command, {}, log, log)

    def run(self, name: str, command: Sequence[str], *, seconds: float, **variables: str) -> Finished:
        """Run a step to its end. Raises Stopped, or CrewError when time is up or a child has ended."""
        with self.open_log(name) as log:
            began = log.tell()
            self.step = self._spawn(command, variables, subprocess.PIPE, log)
            deadline = time.monotonic() + seconds
            while True:
                with suppress(subprocess.TimeoutExpired):
                    output = self.step.communicate(timeout=0.1)[0]
                    break
                self.check()
                if time.monotonic() > deadline:
                    raise CrewError(f"{name} did not finish within {seconds:.0f} s. Its log is {self.log(name)}.")
            complaints = self.log(name).read_bytes()[began:].decode(errors="replace").split("\n")
            log.write(output)
        self._tell_guard(f"-{self.step.pid}")
        complaint = next((line.strip() for line in reversed(complaints) if line.strip()), "")
        return Finished(self.step.returncode, output.decode(errors="replace"), complaint)

    def check(self) -> None:
        """Raise Stopped if that was asked for, CrewError if a child has ended."""
        self.stop_request.check()
        for name, process in list(self.children.items()):
            if (code := process.poll()) is None:
                continue
            if code != AGAIN or not self._may_restart():
                raise CrewError(f"{name} ended by itself, exit code {code}. {self.last_words(name)}")
            self._restart(name, process)

    def _may_restart(self) -> bool:
        now = time.monotonic()
        self.restarts = [at for at in self.restarts if now - at < RESTARTS_IN_S] + [now]
        return len(self.restarts) <= RESTARTS

    def _restart(self, name: str, process: subprocess.Popen) -> None:
        # Children of its own may have stayed.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        self._tell_guard(f"-{process.pid}")
        self.start(name, self.commands[name])

    def stop(self) -> None:
        """Stop every child and wait for it: politely first, then with its whole process group."""
        processes = [*self.children.values(), *([self.step] if self.step else [])]
        for process in processes:
            # The leader only: a prefork worker ends its own children in order.
            process.terminate()
        wait_until(lambda: all(process.poll() is not None for process in processes), seconds=self.grace_seconds)
        for process in processes:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()
        self.guard.kill()
        with suppress(BrokenPipeError), self.guard:
            """Its pipe is closed and its end awaited."""

    def log(self, name: str) -> Path:
        """Where a child's output goes."""
        return self.logs / f"{name}.log"

    def open_log(self, name: str) -> IO[bytes]:
        """The log, opened for more; a long one is put aside first."""
        log = self.log(name)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        return log.open("ab")

    def last_words(self, name: str) -> str:
        """The last lines of a child's log, for an error message."""
        lines = self.log(name).read_text(errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join([f"The end of {self.log(name)}:", *(f"  {line}" for line in lines)])

    def _spawn(
        self, command: Sequence[str], variables: Mapping[str, str], stdout: IO[bytes] | int, stderr: IO[bytes]
    ) -> subprocess.Popen:
        # A session of its own: Ctrl-C reaches the launcher alone, which then stops all in order.
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=PROJECT,
            env={**self.environ, **variables, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        self._tell_guard(f"+{process.pid}")
        return process

    def _tell_guard(self, line: str) -> None:
        if self.guard.stdin:
            with suppress(BrokenPipeError):
                self.guard.stdin.write(f"{line}\n".encode())
                self.guard.stdin.flush()
