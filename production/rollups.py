"""Rollups: what a machine's events say about a stretch of time, folded into rows by quarter hour, again and again.

Rows are never incremented: a fold deletes the rows of its stretch and writes them anew from the events, so that
folding twice, or late events, or two workers, cannot make a figure wrong. Ingest marks what it touched
(`mark_dirty`), workers fold the marks (`fold_dirty`), and once a minute open states grow (`fold_open_states`).
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from django.db import connection
from django.db.models import F, Sum

from mesassist.tenants.scope import current_tenant, tenant_tx
from production.arrival import CLOCK_STEP
from production.buckets import Filled
from production.calendar import QUARTER, quarter_after, quarter_before
from production.coverage import Covered, Effect, cover, find_reaches, last_moment, new_coverages, still_growing
from production.extracts import MOMENT, Ask
from production.fillings import AT_ONCE, Piece, fill_pieces
from production.models import Coverage, DirtyRange, Machine
from production.partitions import kept_from
from production.plans import Plan, Stretch, read_plans
from production.rewriting import rewrite_pieces, save_coverages

# Machines that are folded in one transaction, if their marks are short: whoever waits for one waits for all of them.
MACHINES_AT_ONCE = 50


class Folding(NamedTuple):
    """What is to be folded of one machine."""

    plan: Plan
    from_at: dt.datetime
    to_at: dt.datetime


def mark_dirty(*, machine_id: int, from_at: dt.datetime, to_at: dt.datetime) -> DirtyRange:
    """Note that events came for the machine: the earliest `at` and the latest `at` or `until`; active tenant."""
    mark: DirtyRange = DirtyRange.objects.create(
        tenant=current_tenant(), machine_id=machine_id, from_at=from_at, to_at=to_at
    )
    return mark


def mark_history(*, machines: Iterable[Machine]) -> int:
    """Mark all that is folded of the machines, because their shifts, ideal cycles or thresholds have changed."""
    covered = list(Coverage.objects.filter(machine__in=machines))
    for coverage in covered:
        mark_dirty(machine_id=coverage.machine_id, from_at=coverage.first_event_at, to_at=coverage.folded_to)
    return len(covered)


def fold_dirty(*, now: dt.datetime) -> int:
    """Fold every marked stretch of the active tenant; gives the number of marks that are settled.

    Some machines at once are a transaction: their marks vanish with the writing of the rows they asked for.
    A machine that another worker is folding is left to that worker.
    """
    marked = DirtyRange.objects.values("machine_id").annotate(length=Sum(F("to_at") - F("from_at")))
    lengths = marked.order_by("machine_id").values_list("machine_id", "length")
    return sum(_settle_marks(machine_ids, now) for machine_ids in _share_out(list(lengths)))


def fold_open_states(*, now: dt.datetime) -> int:
    """Let time pass: fold each machine still heard of from where its rollups end up to now; gives their number."""
    growing = still_growing(now=now).order_by("machine_id").values_list("machine_id", "folded_to")
    folded_to = dict(growing)
    for machine_ids in _share_out([(machine_id, now - at) for machine_id, at in folded_to.items()]):
        with tenant_tx():
            lock_machines(machine_ids)
            plans = read_plans(machine_ids=machine_ids)
            _fold([Folding(plan, folded_to[machine_id], now) for machine_id, plan in plans.items()], now)
    return len(folded_to)


def fold_machine(*, machine: Machine, from_at: dt.datetime, to_at: dt.datetime, now: dt.datetime) -> int:
    """Write the rollups of all time that events in [from_at, to_at] can change; gives the number of rows.

    There are none for time before the machine's first event, after it was retired, or after it fell silent for good.
    """
    with tenant_tx():
        lock_machine(machine)
        plan = read_plans(machine_ids=[machine.pk])[machine.pk]
        return _fold([Folding(plan, from_at, to_at)], now)


def recount(*, machine: Machine, from_at: dt.datetime, to_at: dt.datetime, now: dt.datetime) -> Filled:
    """What the rollups with buckets in [from_at, to_at) must say, worked out from the machine's whole life at once.

    Slow, and without the fold's short cuts: invariants and tests hold the stored rows against it.
    """
    coverage = new_coverages(machine_ids=[machine.pk], now=now).get(machine.pk)
    if coverage is None:
        return Filled()
    end = quarter_after(last_moment(coverage=coverage, machine=machine, now=now))
    plan = read_plans(machine_ids=[machine.pk])[machine.pk]
    (filled,) = fill_pieces(pieces=[Piece(plan, coverage, quarter_before(coverage.first_event_at), end)], now=now)
    return Filled(
        {key: sums for key, sums in filled.rollups.items() if from_at <= key.bucket < to_at},
        {key: sums for key, sums in filled.losses.items() if from_at <= key.bucket < to_at},
        [step for step in filled.implausible or [] if from_at <= step.reading.at < to_at],
    )


def _fold(foldings: Iterable[Folding], now: dt.datetime) -> int:
    """Fold stretches of machines that are locked, no machine twice; gives the number of rollups."""
    kept = kept_from(tenant=current_tenant(), now=now)
    # Of what is no longer kept the events may be gone; its figures stay.
    foldings = [one for one in foldings if kept is None or one.to_at >= kept]
    asks = [Ask(one.plan.machine.pk, one.from_at, one.to_at + MOMENT) for one in foldings]
    covered = cover(asks=asks, now=now)
    foldings = [one for one in foldings if one.plan.machine.pk in covered]
    if not foldings:
        return 0
    coverages = [covered[one.plan.machine.pk] for one in foldings]
    effects = [_effect_of(one, known, now) for one, known in zip(foldings, coverages, strict=True)]
    reaches = find_reaches(effects=effects, ranks=foldings[0].plan.ranks)
    pieces = [
        _piece_of(one, known, effect.last, reach, kept)
        for one, known, effect, reach in zip(foldings, coverages, effects, reaches, strict=True)
    ]
    written = rewrite_pieces(pieces=pieces, now=now)
    for (coverage, _), reach in zip(coverages, reaches, strict=True):
        coverage.folded_to, coverage.folded_at = max(coverage.folded_to, reach), now
    save_coverages(coverage for coverage, _ in coverages)
    return written


def _effect_of(folding: Folding, covered: Covered, now: dt.datetime) -> Effect:
    machine = folding.plan.machine
    last = last_moment(coverage=covered.coverage, machine=machine, now=now)
    return Effect(machine.pk, folding.to_at, last, covered.numbered, paced=bool(folding.plan.cycles))


def _piece_of(
    folding: Folding, covered: Covered, last: dt.datetime, reach: dt.datetime, kept: dt.datetime | None
) -> Piece:
    """The quarter hours to write: all that events of the stretch, which reach so far, can change."""
    coverage, numbered = covered
    # What is numbered may put off what was stamped a little earlier. Whether the stops at both edges are micro-stops
    # may have changed too, but nothing beyond the threshold.
    threshold = dt.timedelta(seconds=folding.plan.machine.micro_stop_s)
    from_at = folding.from_at - CLOCK_STEP if numbered else folding.from_at
    start = min(from_at, coverage.folded_to) - threshold
    first = quarter_before(max(start, coverage.first_event_at, kept or start))
    # The state that begins at `reach` may no longer be what starts a stop, or may start one now.
    return Piece(folding.plan, coverage, first, quarter_after(min(reach + max(threshold, MOMENT), last)))


def _share_out(lengths: Sequence[tuple[int, dt.timedelta]]) -> Iterator[list[int]]:
    """The machines in groups, by how much time of each is to be folded: many short ones, or one that is long."""
    group: list[int] = []
    together = dt.timedelta()
    for machine_id, length in lengths:
        if group and (len(group) == MACHINES_AT_ONCE or together + length > AT_ONCE):
            yield group
            group, together = [], dt.timedelta()
        group.append(machine_id)
        together += length
    if group:
        yield group


def _settle_marks(machine_ids: Sequence[int], now: dt.datetime) -> int:
    with tenant_tx():
        marks = list(
            DirtyRange.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(machine__in=lock_machines(machine_ids, wait=False))
            .values_list("pk", "machine_id", "from_at", "to_at")
        )
        plans = read_plans(machine_ids={machine_id for _, machine_id, _, _ in marks})
        joined = [
            [Folding(plan, *stretch) for stretch in _join(mark[2:] for mark in marks if mark[1] == machine_id)]
            for machine_id, plan in plans.items()
        ]
        # One stretch of each machine at a time: where the next one begins depends on how far this one reached.
        for foldings in zip_longest(*joined):
            _fold([one for one in foldings if one], now)
        DirtyRange.objects.filter(pk__in=[pk for pk, *_ in marks]).delete()
    return len(marks)


def _join(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Stretches that touch, or nearly, are folded together."""
    joined: list[Stretch] = []
    for from_at, to_at in sorted(stretches):
        if joined and from_at <= joined[-1][1] + QUARTER:
            joined[-1] = (joined[-1][0], max(joined[-1][1], to_at))
        else:
            joined.append((from_at, to_at))
    return joined


def lock_machine(machine: Machine) -> None:
    """Hold the machine to the end of the transaction: two workers must not write the same rows."""
    lock_machines([machine.pk])


def lock_machines(machine_ids: Sequence[int], *, wait: bool = True) -> list[int]:
    """Hold the machines in the order of their ids, so that nobody waits in a circle; gives those that are held.

    Without `wait` those that another holds are left out.
    """
    function = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, {function}(hashtextextended('production.rollups', id)) "  # noqa: S608 - one of the two above
            "FROM unnest(%s::bigint[]) AS machine (id)",
            [sorted(machine_ids)],
        )
        return [machine_id for machine_id, held in cursor.fetchall() if held is not False]
