"""Rollups: what a machine's events say about a stretch of time, folded into rows by quarter hour, again and again.

Rows are never incremented: a fold deletes the rows of its stretch and writes them anew from the events, so that
folding twice, or late events, or two workers, cannot make a figure wrong. Ingest marks what it touched
(`mark_dirty`), workers fold the marks (`fold_dirty`), and once a minute open states grow (`fold_open_states`).
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django.db import connection, models

from mesassist.tenants.scope import current_tenant, tenant_tx
from production.arrival import CLOCK_STEP
from production.buckets import Filled, Key, LossKey, cut_cells, fill_buckets
from production.calendar import QUARTER, quarter_after, quarter_before, shift_slices
from production.coverage import cover, last_moment, new_coverage, note_records, reach_of, still_growing
from production.dailies import SUMS, rewrite_days
from production.implausibles import list_implausible
from production.journal import read_journal
from production.models import Coverage, DirtyRange, IdealCycle, LossRollup, Machine, Rollup, Shift
from production.partitions import kept_from
from production.ranks import Ranks, read_ranks
from production.tallies import Pace, tally_pieces
from production.timeline import build_timeline, silences_by_rank

# Bounds the memory of one fold; a stretch of months is folded in pieces.
AT_ONCE = dt.timedelta(days=28)
# Read beyond the micro-stop threshold, so that a stop that starts at the very edge is seen to start there.
MARGIN = dt.timedelta(minutes=1)
MOMENT = dt.timedelta(microseconds=1)

SUMS_OF = attrgetter(*SUMS)

CLEAR = "; ".join(
    f"DELETE FROM {table} WHERE tenant_id = %(tenant)s AND machine_id = %(machine)s "  # noqa: S608 - our own tables
    "AND bucket >= %(first)s AND bucket < %(end)s"
    for table in ("production_rollup", "production_lossrollup")
)

Stretch = tuple[dt.datetime, dt.datetime]


@dataclass(frozen=True)
class Plan:
    """What the fold of a machine needs to know besides its events."""

    machine: Machine
    shifts: list[Shift]
    zone: str
    cycles: dict[int | None, float]
    ranks: Ranks


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

    Each machine is a transaction of its own: its marks vanish with the writing of the rows they asked for.
    A machine that another worker is folding is left to that worker.
    """
    marked = DirtyRange.objects.order_by("machine_id").values_list("machine_id", flat=True).distinct()
    machines = Machine.objects.select_related("line__site").in_bulk(list(marked))
    return sum(_settle_marks(machine, now) for machine in machines.values())


def fold_open_states(*, now: dt.datetime) -> int:
    """Let time pass: fold each machine still heard of from where its rollups end up to now; gives their number."""
    growing = list(still_growing(now=now).select_related("machine__line__site"))
    for coverage in growing:
        fold_machine(machine=coverage.machine, from_at=coverage.folded_to, to_at=now, now=now)
    return len(growing)


def fold_machine(*, machine: Machine, from_at: dt.datetime, to_at: dt.datetime, now: dt.datetime) -> int:
    """Write the rollups of all time that events in [from_at, to_at] can change; gives the number of rows.

    There are none for time before the machine's first event, after it was retired, or after it fell silent for good.
    """
    with tenant_tx():
        lock_machine(machine)
        return _fold(machine, from_at, to_at, now)


def recount(*, machine: Machine, from_at: dt.datetime, to_at: dt.datetime, now: dt.datetime) -> Filled:
    """What the rollups with buckets in [from_at, to_at) must say, worked out from the machine's whole life at once.

    Slow, and without the fold's short cuts: invariants and tests hold the stored rows against it.
    """
    coverage = new_coverage(machine=machine, now=now)
    if coverage is None:
        return Filled()
    end = quarter_after(last_moment(coverage=coverage, machine=machine, now=now))
    filled = _fill(_plan(machine), coverage, (quarter_before(coverage.first_event_at), end), now)
    return Filled(
        {key: sums for key, sums in filled.rollups.items() if from_at <= key.bucket < to_at},
        {key: sums for key, sums in filled.losses.items() if from_at <= key.bucket < to_at},
        [step for step in filled.implausible or [] if from_at <= step.reading.at < to_at],
    )


def _fold(machine: Machine, from_at: dt.datetime, to_at: dt.datetime, now: dt.datetime) -> int:
    kept = kept_from(tenant=current_tenant(), now=now)
    if kept is not None and to_at < kept:
        return 0  # its events may be gone; its figures stay
    covered = cover(machine=machine, from_at=from_at, to_at=to_at, now=now)
    if covered is None:
        return 0
    (coverage, numbered), plan = covered, _plan(machine)
    last = last_moment(coverage=coverage, machine=machine, now=now)
    reach = reach_of(
        machine=machine, after=to_at, last=last, ranks=plan.ranks, numbered=numbered, paced=bool(plan.cycles)
    )
    # What is numbered may put off what was stamped a little earlier. Whether the stops at both edges are micro-stops
    # may have changed too, but nothing beyond the threshold.
    threshold = dt.timedelta(seconds=machine.micro_stop_s)
    start = min(from_at - CLOCK_STEP if numbered else from_at, coverage.folded_to) - threshold
    first = quarter_before(max(start, coverage.first_event_at, kept or start))
    # The state that begins at `reach` may no longer be what starts a stop, or may start one now.
    end = quarter_after(min(reach + max(threshold, MOMENT), last))
    written = _rewrite(plan, coverage, (first, end), now)
    coverage.folded_to, coverage.folded_at = max(coverage.folded_to, reach), now
    coverage.save()
    return written


