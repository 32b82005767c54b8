"""Engine: the events of a simulated plant, a pure function of plan, seed and time.

Every shift of every machine has a random stream of its own, seeded by its name: a part of the past can be made
again, or the future continued, without the rest.
"""

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

from production.ingest.contract import CountEvent, MachineEvent, MeasurementEvent, StateEvent
from production.simulator.plants import LinePlan, MachinePlan, PlantPlan
from production.simulator.shifts import Slot, Span, Story, plan_turns, tell_shift

SECOND = dt.timedelta(seconds=1)
COUNT_EVERY_S = 300
HEARTBEAT_S = 4 * 3600
# How much slower the planted machine gets over the simulated weeks.
WEAR_SPEED = 0.16


def simulate(
    *, plan: PlantPlan, slots: Sequence[Slot], story: Story, seed: int, from_at: dt.datetime, to_at: dt.datetime
) -> Iterator[MachineEvent]:
    """The events in [from_at, to_at), machine by machine, each in order of time.

    `slots`: the site's shifts in order, from one before `from_at` on. Where `from_at` cuts a slot, the machine first
    says in which state it is. The end looks alive: one machine is down, another has just jammed.
    """
    for line, machine in plan.machines():
        until = _silent_from(plan, machine, slots, to_at)
        events = _events_of(plan, line, machine, slots, story, seed, from_at)
        yield from (event for event in events if from_at <= event.at < until)
        yield from _present(plan, machine, until, to_at)


def _events_of(
    plan: PlantPlan,
    line: LinePlan,
    machine: MachinePlan,
    slots: Sequence[Slot],
    story: Story,
    seed: int,
    from_at: dt.datetime,
) -> Iterator[MachineEvent]:
    turns = list(plan_turns(line, slots, seed))
    for turn, following in pairwise([*turns, None]):
        if turn is None or turn.slot.end <= from_at:
            continue
        rng = random.Random(f"{seed} {machine.code} {turn.slot.day} {turn.slot.shift}")
        spans = tell_shift(plan, line, machine, turn, story, rng)
        yield from _states(machine, turn.slot, spans, from_at)
        yield from _counts(plan, machine, turn.slot, spans, story, rng, from_at)
        yield from _gap(machine, turn.slot.end, following.slot.start if following else None)


# --- spans as events -----------------------------------------------------------------------------------


def _states(machine: MachinePlan, slot: Slot, spans: Sequence[Span], from_at: dt.datetime) -> Iterator[MachineEvent]:
    for span in spans:
        start, end = slot.start + span.start_s * SECOND, slot.start + span.end_s * SECOND
        if end > from_at:
            yield _state(machine, max(start, from_at), span)


def _state(machine: MachinePlan, at: dt.datetime, span: Span) -> StateEvent:
    return StateEvent(
        event_id=_id("s", machine, at),
        machine=machine.code,
        at=at,
        state=span.state,  # type: ignore[arg-type]  # the plans hold names of states only
        reason=span.reason,
        product=span.product or None,
        comment=span.comment,
    )


