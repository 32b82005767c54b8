"""Buckets: one machine's intervals and pieces fall into quarter hours, which shift boundaries cut; pure."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from production.calendar import QUARTER, ShiftSlice, quarter_before
from production.models import State
from production.tallies import Pieces, Step
from production.timeline import Interval, stretches

LOSSES = frozenset({State.DOWN, State.SETUP, State.PLANNED_STOP, State.IDLE})


class Cell(NamedTuple):
    """The part [start, end) of the quarter hour `bucket` that belongs to one shift or to none."""

    start: dt.datetime
    end: dt.datetime
    bucket: dt.datetime
    shift_id: int | None
    production_day: dt.date | None


class Key(NamedTuple):
    """What a rollup is unique by, within a machine."""

    bucket: dt.datetime
    shift_id: int | None
    production_day: dt.date | None


class LossKey(NamedTuple):
    """What a loss rollup is unique by, within a machine."""

    bucket: dt.datetime
    shift_id: int | None
    production_day: dt.date | None
    state: str
    reason_id: int | None
    micro: bool


@dataclass(slots=True)
class Sums:
    """What one rollup adds up; seconds and pieces as in `models.Rollup`."""

    running_s: float = 0.0
    idle_s: float = 0.0
    setup_s: float = 0.0
    planned_stop_s: float = 0.0
    down_s: float = 0.0
    micro_stop_s: float = 0.0
    unknown_s: float = 0.0
    stops: int = 0
    micro_stops: int = 0
    setups: int = 0
    good: float = 0.0
    scrap: float = 0.0
    rework: float = 0.0
    ideal_produced_s: float = 0.0
    ideal_good_s: float = 0.0
    uncycled: float = 0.0

    @property
    def only_unknown(self) -> bool:
        """Whether there is nothing but time without contact."""
        return Sums(unknown_s=self.unknown_s) == self


@dataclass(slots=True)
class LossSums:
    """Seconds of one loss, and the stops that start with it."""

    seconds: float = 0.0
    stops: int = 0


@dataclass(slots=True)
class Filled:
    """The rows of a stretch of one machine's time."""

    rollups: dict[Key, Sums] = field(default_factory=dict)
    losses: dict[LossKey, LossSums] = field(default_factory=dict)
    # None where no counter was read at all.
    implausible: list[Step] | None = None


class _Part(NamedTuple):
    """An interval as it counts: whether it belongs to a micro-stop, and whether a stop or set-up starts with it."""

    interval: Interval
    micro: bool
    starts: bool


def fill_buckets(
    *,
    cells: Sequence[Cell],
    intervals: Sequence[Interval],
    pieces: Sequence[Pieces],
    cycles: Mapping[int | None, float],
    micro_stop_s: float,
) -> Filled:
    """Sums per cell; `intervals` may reach beyond the cells and must, to judge the stops at their edges.

    `cycles` are the machine's ideal cycles (s per piece) by product, under None the one for any product.
    A stop is as long as its whole stretch of `down`; shorter than `micro_stop_s` it is a micro-stop.
    """
    filled = Filled()
    for cell, part, seconds, has_start in _cut(_classify(intervals, micro_stop_s), cells):
        _add_time(filled, cell, part, seconds, starts=has_start)
    for cell, reports in groupby(_place(pieces, cells), key=itemgetter(0)):
        sums = _sums_of(filled, cell)
        for _, made in reports:
            _add_pieces(sums, made, cycles.get(made.product_id, cycles.get(None)))
    # Outside every shift, time without contact is not worth a row.
    unwanted = [key for key, sums in filled.rollups.items() if key.shift_id is None and sums.only_unknown]
    for key in unwanted:
        del filled.rollups[key]
    return filled


def cut_cells(slices: Sequence[ShiftSlice]) -> list[Cell]:
    """The cells of consecutive shift slices, in order."""
    cells = []
    for part in slices:
        start = part.start
        while start < part.end:
            bucket = quarter_before(start)
            end = min(part.end, bucket + QUARTER)
            cells.append(Cell(start, end, bucket, part.shift_id, part.production_day))
            start = end
    return cells


def _classify(intervals: Sequence[Interval], micro_stop_s: float) -> Iterator[_Part]:
    for stretch in stretches(intervals):
        length = (stretch[-1].end - stretch[0].start).total_seconds()
        micro = stretch[0].state == State.DOWN and length < micro_stop_s
        for interval in stretch:
            yield _Part(interval, micro, interval is stretch[0])


def _cut(parts: Iterator[_Part], cells: Sequence[Cell]) -> Iterator[tuple[Cell, _Part, float, bool]]:
    """Each part with each cell it touches, the seconds in it, and whether its stretch starts there."""
    first = 0
    for part in parts:
        start, end = part.interval.start, part.interval.end
        while first < len(cells) and cells[first].end <= start:
            first += 1
        here = first
        while here < len(cells) and cells[here].start < end:
            cell = cells[here]
            seconds = (min(end, cell.end) - max(start, cell.start)).total_seconds()
            yield cell, part, seconds, part.starts and start >= cell.start
            here += 1


def _place(pieces: Sequence[Pieces], cells: Sequence[Cell]) -> Iterator[tuple[Cell, Pieces]]:
    """Each report of pieces (in order of time) with its cell; those outside the cells are left out."""
    here = 0
    for made in pieces:
        while here < len(cells) and cells[here].end <= made.at:
            here += 1
        if here == len(cells):
            return
        if cells[here].start <= made.at:
            yield cells[here], made


def _sums_of(filled: Filled, cell: Cell) -> Sums:
    key = Key(*cell[2:])
    sums = filled.rollups.get(key)
    if sums is None:
        sums = filled.rollups[key] = Sums()
    return sums


def _add_time(filled: Filled, cell: Cell, part: _Part, seconds: float, *, starts: bool) -> None:
    sums = _sums_of(filled, cell)
    state = part.interval.state
    column = "micro_stop_s" if part.micro else f"{state}_s"
    setattr(sums, column, getattr(sums, column) + seconds)
    if state not in LOSSES:
        return
    key = LossKey(*cell[2:], state, part.interval.reason_id, part.micro)
    loss = filled.losses.setdefault(key, LossSums())
    loss.seconds += seconds
    if starts:
        loss.stops += 1
        if state == State.DOWN:
            sums.micro_stops += part.micro
            sums.stops += not part.micro
        sums.setups += state == State.SETUP


def _add_pieces(sums: Sums, made: Pieces, ideal_cycle: float | None) -> None:
    good, scrap, rework = made.good or 0.0, made.scrap or 0.0, made.rework or 0.0
    produced = good + scrap + rework
    sums.good += good
    sums.scrap += scrap
    sums.rework += rework
    if ideal_cycle is None:
        sums.uncycled += produced
    else:
        sums.ideal_produced_s += ideal_cycle * produced
        sums.ideal_good_s += ideal_cycle * good
