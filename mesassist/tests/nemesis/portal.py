"""Portal: a running stage as the tests of single faults use it: ask, look, wait, and watch the door."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from mesassist.servers.ports import HOST
from mesassist.tests.nemesis.clicks import Door, Plant
from mesassist.tests.nemesis.history import Call, read_calls
from mesassist.tests.nemesis.stage import Stage

ROWS = """
SELECT a.id::text, t.slug, a.status, a.error_code, extract(epoch FROM a.created_at)::float,
    extract(epoch FROM a.started_at)::float, extract(epoch FROM a.finished_at)::float
FROM analyses_analysis a JOIN tenants_tenant t ON t.id = a.tenant_id WHERE a.question LIKE %s ORDER BY a.created_at
"""
HASHES = "SELECT request_sha256, id::text FROM analyses_analysis WHERE question LIKE %s"
ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Row:
    """An analysis as the database has it; times in seconds of the clock."""

    id: str
    slug: str
    status: str
    code: str
    created: float
    started: float | None
    finished: float | None


@dataclass
class Seen:
    """What a watcher of a door saw: (when, status, seconds it took, Retry-After); status 0 for no answer."""

    answers: list[tuple[float, int, float, str | None]] = field(default_factory=list)

    def statuses(self) -> set[int]:
        """Which statuses came."""
        return {status for _, status, _, _ in self.answers}


class Portal:
    """A stage with its plants. Questions begin with a word of the test's own, by which it finds its rows again."""

    def __init__(self, stage: Stage, plants: list[Plant]) -> None:
        self.stage, self.plants, self.door = stage, plants, Door(stage.web_port)

    def ask(self, plant: Plant, question: str, **headers: str) -> tuple[int, dict[str, Any], float]:
        """One click: status, body, and the seconds it took."""
        began = time.monotonic()
        status, told = self.door.post("analyses/", key=plant.key, body={"question": question}, **headers)
        return status, told, time.monotonic() - began

    def ask_many(self, plant: Plant, word: str, number: int, *, at_once: int = 6) -> list[tuple[int, dict, float]]:
        """So many questions, some at a time."""
        with ThreadPoolExecutor(at_once) as hands:
            return list(hands.map(lambda n: self.ask(plant, f"{word} {n}?"), range(number)))

    def rows(self, word: str) -> list[Row]:
        """The analyses whose question begins with the word, oldest first."""
        with self.stage.look() as connection:
            return [Row(*row) for row in connection.execute(ROWS, [f"{word} %"])]

    def calls(self, word: str) -> dict[str, list[Call]]:
        """Their calls as the endpoint saw them."""
        with self.stage.look() as connection:
            known = dict(connection.execute(HASHES, [f"{word} %"]).fetchall())
        found = read_calls(self.stage.journal, analysis_of=known)
        return {name: calls for name, calls in found.items() if not name.startswith("unknown")}

    def wait(self, holds: Callable[[], bool], *, within_s: float, what: str) -> float:
        """Ask again and again until it holds; gives the seconds that took."""
        began = time.monotonic()
        while not holds():
            if time.monotonic() - began > within_s:
                raise AssertionError(f"not within {within_s:.0f} s: {what}")
            time.sleep(0.1)
        return time.monotonic() - began

    def wait_for_ends(self, word: str, *, within_s: float) -> list[Row]:
        """The rows, once each has its end."""
        self.wait(
            lambda: all(row.status in ENDED for row in self.rows(word)),
            within_s=within_s,
            what=f"every analysis of {word!r} has an end",
        )
        return self.rows(word)

    def cancel(self, rows: list[Row]) -> None:
        """Stop those that are still open, so that the next test finds idle workers."""
        keys = {plant.slug: plant.key for plant in self.plants}
        with ThreadPoolExecutor(4) as hands:
            wanted = [row for row in rows if row.status not in ENDED]
            list(
                hands.map(lambda row: self.door.post(f"analyses/{row.id}/cancel/", key=keys[row.slug], body={}), wanted)
            )

    @contextmanager
    def watching(self, path: str, *, every_s: float = 0.1, **headers: str) -> Iterator[Seen]:
        """GET the address all the time while the block runs."""
        seen, over = Seen(), threading.Event()

        def look() -> None:
            while not over.wait(every_s):
                seen.answers.append(self._get(path, headers))

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            over.set()
            thread.join(timeout=60)

    def _get(self, path: str, headers: dict[str, str]) -> tuple[float, int, float, str | None]:
        began = time.time()
        try:
            with closing(http.client.HTTPConnection(HOST, self.stage.web_port, timeout=30)) as connection:
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
                answer.read()
                return began, answer.status, time.time() - began, answer.headers["Retry-After"]
        except (OSError, http.client.HTTPException):
            return began, 0, time.time() - began, None
