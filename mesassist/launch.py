"""Launch: `make run` and `make demo`, from an empty home folder to a first analysis and a portal that serves."""

import argparse
import base64
import http.client
import os
import secrets
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from environ import Env

from mesassist import embedded
from mesassist.crew import Crew, CrewError, Stopped, StopRequest
from mesassist.servers.ports import HOST, choose_port, is_port_free

MANAGE = (sys.executable, str(embedded.PROJECT / "manage.py"))
DEFAULT_PORT = 8000
STEP_SECONDS = 600.0
READY_SECONDS = 90.0
ANALYSIS_SECONDS = 300.0
SIGN_INS = "ana (operator) or boris (manager) at alfa, carla (manager) at beta, admin (platform staff); password demo"

# manage.py commands that speak to no server, and those that change the schema.
SERVERLESS = frozenset({"help", "version", "check", "makemigrations", "makemessages", "compilemessages", "spectacular",
                        "collectstatic", "findstatic"})  # fmt: skip
AS_OWNER = frozenset({"migrate", "createcachetable"})
# Port 1 refuses at once: whoever reads these does not need them.
NO_SERVERS = {"DATABASE_URL": f"postgresql://nobody@{HOST}:1/none", "REDIS_URL": f"redis://{HOST}:1/0"}


class LaunchError(RuntimeError):
    """The portal cannot be launched; the message says why and what to do."""


@dataclass(frozen=True)
class Step:
    """A command that runs to its end before the portal serves."""

    title: str
    name: str
    command: Sequence[str]
    as_owner: bool = False


@dataclass(frozen=True)
class Plan:
    """What one launch runs: steps, then children, then the analysis whose result is shown."""

    mode: str
    port: int
    analyst_port: int
    steps: Sequence[Step]
    children: Mapping[str, Sequence[str]]
    analysis: Sequence[str]


# --- the environment --------------------------------------------------------------------------------


def load_environment(
    environ: MutableMapping[str, str], *, is_launch: bool = False, dotenv: Path = embedded.PROJECT / ".env"
) -> None:
    """Fill what is unset: from `.env`, then from this installation's kept secrets; blank counts as unset.

    Secrets are made, and the demo allowed, only for a launch or where no database is configured: a real portal whose
    keys are missing must not start with new ones.
    """
    _fill(environ, _read_variables(dotenv))
    home = embedded.home_folder(environ)
    is_local = is_launch or not environ.get("DATABASE_URL")
    if is_local:
        keep_secrets(home)
    _fill(environ, _read_variables(home / "secrets.env"))
    if is_local:
        allow_demo(environ)


def allow_demo(environ: MutableMapping[str, str]) -> None:
    """On this machine errors show their cause and the demo's sign-ins work, unless `DEBUG` or `DEMO` say otherwise."""
    _fill(environ, {"DEBUG": "true"})
    if environ["DEBUG"].lower() in Env.BOOLEAN_TRUE_STRINGS:
        _fill(environ, {"DEMO": "true"})


