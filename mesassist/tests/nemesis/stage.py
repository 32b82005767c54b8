"""Stage: a portal of its own, as it is deployed: two servers, an endpoint, web, workers and beat, all to be broken."""

import base64
import fcntl
import http.client
import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg

from mesassist.crew import PROJECT, Crew, StopRequest
from mesassist.embedded import TEMPORARY_PREFIX, make_home
from mesassist.servers.locks import try_lock
from mesassist.servers.ports import HOST, is_port_free
from mesassist.servers.postgres import APP_ROLE, OWNER_ROLE, SUPERUSER, Postgres
from mesassist.servers.valkey import Valkey
from mesassist.tests.nemesis.clicks import Plant

SHIFTED = Path(__file__).with_name("shifted")
# Below what the kernel gives to clients: nobody takes the port of a server that is away for a moment.
PORTS = range(20_000, 32_000)
READY_S = 120.0
MODEL_WORKERS = ("worker-1", "worker-2")


class Stage:
    """One portal in a home folder of its own. Processes go by name; each may be killed and started again."""

    def __init__(self, home: Path, crew: Crew, *, threads: int, answer_pause_s: float) -> None:
        self.home, self.crew, self.threads, self.answer_pause_s = home, crew, threads, answer_pause_s
        self.postgres, self.valkey = Postgres(home), Valkey(home, durable=False)
        self.web_port, self.analyst_port = free_port(), free_port()
        self.journal = home / "journal.jsonl"
        self.wanted: dict[str, float] = {}  # what runs, with its shift
        self.died: list[str] = []
        self.over = threading.Event()

    @property
    def analyst_url(self) -> str:
        """The endpoint's address as tenants enter it."""
        return f"http://{HOST}:{self.analyst_port}/v1"

    def variables(self) -> dict[str, str]:
        """Where the servers are, for the environment of a process."""
        return {
            "DATABASE_URL": self.postgres.url(APP_ROLE),
            "OWNER_DATABASE_URL": self.postgres.url(OWNER_ROLE),
            "REDIS_URL": self.valkey.url(),
        }

    def look(self) -> psycopg.Connection:
        """A connection that sees every row of every tenant: the checker's, never the portal's."""
        return psycopg.connect(self.postgres.url(SUPERUSER), autocommit=True, connect_timeout=5)

    # --- processes ----------------------------------------------------------------------------------

    def start(self, name: str, *, shift_s: float = 0.0) -> None:
        """Start a process by its name, its clock shifted if wanted."""
        shift = [f"PYTHONPATH={SHIFTED}", f"NEMESIS_SHIFT_S={shift_s}"] if shift_s else []
        self.crew.start(name, ["env", *shift, *self.command(name)])
        self.wanted[name] = shift_s

    def supervise(self) -> None:
        """Start again what ends by itself, as systemd and compose do it; `died` says what and how."""
        while not self.over.wait(1.0):
            for name, shift_s in list(self.wanted.items()):
                process = self.crew.children[name]
                ended = process.poll() is not None and self.crew.children[name] is process
                if ended and self.wanted.get(name) == shift_s:
                    self.died.append(f"{name} ended by itself, exit code {process.returncode}")
                    self.start(name, shift_s=shift_s)

    def command(self, name: str) -> list[str]:
        """The command lines of a launch (`mesassist.launch.build_plan`), several workers wide."""
        python = (sys.executable, "-m")
        celery = (*python, "celery", "--app", "mesassist")
        worker = (*celery, "worker", "--loglevel", "INFO", "-n", f"{name}-{self.web_port}@%h")
        if name in MODEL_WORKERS:
            pool = ("--queues", "model", "--pool", "threads", "--concurrency", str(self.threads))
            return ["DATABASE_POOL_SIZE=8", *worker, *pool]
        if name.startswith("beat"):
            return [*celery, "beat", "--loglevel", "INFO", "--schedule", str(self.home / name)]
        journal = ("--journal", str(self.journal), "--delay", str(self.answer_pause_s))
        web = ("mesassist.asgi:application", "--host", HOST, "--port", str(self.web_port), "--log-level", "warning")
        return {
            "analyst": [*python, "offline_analyst", "--port", str(self.analyst_port), *journal],
            "compute": [*worker, "--queues", "compute", "--pool", "prefork", "--concurrency", "2"],
            "web": [*python, "uvicorn", *web, "--timeout-graceful-shutdown", "3"],
        }[name]

    def start_all(self) -> None:
        """Start everything and wait until it serves."""
        for name in ("analyst", "web", *MODEL_WORKERS, "compute", "beat"):
            self.start(name)
        until = time.monotonic() + READY_S
        while not (self.says("/healthz") and self.workers_ready()):
            self.crew.check()
            if time.monotonic() > until:
                raise TimeoutError(f"The portal is not ready after {READY_S:.0f} s; logs in {self.crew.logs}")
            time.sleep(0.2)
        threading.Thread(target=self.supervise, daemon=True).start()

    def says(self, path: str) -> bool:
        """Whether the web process answers 200 there."""
        connection = http.client.HTTPConnection(HOST, self.web_port, timeout=5)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            connection.request("GET", path)
            return connection.getresponse().status == 200
        return False

    def workers_ready(self) -> bool:
        """Whether every worker has said so in its log."""
        return all(" ready." in self.crew.log(name).read_text() for name in (*MODEL_WORKERS, "compute"))

    def pid(self, name: str) -> int:
        """The process id of a process of ours."""
        return self.crew.children[name].pid

    def end(self, name: str, number: int, *, within_s: float = 30.0) -> None:
        """Send a signal and wait for the end; what does not end is killed with its children, as systemd does it."""
        self.wanted.pop(name, None)
        process = self.crew.children[name]
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=within_s)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, 9)
        process.wait(timeout=10)

    def ports_of(self, name: str) -> set[int]:
        """The local ports of a process's connections to the endpoint: which calls of the journal are its own."""
        folder = Path(f"/proc/{self.pid(name)}/fd")
        sockets = set()
        with suppress(OSError):
            for entry in folder.iterdir():
                with suppress(OSError):
                    sockets.add(os.readlink(entry))
        there = f":{self.analyst_port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ours = [row for row in rows if row[2].endswith(there) and f"socket:[{row[9]}]" in sockets]
        return {int(row[1].rpartition(":")[2], 16) for row in ours}

    def children_of(self, name: str) -> list[int]:
        """The process ids of a process's children."""
        pid = self.pid(name)
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def free_port() -> int:
    """A port that nobody listens on."""
    return next(port for port in random.SystemRandom().sample(PORTS, k=200) if is_port_free(port))


