"""Storm: one seed's run: the portal under load, some faults one by one, then all kinds together, and the verdict."""

import datetime as dt
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from mesassist.tests.nemesis.clicks import Crowd, Door, Plant, Reporters, Wish
from mesassist.tests.nemesis.faults import Nemesis, draw_schedule
from mesassist.tests.nemesis.history import start_record
from mesassist.tests.nemesis.stage import MODEL_WORKERS, Stage, open_stage, seed_plants
from mesassist.tests.nemesis.verdict import Verdict, find_broken_rows, judge

Say = Callable[[str], None]
OPEN = "SELECT count(*) FROM analyses_analysis WHERE status IN ('queued', 'running')"
WAITING = "SELECT count(*) FROM analyses_analysis WHERE status = 'queued' AND rung_at IS NOT NULL"
BURST = 40  # analyses that are wished for at once, so that something waits from the beginning


@dataclass(frozen=True)
class Plan:
    """How much of what; times in seconds. `gap_s` is the mean time between two faults."""

    seed: int
    runs: int
    faults: int
    gap_s: float = 4.0
    lease_s: float = 30.0
    calm_kills: int = 2
    drain_s: float = 300.0

    @property
    def calm_s(self) -> float:
        """How long the faults take that strike one by one."""
        return self.calm_kills * 6.0 + 2 * (self.lease_s + 12.0)

    @property
    def lasting_s(self) -> float:
        """How long wishes come in."""
        return self.calm_s + self.faults * self.gap_s


@dataclass
class Outcome:
    """A storm's figures, ready to be printed."""

    plan: Plan
    struck: Counter[str]
    verdict: Verdict
    answers: Counter[int]
    died: Counter[str]
    clicks_s: list[float]
    took_s: float


def weather(plan: Plan, *, say: Say) -> Outcome:
    """Run one storm on a stage of its own."""
    began = time.monotonic()
    with open_stage(lease_s=plan.lease_s) as stage:
        plants = seed_plants(stage)
        start_record(stage)
        stage.start_all()
        say(f"seed {plan.seed}: ready after {time.monotonic() - began:.0f} s, logs in {stage.crew.logs}")
        outcome = _rage(plan, stage, plants, say)
    outcome.took_s = time.monotonic() - began
    return outcome


def _rage(plan: Plan, stage: Stage, plants: list[Plant], say: Say) -> Outcome:
    dice, door = random.Random(plan.seed), Door(stage.web_port)
    crowd = Crowd(door=door, wishes=make_wishes(plan, plants, dice))
    reporters = Reporters(door=door, plants=plants, every_s=1.0, now=lambda: dt.datetime.now(dt.UTC))
    nemesis = Nemesis(stage, lease_s=plan.lease_s)
    crowd.begin()
    reporters.begin()
    strike_one_by_one(nemesis, crowd, plan, dice)
    say(f"seed {plan.seed}: {len(nemesis.done)} faults one by one; now {plan.faults} together")
    quiet = len(nemesis.done)
    strike_together(nemesis, plan, dice)
    wait_for_the_end(stage, crowd, plan, say)
    reporters.leave()
    crowd.leave()
    verdict = judge(stage=stage, nemesis=nemesis, crowd=crowd, reporters=reporters, quiet=quiet)
    verdict.others += find_broken_rows(stage)
    struck = Counter(fault.kind for fault in nemesis.done)
    clicks = sorted(wish.took_s for wish in crowd.wishes if wish.took_s)
    return Outcome(plan, struck, verdict, door.answers, Counter(stage.died), clicks, 0.0)


def make_wishes(plan: Plan, plants: list[Plant], dice: random.Random) -> list[Wish]:
    """The wishes of all plants: a burst at once, a rush when it is called for, the others evenly; one in ten is sent
    twice."""
    burst = min(BURST, plan.runs // 4)
    times = [0.0] * burst + [math.inf] * burst
    times += [dice.uniform(0, plan.lasting_s) for _ in range(plan.runs - 2 * burst)]
    return [
        Wish(dice.choice(plants), f"What about case {number}?", f"wish-{number}", due_s, twice=dice.random() < 0.1)
        for number, due_s in enumerate(times)
    ]


def strike_one_by_one(nemesis: Nemesis, crowd: Crowd, plan: Plan, dice: random.Random) -> None:
    """Workers killed and Redis wiped with nothing else broken: what recovery takes when it is not disturbed."""
    time.sleep(4)
    for number in range(plan.calm_kills):
        nemesis.strike("worker killed", MODEL_WORKERS[number % 2], dice)
        time.sleep(4)
    time.sleep(plan.lease_s + 12)
    crowd.rush()
    wait_for_a_queue(nemesis.stage)
    nemesis.strike("redis wiped", "redis", dice)
    time.sleep(plan.lease_s)


def wait_for_a_queue(stage: Stage, *, least: int = 8, within_s: float = 15.0) -> None:
    """Until so many analyses wait for a free worker: a wipe that finds no message costs none."""
    until = time.monotonic() + within_s
    with stage.look() as connection:
        while time.monotonic() < until:
            if connection.execute(WAITING).fetchone()[0] >= least:  # type: ignore[index]
                return
            time.sleep(0.1)


def strike_together(nemesis: Nemesis, plan: Plan, dice: random.Random) -> None:
    """The schedule, each fault at its time in a thread of its own; one whose part is still broken waits for it."""
    threads = []
    due = time.monotonic()
    for kind, target in draw_schedule(dice=dice, faults=plan.faults):
        due += plan.gap_s * dice.uniform(0.5, 1.5)
        time.sleep(max(0.0, due - time.monotonic()))
        luck = random.Random(dice.random())
        thread = threading.Thread(target=nemesis.strike, args=(kind, target, luck), daemon=True)
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()


def wait_for_the_end(stage: Stage, crowd: Crowd, plan: Plan, say: Say) -> None:
    """Until every wish is accepted and every analysis has its end, or time is up."""
    until = time.monotonic() + plan.drain_s
    waited_for = -1
    while time.monotonic() < until:
        with stage.look() as connection:
            left = connection.execute(OPEN).fetchone()[0]  # type: ignore[index]
        if not left and crowd.is_content():
            return
        if left != waited_for:
            waited_for = left
        time.sleep(1)
    say(f"seed {plan.seed}: {waited_for} analyses are still open after {plan.drain_s:.0f} s")
