"""Measure: candidates take turns in one run, and what comes out are ratios, for absolute figures move from run to run.

A script's `main()` sets the stage inside `bench_services()` and calls `compare()` for each line that it prints.
"""

import base64
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from mesassist.embedded import Services, environment, temporary_services

PROJECT = Path(__file__).resolve().parent.parent
# What a time is shown in; with any other unit of "time" a candidate gives its figure (tokens) itself.
PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6}

Candidate = Callable[[], float | None]


@dataclass(frozen=True)
class Measured:
    """One candidate: its median, and one figure per round."""

    median: float
    rounds: tuple[float, ...]


def compare(
    *,
    bench: str,
    unit: str,
    n: int,
    ours: Candidate,
    peer: Candidate | None = None,
    limit: Candidate | None = None,
    samples: int = 5,
    warm_ups: int = 1,
    better: str = "throughput",
) -> dict[str, object]:
    """Let the candidates take turns for `samples` rounds and print one line of JSON, as CONTRACT.md 1 names its keys.

    A candidate does the work of `n` units. It is timed, unless it gives back a number: then that is its seconds
    (where setting up must not count), or with "time" and a unit that is no time (tokens) its figure itself.
    `better` is "throughput" (n per second; more is better) or "time" (less is better). Gives what it printed.
    """
    if better not in ("throughput", "time"):
        raise ValueError(f'`better` is "throughput" or "time", not {better!r}.')
    named = {"ours": ours, "peer": peer, "limit": limit}
    candidates = {name: candidate for name, candidate in named.items() if candidate is not None}
    for _ in range(warm_ups):
        for candidate in candidates.values():
            candidate()
    costs = take_turns(candidates, samples=samples)
    figures = {name: _measured(cost, unit=unit, n=n, better=better) for name, cost in costs.items()}
    return print_line(bench=bench, unit=unit, n=n, figures=figures, better=better)


def take_turns(candidates: Mapping[str, Candidate], *, samples: int) -> dict[str, list[float]]:
    """The cost of each candidate in each round; who begins changes from round to round."""
    names = list(candidates)
    costs: dict[str, list[float]] = {name: [] for name in names}
    for number in range(samples):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            costs[name].append(cost_of(candidates[name]))
    return costs


def cost_of(candidate: Candidate) -> float:
    """Seconds that the candidate takes, or the number that it gives back."""
    begun = time.perf_counter()
    told = candidate()
    return time.perf_counter() - begun if told is None else float(told)


def print_line(*, bench: str, unit: str, n: int, figures: Mapping[str, Measured], better: str) -> dict[str, object]:
    """Print one line of JSON with the figures (`ours`, and `peer` and `limit` where there are any) and the ratios."""
    ours = figures["ours"]
    line: dict[str, object] = {"bench": bench}
    for name in ("ours", "peer", "limit"):
        line[name] = _rounded(figures[name].median) if name in figures else None
    for name in ("peer", "limit"):
        ratio = ratio_of(ours.rounds, figures[name].rounds, better=better) if name in figures else None
        line[f"ratio_to_{name}"] = _rounded(ratio) if ratio is not None else None
    line |= {"unit": unit, "n": n, "samples": len(ours.rounds)}
    print(json.dumps(line), flush=True)
    return line


def ratio_of(ours: Sequence[float], theirs: Sequence[float], *, better: str) -> float:
    """How many times as good as theirs ours is: the median of the rounds' ratios, each of figures of the same minute.

    A side that was measured once (because it takes minutes) is compared with every round of the other.
    """
    rounds = max(len(ours), len(theirs))
    pairs = zip(_stretched(ours, rounds), _stretched(theirs, rounds), strict=True)
    return statistics.median(mine / other if better == "throughput" else other / mine for mine, other in pairs)


def _stretched(rounds: Sequence[float], length: int) -> Sequence[float]:
    return rounds if len(rounds) != 1 else list(rounds) * length


def measured(rounds: Sequence[float]) -> Measured:
    """Figures of a candidate that was measured outside `compare`."""
    return Measured(statistics.median(rounds), tuple(rounds))


def _measured(costs: Sequence[float], *, unit: str, n: int, better: str) -> Measured:
    if better == "throughput":
        return measured([n / cost for cost in costs])
    return measured([cost * PER_SECOND.get(unit, 1.0) for cost in costs])


def _rounded(figure: float) -> float:
    """Four digits: more would pretend."""
    return float(f"{figure:.4g}")


# --- the stage: servers of one's own --------------------------------------------------------------------------


@contextmanager
def bench_services() -> Iterator[Services]:
    """PostgreSQL and Redis with an empty, migrated database; Django is set up as the app role.

    Temporary servers, unless DATABASE_URL and REDIS_URL name some: then a database of its own on them, dropped
    afterwards. The temporary ones write as durably as in production (fsync on), for all candidates alike: without it
    a commit is free, and whoever commits once per row would look better than it is.
    """
    os.environ.setdefault("SECRET_KEY", "only for benchmarks")
    os.environ.setdefault("TOKEN_KEYS", "bench:" + base64.b64encode(b"only for benchmarks, 32 bytes...").decode())
    os.environ.setdefault("BEHIND_TLS", "false")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mesassist.settings")
    before = dict(os.environ)
    with _scratch_database() if _is_configured() else temporary_services(durable=True) as services:
        os.environ.update(environment(services))
        try:
            _migrate(services)
            _set_up_django()
            yield services
        finally:
            _close_connections()
            os.environ.update(before)


def as_owner(services: Services, *, dbname: str | None = None) -> psycopg.Connection:
    """A connection as the owner, for what the app role must not do (tables, bulk history); autocommit."""
    options = {"dbname": dbname} if dbname else {}
    return psycopg.connect(services.owner_database_url, autocommit=True, **options)


def _is_configured() -> bool:
    return bool(os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"))


@contextmanager
def _scratch_database() -> Iterator[Services]:
    app_url, name = os.environ["DATABASE_URL"], f"bench_{uuid4().hex[:12]}"
    owner_url = os.environ.get("OWNER_DATABASE_URL") or app_url
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield Services(_renamed(app_url, name), _renamed(owner_url, name), os.environ["REDIS_URL"])
        finally:
            _close_connections()
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def _renamed(url: str, database: str) -> str:
    address, _, options = url.partition("?")
    return f"{address.rpartition('/')[0]}/{database}" + (f"?{options}" if options else "")


def _migrate(services: Services) -> None:
    owner = {**os.environ, "DATABASE_URL": services.owner_database_url}
    command = [sys.executable, "-m", "django", "migrate", "--skip-checks", "--verbosity", "0"]
    subprocess.run(command, cwd=PROJECT, env=owner, check=True, stdout=sys.stderr)
    app_role = psycopg.conninfo.conninfo_to_dict(services.database_url)["user"]
    with as_owner(services) as connection:
        # Where the database is somebody else's, its default rights need not be ours.
        for rights in ("SELECT, INSERT, UPDATE, DELETE ON ALL TABLES", "USAGE, SELECT ON ALL SEQUENCES"):
            statement = f"GRANT {rights} IN SCHEMA public TO {{}}"
            connection.execute(sql.SQL(statement).format(sql.Identifier(str(app_role))))


def _set_up_django() -> None:
    import django

    django.setup()


def _close_connections() -> None:
    from django.db import connections

    connections.close_all()