def make_variables(*, lease_s: float, threads: int) -> dict[str, str]:
    """The environment of a portal, apart from its servers."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "TOKEN_KEYS": f"n1:{key}",
        "BEHIND_TLS": "false",
        "DEBUG": "false",
        "DJANGO_SETTINGS_MODULE": "mesassist.settings",
        "ANALYSIS_LEASE_S": str(lease_s),
        "MODEL_SLOTS": str(len(MODEL_WORKERS) * threads),
    }


@contextmanager
def open_stage(
    *, lease_s: float, threads: int = 8, answer_pause_s: float = 0.1, folder: Path | None = None
) -> Iterator[Stage]:
    """A migrated portal in a new folder (in `folder`); nothing of it runs yet but the servers. All is gone afterwards,
    logs included; `NEMESIS_LOGS` names a folder where they are kept."""
    home = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=folder))
    make_home(home)
    variables = make_variables(lease_s=lease_s, threads=threads)
    with (home / "holders").open("a") as holder, Crew(environ=variables, logs=home / "run", stop=StopRequest()) as crew:
        # As long as this is held, no other test run takes the folder for an abandoned one.
        try_lock(holder, fcntl.LOCK_SH)
        stage = Stage(home, crew, threads=threads, answer_pause_s=answer_pause_s)
        try:
            for server in (stage.postgres, stage.valkey):
                passwords = {name: secrets.token_hex(24) for name in server.password_names}
                server.write_state(port=free_port(), **passwords)
                server.ensure_running()
            variables |= stage.variables() | {"APPROVED_ENDPOINTS": f"{HOST}:{stage.analyst_port}"}
            crew.environ.update(variables)
            migrate(variables)
            yield stage
        finally:
            stage.over.set()
            crew.stop()
            stage.postgres.stop()
            stage.valkey.stop()
            if kept_in := os.environ.get("NEMESIS_LOGS"):
                shutil.copytree(home, Path(kept_in) / home.name, ignore=shutil.ignore_patterns("postgres", "valkey"))
            shutil.rmtree(home, ignore_errors=True)


def seed_plants(stage: Stage, slugs: tuple[str, ...] = ("alfa", "beta", "gamma")) -> list[Plant]:
    """Tenants with a night of events each, and assistants that ask the stage's endpoint."""
    command = [sys.executable, "-m", "mesassist.tests.nemesis.cast", stage.analyst_url, *slugs]
    done = subprocess.run(command, cwd=PROJECT, env=stage.crew.environ, check=True, stdout=subprocess.PIPE)
    return [Plant(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith(b'{"slug"')]


def migrate(variables: dict[str, str]) -> None:
    """Make the tables, as the owner."""
    run_django({**variables, "DATABASE_URL": variables["OWNER_DATABASE_URL"]}, "migrate", "--skip-checks")


def collect_static(stage: Stage) -> None:
    """What a portal without DEBUG needs before it shows a page."""
    run_django(stage.crew.environ, "collectstatic", "--no-input")


def run_django(variables: dict[str, str], *arguments: str) -> None:
    """One command of Django, silently."""
    command = [sys.executable, "-m", "django", *arguments, "--verbosity", "0"]
    subprocess.run(command, cwd=PROJECT, env=variables, check=True, stdout=subprocess.DEVNULL)
