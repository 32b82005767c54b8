"""Embedded: real PostgreSQL and Valkey from wheels for one home folder, where no server is configured.

Every process that needs the servers is a *holder*: the first one starts them, later ones attach, the last one stops
them. Three files in the home folder say who lives, and the kernel keeps them true whatever dies how: `lock` (one
process at a time starts or stops), `holders` (each holder keeps a shared lock) and `<server>.alive` (a lock that the
server itself inherits). So there are no stale process ids to guess about. `servers/` knows the two servers.
"""

import atexit
import fcntl
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mesassist.servers.locks import is_held, try_lock, wait_until
from mesassist.servers.postgres import APP_ROLE, OWNER_ROLE, Postgres
from mesassist.servers.server import EmbeddedError, Server
from mesassist.servers.valkey import Valkey

__all__ = [
    "EmbeddedError",
    "Services",
    "Terminated",
    "environment",
    "home_folder",
    "is_needed",
    "make_home",
    "services",
    "temporary_services",
]

PROJECT = Path(__file__).resolve().parent.parent
TEMPORARY_PREFIX = "mesassist-servers-"
# Longer than a slow first start and crash recovery together.
LOCK_SECONDS = 180.0


@dataclass(frozen=True)
class Services:
    """Where the database (as the app role and as the owner) and the broker answer."""

    database_url: str
    owner_database_url: str
    redis_url: str


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, unwinding the process as Ctrl-C does, so that the servers are left in order."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def is_needed(environ: Mapping[str, str]) -> bool:
    """Whether a server is missing from the environment; an empty value counts as missing."""
    return not (environ.get("DATABASE_URL") and environ.get("REDIS_URL"))


def home_folder(environ: Mapping[str, str]) -> Path:
    """Where data, logs and secrets of this installation live: `MESASSIST_HOME`, else `.mesassist` in the project."""
    return Path(environ.get("MESASSIST_HOME") or PROJECT / ".mesassist").expanduser().absolute()


def environment(found: Services) -> dict[str, str]:
    """The variables a child process needs to use these services."""
    return {
        "DATABASE_URL": found.database_url,
        "OWNER_DATABASE_URL": found.owner_database_url,
        "REDIS_URL": found.redis_url,
    }


@contextmanager
def services(environ: Mapping[str, str]) -> Iterator[Services]:
    """What `DATABASE_URL` and `REDIS_URL` name, and embedded servers for whichever of them is unset.

    Raises EmbeddedError with one line for the person if a server cannot be started or reached.
    """
    database_url, redis_url = environ.get("DATABASE_URL", ""), environ.get("REDIS_URL", "")
    owner_url = environ.get("OWNER_DATABASE_URL") or database_url
    if not is_needed(environ):
        yield Services(database_url, owner_url, redis_url)
        return
    home = home_folder(environ)
    postgres, valkey = Postgres(home), Valkey(home)
    wanted = [server for server, url in ((postgres, database_url), (valkey, redis_url)) if not url]
    with _turning_signals_into_exceptions(), _holding(home, wanted):
        if not database_url:
            database_url, owner_url = postgres.url(APP_ROLE), postgres.url(OWNER_ROLE)
        yield Services(database_url, owner_url, redis_url or valkey.url())


@contextmanager
def temporary_services(*, durable: bool = False) -> Iterator[Services]:
    """Servers of one's own with an empty database, gone afterwards: fast for tests, durable for measurements."""
    _remove_abandoned()
    home = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX))
    postgres, valkey = Postgres(home, durable=durable), Valkey(home, durable=durable)
    try:
        with _turning_signals_into_exceptions(), _holding(home, [postgres, valkey]):
            yield Services(postgres.url(APP_ROLE), postgres.url(OWNER_ROLE), valkey.url())
    finally:
        _remove(home)


class _Holder:
    """One process's claim on the servers of a home folder; leaving twice is harmless."""

    def __init__(self, home: Path) -> None:
        self.home, self.pid = home, os.getpid()
        self.file = (home / "holders").open("a")

    def enter(self, wanted: Sequence[Server]) -> None:
        with _signals_deferred(), _locked(self.home):
            try_lock(self.file, fcntl.LOCK_SH)
            try:
                for server in wanted:
                    server.ensure_running()
            except PermissionError as error:
                raise EmbeddedError(
                    f"{error.filename} belongs to another account. Run as that account, or set MESASSIST_HOME."
                ) from error

    def leave(self) -> None:
        # A forked child inherits this object but is not the holder.
        if self.file.closed or os.getpid() != self.pid:
            return
        with _signals_deferred(), _locked(self.home):
            self.file.close()
            if not is_held(self.home / "holders"):
                _stop_all(self.home)


@contextmanager
def _holding(home: Path, wanted: Sequence[Server]) -> Iterator[None]:
    make_home(home)
    holder = _Holder(home)
    # A program that ends without unwinding (a plugin that fails to load) must not leave servers behind either.
    atexit.register(holder.leave)
    try:
        holder.enter(wanted)
        yield
    finally:
        holder.leave()
        atexit.unregister(holder.leave)


def _stop_all(home: Path) -> None:
    with ExitStack() as stack:  # the one even if the other cannot be stopped
        stack.callback(Postgres(home).stop)
        stack.callback(Valkey(home).stop)


def make_home(home: Path) -> None:
    """Make the home folder, closed to others. Raises EmbeddedError if it cannot be written."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        # Under root the servers run as another account, which must pass through; what is inside is closed to it.
        home.chmod(0o711 if os.geteuid() == 0 else 0o700)
        (home / "lock").touch()
    except OSError as error:
        raise EmbeddedError(
            f"The folder {home} cannot be written ({error.strerror}). Choose another: MESASSIST_HOME."
        ) from error


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    with (home / "lock").open("a") as lock:
        if not wait_until(lambda: try_lock(lock, fcntl.LOCK_EX), seconds=LOCK_SECONDS):
            raise EmbeddedError(f"Another process is starting or stopping the servers in {home} and does not finish.")
        yield


def _remove(home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)


def _remove_abandoned() -> None:
    """End and remove the temporary servers of test runs that were killed before they could."""
    for home in Path(tempfile.gettempdir()).glob(f"{TEMPORARY_PREFIX}*"):
        # Without a state file it may be a folder that another process is making right now.
        if not (home / "postgres.json").is_file() or home.stat().st_uid != os.geteuid():
            continue
        with suppress(OSError, EmbeddedError), _locked(home):
            if not is_held(home / "holders"):
                _stop_all(home)
                _remove(home)


# --- signals: a server is never left half started or half stopped ---------------------------------

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_Handler = Callable[[int, FrameType | None], None]


@contextmanager
def _handled(numbers: list[signal.Signals], handler: _Handler) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def _signals_deferred() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    ours = [number for number in _SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    with _handled(ours, _note_in(came)):
        yield
    if came:
        signal.raise_signal(came[0])


def _note_in(came: list[int]) -> _Handler:
    return lambda number, _frame: came.append(number)


def _turning_signals_into_exceptions() -> AbstractContextManager[None]:
    """Without this SIGTERM ends Python on the spot, and nobody stops the servers."""
    if threading.current_thread() is not threading.main_thread():
        return _handled([], _raise_terminated)
    numbers = [signal.SIGTERM, signal.SIGHUP]
    return _handled([number for number in numbers if signal.getsignal(number) == signal.SIG_DFL], _raise_terminated)


def _raise_terminated(number: int, _frame: FrameType | None) -> None:
    raise Terminated(number)
