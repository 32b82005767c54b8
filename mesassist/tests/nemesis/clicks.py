"""Clicks: people and machines outside: wishes and events go through the HTTP doors until they are accepted.

Whoever gets no clear answer sends the very same again; that is all the doors ask of them.
"""

import datetime as dt
import http.client
import json
import math
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from mesassist.servers.ports import HOST

AGAIN_S = 0.5
BATCH = 20
MACHINES = ("M1", "M2", "M3")


@dataclass(frozen=True)
class Plant:
    """A tenant's slug and the text of its key."""

    slug: str
    key: str


@dataclass
class Wish:
    """One analysis that somebody wants: when, of whom, and what came of it."""

    plant: Plant
    question: str
    key: str
    due_s: float
    twice: bool = False
    ids: list[str] = field(default_factory=list)
    took_s: float = 0.0


class Door:
    """The portal's API from outside. `answers` counts the statuses, `0` for a connection that broke."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: Counter[int] = Counter()
        self.faulty: list[str] = []

    def post(self, path: str, *, key: str, body: object, **headers: str) -> tuple[int, dict]:
        """The status (0: no answer) and the body of one request."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        headers = {"Authorization": f"Api-Key {key}", "Content-Type": "application/json", **named}
        try:
            with closing(http.client.HTTPConnection(HOST, self.port, timeout=40)) as connection:
                connection.request("POST", f"/api/v1/{path}", json.dumps(body), headers)
                answer = connection.getresponse()
                status, text = answer.status, answer.read()
            told = json.loads(text) if text else {}
        except (OSError, http.client.HTTPException, ValueError):
            status, told = 0, {}
        self.answers[status] += 1
        if status >= 500 and (status != 503 or "Retry-After" not in answer.headers):
            self.faulty.append(f"{path}: {status} {str(told)[:200]}")
        return status, told


class Crowd:
    """Threads that click and report until everything is accepted."""

    def __init__(self, *, door: Door, wishes: list[Wish], clickers: int = 6) -> None:
        self.door, self.wishes = door, wishes
        self.refused: list[str] = []
        self.over = threading.Event()
        self._guard = threading.Lock()
        self._due: queue.PriorityQueue[tuple[float, int, Wish]] = queue.PriorityQueue()
        self._unanswered = len(wishes)
        self._threads = [threading.Thread(target=self._click, daemon=True) for _ in range(clickers)]

    def begin(self) -> None:
        """Let the time of the wishes begin."""
        self.began = time.monotonic()
        self._reserve = [wish for wish in self.wishes if wish.due_s == math.inf]
        self._queue([wish for wish in self.wishes if wish.due_s < math.inf])
        for thread in self._threads:
            thread.start()

    def rush(self) -> None:
        """Let those ask whose time was left open: all at once, now."""
        for wish in self._reserve:
            wish.due_s = time.monotonic() - self.began
        self._queue(self._reserve)

    def _queue(self, wishes: list[Wish]) -> None:
        for number, wish in enumerate(sorted(wishes, key=lambda wish: wish.due_s)):
            self._due.put((wish.due_s, number, wish))

    def is_content(self) -> bool:
        """Whether every wish has got its answer."""
        return self._unanswered == 0

    def leave(self) -> None:
        """Stop clicking."""
        self.over.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def _click(self) -> None:
        while not self.over.is_set():
            try:
                *_, wish = self._due.get(timeout=0.2)
            except queue.Empty:
                continue
            self.over.wait(max(0.0, self.began + wish.due_s - time.monotonic()))
            began = time.monotonic()
            self._ask(wish)
            # The same hand again: the answer was slow, or the finger was quick.
            if wish.twice:
                self._ask(wish)
            wish.took_s = time.monotonic() - began
            with self._guard:
                self._unanswered -= 1

    def _ask(self, wish: Wish) -> None:
        while not self.over.is_set():
            status, told = self.door.post(
                "analyses/", key=wish.plant.key, body={"question": wish.question}, Idempotency_Key=wish.key
            )
            if status in (200, 202):
                wish.ids.append(told["id"])
                return
            if 400 <= status < 500 and status != 429:
                self.refused.append(f"{wish.question}: {status} {told.get('code')} {told.get('detail')}")
                return
            self.over.wait(AGAIN_S)


class Reporters:
    """Machines of every plant that report; each batch is sent until it is accepted."""

    def __init__(self, *, door: Door, plants: list[Plant], every_s: float, now: Callable[[], dt.datetime]) -> None:
        self.door, self.plants, self.every_s, self.now = door, plants, every_s, now
        self.sent: Counter[str] = Counter()
        self.over = threading.Event()
        self._threads = [threading.Thread(target=self._report, args=(plant,), daemon=True) for plant in plants]

    def begin(self) -> None:
        """Start reporting."""
        for thread in self._threads:
            thread.start()

    def leave(self) -> None:
        """Stop; what is under way is sent to its end."""
        self.over.set()
        for thread in self._threads:
            thread.join(timeout=120)

    def _report(self, plant: Plant) -> None:
        number = 0
        while not self.over.wait(self.every_s):
            events = [self._event(number + step) for step in range(BATCH)]
            number += BATCH
            self.send(plant, events)
            self.sent[plant.slug] = number

    def send(self, plant: Plant, events: list[dict]) -> None:
        """Send the batch until it is taken; sent again, what is known already counts as taken."""
        while True:
            status, told = self.door.post("events/", key=plant.key, body={"events": events})
            if status == 200:
                break
            time.sleep(AGAIN_S)
        if told["quarantined"]:
            self.door.faulty.append(f"events were not taken: {told['problems'][0]}")

    def _event(self, number: int) -> dict:
        machine = MACHINES[number % len(MACHINES)]
        return {
            "event_id": f"e{number}",
            "machine": machine,
            "at": self.now().isoformat(),
            "kind": "count",
            "good": 1 + number % 5,
            "scrap": 0,
            "product": "P1",
        }