def _settle_marks(machine: Machine, now: dt.datetime) -> int:
    with tenant_tx():
        if not lock_machine(machine, wait=False):
            return 0
        marks = list(DirtyRange.objects.select_for_update(skip_locked=True, of=("self",)).filter(machine=machine))
        for from_at, to_at in _join((mark.from_at, mark.to_at) for mark in marks):
            _fold(machine, from_at, to_at, now)
        DirtyRange.objects.filter(pk__in=[mark.pk for mark in marks]).delete()
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


def lock_machine(machine: Machine, *, wait: bool = True) -> bool:
    """Hold the machine to the end of the transaction: two workers must not write the same rows."""
    function = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtextextended('production.rollups', %s))", [machine.pk])
        return cursor.fetchone()[0] is not False


def _plan(machine: Machine) -> Plan:
    site = machine.line.site
    cycles: dict[int | None, float] = {c.product_id: c.seconds for c in IdealCycle.objects.filter(machine=machine)}
    return Plan(machine, list(Shift.objects.filter(site=site)), site.zone, cycles, read_ranks())


def _rewrite(plan: Plan, coverage: Coverage, stretch: Stretch, now: dt.datetime) -> int:
    """Delete the machine's rows with buckets in the stretch and write them anew; gives the number of rollups."""
    first, end = stretch
    with connection.cursor() as cursor:
        cursor.execute(CLEAR, {"tenant": current_tenant().pk, "machine": plan.machine.pk, "first": first, "end": end})
    written = 0
    while first < end:
        filled = _fill(plan, coverage, (first, min(first + AT_ONCE, end)), now)
        _insert(plan.machine, filled, now)
        if filled.implausible is not None:
            list_implausible(
                machine=plan.machine, steps=filled.implausible, from_at=first, to_at=min(first + AT_ONCE, end)
            )
        written += len(filled.rollups)
        first += AT_ONCE
    rewrite_days(machine=plan.machine, shifts=plan.shifts, zone=plan.zone, from_at=stretch[0], to_at=end)
    return written


def _fill(plan: Plan, coverage: Coverage, stretch: Stretch, now: dt.datetime) -> Filled:
    """The rows of a stretch of whole quarter hours, from the events in and around it."""
    machine, (first, end) = plan.machine, stretch
    margin = dt.timedelta(seconds=machine.micro_stop_s) + MARGIN
    from_at = max(first - margin, coverage.first_event_at)
    journal = read_journal(machine_id=machine.pk, from_at=from_at, to_at=end + margin, ranks=plan.ranks)
    silences = silences_by_rank(stamps=journal.stamps, contact_timeout_s=machine.contact_timeout_s)
    intervals = build_timeline(
        events=journal.states,
        silences=silences,
        corrections=journal.corrections,
        from_at=from_at,
        to_at=end + margin,
        now=last_moment(coverage=coverage, machine=machine, now=now),
    )
    pace = Pace(plan.cycles, machine.implausible_factor)
    tally = tally_pieces(journal=journal, intervals=intervals, silences=silences, pace=pace)
    note_records(coverage=coverage, pieces=tally.pieces)
    filled = fill_buckets(
        cells=cut_cells(shift_slices(shifts=plan.shifts, zone=plan.zone, from_at=first, to_at=end)),
        intervals=intervals,
        pieces=tally.pieces,
        cycles=plan.cycles,
        micro_stop_s=machine.micro_stop_s,
    )
    filled.implausible = tally.implausible
    return filled


def _insert(machine: Machine, filled: Filled, now: dt.datetime) -> None:
    # The row of the quarter hour that is not over will change by itself, as time passes.
    sums = [(*key, *SUMS_OF(row), key.bucket + QUARTER > now) for key, row in filled.rollups.items()]
    _insert_rows(Rollup, machine, [*Key._fields, *SUMS, "provisional"], sums, folded_at=now)
    losses = [(*key, row.seconds, row.stops) for key, row in filled.losses.items()]
    _insert_rows(LossRollup, machine, [*LossKey._fields, "seconds", "stops"], losses)


def _insert_rows(
    model: type[models.Model], machine: Machine, columns: Sequence[str], rows: list[tuple], **same: Any
) -> None:
    """One INSERT, the rows as an array per column: COPY is refused under row-level security."""
    if not rows:
        return
    types = {field.column: field.db_type(connection) for field in model._meta.concrete_fields}
    arrays = ", ".join(f"%s::{(types[column] or '').partition('(')[0]}[]" for column in columns)
    same = {"tenant_id": current_tenant().pk, "machine_id": machine.pk, **same}
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({', '.join([*same, *columns])}) "  # noqa: S608 - our own fields
            f"SELECT {', '.join(['%s'] * len(same))}, new.* FROM unnest({arrays}) AS new",
            [*same.values(), *(list(values) for values in zip(*rows, strict=True))],
        )