def keep_secrets(home: Path) -> None:
    """Make this installation's own keys once, in `secrets.env`; stored tokens open only with the same keys."""
    file = home / "secrets.env"
    if file.exists():
        return
    embedded.make_home(home)
    token_key, pepper = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    new = home / f"secrets.env.{os.getpid()}"
    with open(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as text:
        text.write(f"SECRET_KEY={secrets.token_urlsafe(50)}\nTOKEN_KEYS=k1:{token_key}\nAPI_KEY_PEPPERS=p1:{pepper}\n")
    # Linking fails if another first start was quicker, and then its keys are the ones to use.
    with suppress(FileExistsError):
        file.hardlink_to(new)
    new.unlink()


def _read_variables(file: Path) -> dict[str, str]:
    class Reader(Env):
        ENVIRON: MutableMapping[str, str] = {}

    Reader.read_env(file)
    return dict(Reader.ENVIRON)


def _fill(environ: MutableMapping[str, str], values: Mapping[str, str]) -> None:
    environ.update({name: value for name, value in values.items() if not environ.get(name)})


@contextmanager
def command_environment(arguments: Sequence[str], environ: MutableMapping[str, str]) -> Iterator[None]:
    """What a manage.py command needs around it: the servers if it speaks to them, the owner's role if it migrates."""
    load_environment(environ)
    command = arguments[1] if len(arguments) > 1 else "help"
    asks_for_help = not {"-h", "--help", "--version"}.isdisjoint(arguments)
    if asks_for_help or (command in SERVERLESS and "--database" not in arguments):
        _fill(environ, NO_SERVERS)
        # It asks the database for its history, and does without where there is none.
        warnings.filterwarnings("ignore", "Got an error checking a consistent migration history", RuntimeWarning)
        yield
        return
    is_ours = not environ.get("DATABASE_URL")
    with embedded.services(environ) as found:
        environ.update(embedded.environment(found))
        if command in AS_OWNER:
            environ["DATABASE_URL"] = found.owner_database_url
        elif is_ours:
            make_tables(found, environ)
        yield


def make_tables(found: embedded.Services, environ: Mapping[str, str]) -> None:
    """Migrate an embedded database that is still empty: its first user need not know that this comes first."""
    with psycopg.connect(found.database_url) as connection:
        row = connection.execute("SELECT to_regclass('django_migrations')").fetchone()
    if row and row[0] is None:
        owner = {**environ, "DATABASE_URL": found.owner_database_url}
        command = [*MANAGE, "migrate", "--no-input", "--verbosity", "0"]
        subprocess.run(command, env=owner, check=True)  # noqa: S603 - our own command line


# --- the plan ---------------------------------------------------------------------------------------


def choose_web_port(mode: str, environ: Mapping[str, str]) -> int:
    """The port to serve on: `PORT` or 8000; for a demo any free one, so that it disturbs no running portal."""
    if mode == "demo":
        return choose_port()
    text = environ.get("PORT") or str(DEFAULT_PORT)
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise LaunchError(f"PORT must be a number from 1 to 65535, not {text!r}.")
    port = int(text)
    if not is_port_free(port):
        other = next((number for number in range(port + 1, 65536) if is_port_free(number)), DEFAULT_PORT)
        raise LaunchError(f"Port {port} is in use. Choose another: PORT={other} make run")
    return port


def choose_analyst_port(home: Path) -> tuple[int, bool]:
    """The offline analyst's port, the same at each launch because tenants keep the address; and whether to start it.

    A demo beside a running portal asks that portal's analyst.
    """
    note = home / "analyst.port"
    kept = int(note.read_text()) if note.exists() else None
    if kept and not is_port_free(kept) and answers(kept, "/v1/models"):
        return kept, False
    port = choose_port(kept)
    embedded.make_home(home)
    note.write_text(str(port))
    return port, True


def build_plan(
    *,
    mode: str,
    port: int,
    analyst_port: int,
    home: Path,
    debug: bool,
    starts_analyst: bool = True,
    consumes: bool = False,
) -> Plan:
    """The command lines of a launch; `mode` is `run` or `demo`, which reads from no Kafka."""
    steps = [Step("Preparing the database", "migrate", (*MANAGE, "migrate", "--no-input"), as_owner=True)]
    if not debug:
        # With DEBUG the static files are served from where they lie.
        steps.append(Step("Collecting static files", "collectstatic", (*MANAGE, "collectstatic", "--no-input")))
    steps.append(Step("Seeding the demo plants", "seed_demo", (*MANAGE, "seed_demo")))
    python = (sys.executable, "-m")
    celery = (*python, "celery", "--app", "mesassist")
    worker = (*celery, "worker", "--loglevel", "INFO")
    # The port makes the names unique: a demo beside a running portal has workers of its own.
    model_pool = ("--queues", "model", "--pool", "threads", "--concurrency", "16", "-n", f"model-{port}@%h")
    compute_pool = ("--queues", "compute", "--pool", "prefork", "--concurrency", "2", "-n", f"compute-{port}@%h")
    web = (*python, "uvicorn", "mesassist.asgi:application", "--host", HOST, "--port", str(port))
    analyst = {"analyst": (*python, "offline_analyst", "--port", str(analyst_port))} if starts_analyst else {}
    consumer = {"consumer": (*MANAGE, "consume_events")} if consumes and mode == "run" else {}
    children = {
        **analyst,
        **consumer,
        # Open event streams would hold the server up for ever.
        "web": (*web, "--timeout-graceful-shutdown", "3"),
        # Each answer under way writes several times a minute: its threads share a few connections.
        "worker": ("env", "DATABASE_POOL_SIZE=8", *worker, *model_pool),
        "compute": (*worker, *compute_pool),
        "beat": (*celery, "beat", "--loglevel", "INFO", "--schedule", str(home / f"beat-{mode}")),
    }
    analysis = (*MANAGE, "run_analysis", "--tenant", "alfa", "--wait")
    return Plan(mode, port, analyst_port, steps, children, analysis)


# --- carrying it out --------------------------------------------------------------------------------


def carry_out(plan: Plan, *, environ: Mapping[str, str], home: Path, stop: StopRequest) -> int:
    """Run the plan; the exit code. Whatever ends it, first the children and then the servers are gone by then."""
    try:
        return _carry_out(plan, environ=environ, home=home, stop=stop)
    except Stopped:
        if plan.mode == "run":
            return 0
        complain("Stopped before the demo analysis was finished.")
    except (CrewError, embedded.EmbeddedError) as error:
        complain(str(error))
    return 1


def _carry_out(plan: Plan, *, environ: Mapping[str, str], home: Path, stop: StopRequest) -> int:
    with ExitStack() as stack:
        with progress("Starting PostgreSQL and Valkey" if embedded.is_needed(environ) else "Checking the environment"):
            found = stack.enter_context(embedded.services(environ))
            stop.check()
        variables = {
            **environ,
            **embedded.environment(found),
            "PORT": str(plan.port),
            "OFFLINE_ANALYST_URL": f"http://{HOST}:{plan.analyst_port}/v1",
        }
        logs = home / "logs" / "demo" if plan.mode == "demo" else home / "logs"
        crew = stack.enter_context(Crew(environ=variables, logs=logs, stop=stop))
        stack.callback(say, "Stopping ...")
        set_up(plan, crew=crew, owner_url=found.owner_database_url)
        is_done = show_analysis(plan, crew=crew)
        if plan.mode == "demo":
            return 0 if is_done else 1
        announce(plan, logs=logs)
        while True:
            crew.check()
            time.sleep(0.2)


def set_up(plan: Plan, *, crew: Crew, owner_url: str) -> None:
    """Run the steps, start the children, and wait until the portal answers."""
    for step in plan.steps:
        with progress(step.title):
            variables = {"DATABASE_URL": owner_url} if step.as_owner else {}
            finished = crew.run(step.name, step.command, seconds=STEP_SECONDS, **variables)
            if finished.code:
                raise CrewError(f"{step.name} failed, exit code {finished.code}. {crew.last_words(step.name)}")
    with progress("Starting web, workers and the offline analyst"):
        for name, command in plan.children.items():
            crew.start(name, command)
        deadline = time.monotonic() + READY_SECONDS
        while not answers(plan.port, "/readyz"):
            crew.check()
            if time.monotonic() > deadline:
                raise CrewError(f"The portal is not ready after {READY_SECONDS:.0f} s. Its logs are in {crew.logs}.")
            time.sleep(0.1)


def answers(port: int, path: str) -> bool:
    """Whether a server of ours answers 200 there."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def show_analysis(plan: Plan, *, crew: Crew) -> bool:
    """Run one analysis of the demo summary and print its result; whether it finished as done."""
    with progress("Analysing the demo summary"):
        finished = crew.run("run_analysis", plan.analysis, seconds=ANALYSIS_SECONDS)
    say(f"\n{finished.output.strip()}\n")
    if finished.code:
        why = finished.complaint or f"exit code {finished.code}"
        complain(f"The demo analysis did not finish: {why} (its log is {crew.log('run_analysis')})")
    return finished.code == 0


def announce(plan: Plan, *, logs: Path) -> None:
    """Print where the portal is and who may sign in."""
    say(f"Portal   http://{HOST}:{plan.port}/")
    say(f"Sign in  {SIGN_INS}")
    say(f"Logs     {logs}")
    say("Ctrl-C stops everything.")


# --- the terminal -----------------------------------------------------------------------------------


@contextmanager
def progress(title: str) -> Iterator[None]:
    """Print a step's title, then how long it took or that it was not finished."""
    say(f"{title} ... ", end="")
    began = time.monotonic()
    try:
        yield
    except BaseException as error:
        say("stopped" if isinstance(error, Stopped) else "failed")
        raise
    say(f"done ({time.monotonic() - began:.1f} s)")


def say(text: str, *, end: str = "\n") -> None:
    """Print a line; a terminal that is gone must not break the clean-up."""
    try:
        print(text, end=end, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str) -> None:
    """Print an error line."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m mesassist.launch run|demo`; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mesassist.launch", description="Set the portal up and serve it.")
    parser.add_argument("mode", choices=["run", "demo"], help="serve until Ctrl-C, or stop after one analysis")
    mode = parser.parse_args(arguments).mode
    stop = StopRequest()
    stop.install()
    try:
        load_environment(os.environ, is_launch=True)
        home = embedded.home_folder(os.environ)
        port = choose_web_port(mode, os.environ)
        analyst_port, starts_analyst = choose_analyst_port(home)
    except (LaunchError, embedded.EmbeddedError) as error:
        complain(str(error))
        return 1
    debug = os.environ["DEBUG"].lower() in Env.BOOLEAN_TRUE_STRINGS
    plan = build_plan(
        mode=mode,
        port=port,
        analyst_port=analyst_port,
        home=home,
        debug=debug,
        starts_analyst=starts_analyst,
        consumes=os.environ.get("CONSUME_EVENTS", "").lower() in Env.BOOLEAN_TRUE_STRINGS,
    )
    return carry_out(plan, environ=os.environ, home=home, stop=stop)


if __name__ == "__main__":
    sys.exit(main())