def _counts(
    plan: PlantPlan,
    machine: MachinePlan,
    slot: Slot,
    spans: Sequence[Span],
    story: Story,
    rng: random.Random,
    from_at: dt.datetime,
) -> Iterator[MachineEvent]:
    """Pieces per five minutes and product, from the seconds that the machine ran; fractions wait for the next."""
    speed = machine.speed - (WEAR_SPEED * story.wear(slot.day) if machine.code == plan.planted.degrading else 0.0)
    made: dict[str, float] = {}
    running = [span for span in spans if span.state == "running"]
    first = 0
    # A window that is under way at `from_at` gives nothing: the machine may have stood in its first part.
    skipped = max(0, -int((slot.start - from_at).total_seconds() // COUNT_EVERY_S))
    for window in range(skipped * COUNT_EVERY_S, slot.length_s, COUNT_EVERY_S):
        close = min(window + COUNT_EVERY_S, slot.length_s)
        for span in running[first:]:
            if span.start_s >= close:
                break
            seconds = min(close, span.end_s) - max(window, span.start_s)
            made[span.product] = made.get(span.product, 0.0) + seconds * speed / machine.cycles[span.product]
            first += span.end_s <= close
        # A second before the window closes: at the stroke the pieces would belong to the next quarter hour or shift.
        at = slot.start + (close - 1) * SECOND
        for product in list(made):
            if pieces := int(made[product]):
                made[product] -= pieces
                yield _count(plan, machine, at, product, pieces, slot.day in story.burst_days, rng)


def _count(
    plan: PlantPlan,
    machine: MachinePlan,
    at: dt.datetime,
    product: str,
    pieces: int,
    is_burst_day: bool,
    rng: random.Random,
) -> CountEvent:
    planted = plan.planted
    bursts = is_burst_day and machine.code == planted.burst_machine and product == planted.burst_product
    scrap = _some(pieces, planted.burst_share if bursts else machine.scrap, rng)
    rework = _some(pieces - scrap, machine.rework, rng) if machine.rework else 0
    return CountEvent(
        event_id=_id(f"c{product}", machine, at),
        machine=machine.code,
        at=at,
        good=float(pieces - scrap - rework),
        scrap=float(scrap),
        rework=float(rework),
        reason=(planted.burst_reason if bursts else plan.scrap_reason) if scrap else None,
        product=product,
    )


def _some(pieces: int, share: float, rng: random.Random) -> int:
    """How many of `pieces`: binomial for few, its normal approximation for many."""
    if pieces <= 40:
        return sum(rng.random() < share for _ in range(pieces))
    spread = (pieces * share * (1 - share)) ** 0.5
    return min(pieces, max(0, round(rng.gauss(pieces * share, spread))))


# --- between shifts, and the present -----------------------------------------------------------------------


def _gap(machine: MachinePlan, start: dt.datetime, end: dt.datetime | None) -> Iterator[MachineEvent]:
    """Between shifts the machine rests, and says now and then that it is still there."""
    if end is not None and end <= start:
        return
    yield _state(machine, start, Span(0, 0, "planned_stop", "no-shift", ""))
    stop = end or start + dt.timedelta(days=3)
    at = start + HEARTBEAT_S * SECOND
    while at < stop:
        yield _power(machine, at)
        at += HEARTBEAT_S * SECOND


def _power(machine: MachinePlan, at: dt.datetime) -> MeasurementEvent:
    return MeasurementEvent(
        event_id=_id("p", machine, at), machine=machine.code, at=at, name="power", value=1.4, unit="kW"
    )


def _silent_from(plan: PlantPlan, machine: MachinePlan, slots: Sequence[Slot], to_at: dt.datetime) -> dt.datetime:
    """Until when the machine's shift is told; what comes after is the present."""
    is_working = any(slot.start <= to_at - 3600 * SECOND and to_at < slot.end for slot in slots)
    if machine.code == plan.down_now:
        return to_at - 2460 * SECOND
    if machine.code == plan.jammed_now and is_working:
        return to_at - 35 * SECOND
    return to_at if is_working else to_at - 20 * SECOND


def _present(plan: PlantPlan, machine: MachinePlan, at: dt.datetime, to_at: dt.datetime) -> Iterator[MachineEvent]:
    if machine.code == plan.down_now:
        yield _state(machine, at, Span(0, 0, "down", plan.down_now_reason, "", "waiting for maintenance"))
    elif machine.code == plan.jammed_now and to_at - at == 35 * SECOND:
        jam = next(loss for loss in machine.losses if loss.is_jam)
        yield _state(machine, at, Span(0, 0, jam.state, jam.reason, ""))
    elif at < to_at:
        yield _power(machine, at)


def _id(kind: str, machine: MachinePlan, at: dt.datetime) -> str:
    return f"{machine.code}-{int(at.timestamp())}-{kind}"
