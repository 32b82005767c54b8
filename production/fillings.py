"""Fillings: the events in and around stretches of machines' time, made into the sums that their rows will hold."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from production.buckets import Filled, fill_buckets
from production.coverage import last_moment, note_records
from production.entries import Journal
from production.extracts import Ask
from production.journal import read_journals
from production.models import Coverage
from production.plans import Plan
from production.tallies import Pace, tally_pieces
from production.timeline import build_timeline, silences_by_rank

# Bounds the memory of one fold, of all its machines together; a stretch of months is folded in pieces.
AT_ONCE = dt.timedelta(days=28)
# Read beyond the micro-stop threshold, so that a stop that starts at the very edge is seen to start there.
MARGIN = dt.timedelta(minutes=1)


@dataclass(frozen=True)
class Piece:
    """Whole quarter hours [first, end) of one machine, with what its events must be read with."""

    plan: Plan
    coverage: Coverage
    first: dt.datetime
    end: dt.datetime

    @property
    def margin(self) -> dt.timedelta:
        """How far beyond the piece events are read."""
        return dt.timedelta(seconds=self.plan.machine.micro_stop_s) + MARGIN

    @property
    def ask(self) -> Ask:
        """The events that say something about the piece."""
        from_at = max(self.first - self.margin, self.coverage.first_event_at)
        return Ask(self.plan.machine.pk, from_at, self.end + self.margin)


def portion(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """The pieces cut and put together so that each portion holds as much time as may be in memory at once."""
    together: list[Piece] = []
    length = dt.timedelta()
    for piece in pieces:
        first = piece.first
        while first < piece.end:
            end = min(first + AT_ONCE, piece.end)
            if together and length + (end - first) > AT_ONCE:
                yield together
                together, length = [], dt.timedelta()
            together.append(replace(piece, first=first, end=end))
            length += end - first
            first = end
    if together:
        yield together


def fill_pieces(*, pieces: Sequence[Piece], now: dt.datetime) -> list[Filled]:
    """The sums of each piece, in turn; notes in the coverages what is recorded at all. The tenant is the active one."""
    if not pieces:
        return []
    journals = read_journals(asks=[piece.ask for piece in pieces], ranks=pieces[0].plan.ranks)
    # The events of a machine are let go of before those of the next are looked at.
    journals.reverse()
    return [_fill(piece, journals.pop(), now) for piece in pieces]


def _fill(piece: Piece, journal: Journal, now: dt.datetime) -> Filled:
    plan, machine, ask = piece.plan, piece.plan.machine, piece.ask
    silences = silences_by_rank(stamps=journal.stamps, contact_timeout_s=machine.contact_timeout_s)
    intervals = build_timeline(
        events=journal.states,
        silences=silences,
        corrections=journal.corrections,
        from_at=ask.from_at,
        to_at=ask.to_at,
        now=last_moment(coverage=piece.coverage, machine=machine, now=now),
    )
    pace = Pace(plan.cycles, machine.implausible_factor)
    tally = tally_pieces(journal=journal, intervals=intervals, silences=silences, pace=pace)
    note_records(coverage=piece.coverage, pieces=tally.pieces)
    filled = fill_buckets(
        cells=plan.calendar.cut_cells((piece.first, piece.end)),
        intervals=intervals,
        pieces=tally.pieces,
        cycles=plan.cycles,
        micro_stop_s=machine.micro_stop_s,
    )
    filled.implausible = tally.implausible
    return filled
