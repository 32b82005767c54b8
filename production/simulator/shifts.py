"""Shifts: one shift of one machine as it passes: running, interrupted by what is planned and by what happens."""

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from production.simulator.plants import LinePlan, Loss, MachinePlan, PlantPlan

BREAK_AFTER_S, BREAK_S = 13_800, 1800
CLEANING_S = 3600
LONGEST_STOP_S = 3 * 3600
SATURDAY = 6
# How much oftener the planted machine jams when it is fully worn.
WEAR_JAMS = 2.5


@dataclass(frozen=True)
class Slot:
    """One shift that takes place: [start, end) in UTC, the shift's name, its production day."""

    start: dt.datetime
    end: dt.datetime
    shift: str
    day: dt.date

    @property
    def length_s(self) -> int:
        """Real length, in seconds."""
        return int((self.end - self.start).total_seconds())


@dataclass(frozen=True)
class Span:
    """A stretch of a slot in one state: seconds since its start; `product` is the one being made."""

    start_s: int
    end_s: int
    state: str
    reason: str | None
    product: str
    comment: str | None = None


@dataclass(frozen=True)
class Story:
    """What is special when: the plant wears from `begins` on (fully worn at `ends`), scrap bursts on `burst_days`."""

    begins: dt.date
    ends: dt.date

    @property
    def burst_days(self) -> tuple[dt.date, ...]:
        """The last two working days that were over two days before the end."""
        days = (self.ends - dt.timedelta(days=back) for back in range(2, 9))
        return tuple([day for day in days if day.isoweekday() < SATURDAY][:2])

    def wear(self, day: dt.date) -> float:
        """0 at the beginning, 1 at the end, not more afterwards."""
        return min(1.0, max(0.0, (day - self.begins).days / max(1, (self.ends - self.begins).days)))


@dataclass(frozen=True)
class Turn:
    """A slot on a line: the product it starts with, the one it ends with, and when it changes (seconds, or None)."""

    slot: Slot
    product: str
    next_product: str
    change_s: int | None


def plan_turns(line: LinePlan, slots: Sequence[Slot], seed: int) -> Iterator[Turn]:
    """Which product each slot makes: it starts with what the one before ended with."""
    products = list(line.machines[0].cycles)
    product = products[0]
    for slot in slots:
        rng = random.Random(f"{seed} {line.code} {slot.day} {slot.shift}")
        next_product = rng.choice(products)
        change_s = int(slot.length_s * rng.uniform(0.1, 0.85))
        yield Turn(slot, product, next_product, None if next_product == product else change_s)
        product = next_product


def tell_shift(
    plan: PlantPlan, line: LinePlan, machine: MachinePlan, turn: Turn, story: Story, rng: random.Random
) -> list[Span]:
    """The whole slot: running and its losses between what is planned."""
    spans: list[Span] = []
    losses = _losses(plan, machine, story.wear(turn.slot.day))
    at, product = 0, turn.product
    for due, end, state, reason in _fixed(plan, line, turn, rng):
        start = max(at, due)
        spans += _running(losses, at, start, product, rng)
        product = turn.next_product if state == "setup" else product
        if end > start:
            spans.append(Span(start, end, state, reason, product))
        at = max(at, end)
    return [*spans, *_running(losses, at, turn.slot.length_s, product, rng)]


def _fixed(plan: PlantPlan, line: LinePlan, turn: Turn, rng: random.Random) -> list[tuple[int, int, str, str]]:
    """What stands in the plan: the break, the changeover, Saturday's cleaning: (start, end, state, reason)."""
    end = turn.slot.length_s
    fixed = [(BREAK_AFTER_S, BREAK_AFTER_S + BREAK_S, "planned_stop", "break")]
    if turn.slot.day.isoweekday() == SATURDAY:
        fixed.append((end - CLEANING_S, end, "planned_stop", "cleaning"))
    if turn.change_s is not None:
        slow = plan.planted.slow_shift_factor if turn.slot.shift == plan.planted.slow_shift else 1.0
        lasts = int(line.changeover_s * slow * rng.uniform(0.8, 1.25))
        reason = next(reason.code for reason in plan.reasons if reason.loss_class == "setup")
        fixed.append((turn.change_s, min(end, turn.change_s + lasts), "setup", reason))
    return sorted(fixed)


def _losses(plan: PlantPlan, machine: MachinePlan, wear: float) -> list[tuple[float, Loss]]:
    """(rate per running second, loss); a worn machine jams more often."""
    worn = 1 + WEAR_JAMS * wear if machine.code == plan.planted.degrading else 1.0
    return [((worn if loss.is_jam else 1.0) / loss.every_s, loss) for loss in machine.losses]


def _running(
    losses: list[tuple[float, Loss]], start: int, end: int, product: str, rng: random.Random
) -> Iterator[Span]:
    """Running from `start` to `end`, interrupted by losses whose times are exponential."""
    rates = [rate for rate, _ in losses]
    total = sum(rates)
    at = start
    while at < end:
        stop = min(end, at + 1 + int(rng.expovariate(total)))
        yield Span(at, stop, "running", None, product)
        if stop == end:
            return
        loss = rng.choices(losses, rates)[0][1]
        lasts = min(LONGEST_STOP_S, 6 + int(rng.expovariate(1 / loss.lasts_s)))
        at = min(end, stop + lasts)
        comment = rng.choice(loss.comments) if loss.comments and rng.random() < 0.3 else None
        yield Span(stop, at, loss.state, loss.reason, product, comment)
