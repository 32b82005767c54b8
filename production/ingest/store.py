"""Store: events of every door, staged by COPY, inserted once, counted, and their stretch of time marked dirty."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from production.ingest.codes import Created, resolve_codes
from production.ingest.contract import MachineEvent, Refused, find_problem, in_utc, read_or_refuse, write_event
from production.ingest.quarantine import Problem, keep_rows
from production.ingest.refusals import EventRefused
from production.ingest.staging import Staged, Touched, find_conflicts, insert_once, stage_events
from production.models import ImportRun
from production.rollups import mark_dirty

__all__ = ["Incoming", "Origin", "Problem", "Receipt", "store_events"]

Incoming = MachineEvent | Refused | Mapping[str, Any] | bytes
# (position, raw content) of the event at an index: a file answers with its line.
Origin = Callable[[int], tuple[int, str]]
# A rest of less is folded along: one fold of a week is cheaper than several of its days.
WEEK = dt.timedelta(days=7)


@dataclass(frozen=True)
class Receipt:
    """What became of a batch: received = accepted + duplicate + quarantined, always."""

    received: int
    accepted: int
    duplicate: int
    quarantined: int
    problems: tuple[Problem, ...] = ()
    created: Created = field(default_factory=Created)


def store_events(
    *,
    events: Sequence[Incoming],
    source: str,
    now: dt.datetime,
    import_run: ImportRun | None = None,
    origin: Origin | None = None,
) -> Receipt:
    """Take what is new, acknowledge what is known, quarantine the rest; all of it, or nothing, in one transaction.

    `source` is the default for events that name none. The same id with the same content is a duplicate; with other
    content, also within the batch, it is a conflict and overwrites nothing. Needs an active tenant scope.
    """
    staged, problems = _read_all(events, source=source, now=now)
    with transaction.atomic():
        ids = resolve_codes(events=[entry.event for entry in staged])
        known = [entry for entry in staged if entry.event.machine in ids.machines]
        problems += [
            _problem_of(entry, EventRefused.because("unknown_machine", entry.event.machine))
            for entry in staged
            if entry.event.machine not in ids.machines
        ]
        accepted = 0
        if known:
            stage_events(entries=known, ids=ids, source=source)
            touched = insert_once(now=now, import_run=import_run)
            _mark_dirty(touched)
            accepted = sum(day.events for day in touched)
            problems += [] if accepted == len(known) else _conflicts_among(known)
        if problems:
            _quarantine(problems, events, source, now, import_run, origin)
    return Receipt(
        received=len(events),
        accepted=accepted,
        duplicate=len(events) - accepted - len(problems),
        quarantined=len(problems),
        problems=tuple(sorted(problems, key=lambda problem: problem.index)),
        created=ids.created,
    )


def _read_all(events: Sequence[Incoming], *, source: str, now: dt.datetime) -> tuple[list[Staged], list[Problem]]:
    staged: list[Staged] = []
    problems: list[Problem] = []
    for index, raw in enumerate(events):
        event = read_or_refuse(raw) if isinstance(raw, Mapping | bytes) else raw
        if isinstance(event, Refused):
            problems.append(Problem(index, event.event_id, event.code, event.detail))
            continue
        entry = Staged(index, in_utc(event))
        if refusal := find_problem(entry.event, now=now):
            problems.append(_problem_of(entry, refusal))
        else:
            staged.append(entry)
    return staged, problems


def _problem_of(entry: Staged, refusal: EventRefused) -> Problem:
    return Problem(entry.index, entry.event.event_id, refusal.code, refusal.detail)


def _conflicts_among(known: Sequence[Staged]) -> list[Problem]:
    positions = find_conflicts()
    return [
        _problem_of(entry, EventRefused.because("conflict", entry.event.event_id))
        for entry in known
        if entry.index in positions
    ]


def _mark_dirty(touched: Iterable[Touched]) -> None:
    """Mark each machine's touched days; days with less than a week between them as one stretch."""
    stretch: Touched | None = None
    for day in touched:
        if stretch and stretch.machine_id == day.machine_id and day.from_at - stretch.to_at < WEEK:
            stretch = stretch._replace(to_at=max(stretch.to_at, day.to_at))
            continue
        if stretch:
            mark_dirty(machine_id=stretch.machine_id, from_at=stretch.from_at, to_at=stretch.to_at)
        stretch = day
    if stretch:
        mark_dirty(machine_id=stretch.machine_id, from_at=stretch.from_at, to_at=stretch.to_at)


def _quarantine(
    problems: Sequence[Problem],
    events: Sequence[Incoming],
    source: str,
    now: dt.datetime,
    import_run: ImportRun | None,
    origin: Origin | None,
) -> None:
    rows = [
        (problem, *(origin(problem.index) if origin else (problem.index, _raw_of(events[problem.index]))))
        for problem in problems
    ]
    keep_rows(problems=rows, source=source, now=now, import_run=import_run)


def _raw_of(event: Incoming) -> str:
    if isinstance(event, Refused):
        return event.raw
    if isinstance(event, Mapping | bytes):
        refused = read_or_refuse(event)
        return refused.raw if isinstance(refused, Refused) else write_event(refused).decode()
    return write_event(event).decode()
