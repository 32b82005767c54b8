"""Store: events of every door, staged by COPY, inserted once, counted, and their stretch of time marked dirty."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection

from mesassist.tenants.scope import current_tenant, tenant_tx
from production.ingest.codes import Created, Ids, resolve_codes
from production.ingest.contract import (
    EARLIEST,
    CounterEvent,
    CountEvent,
    MachineEvent,
    MeasurementEvent,
    Refused,
    StateEvent,
    find_problem,
    hash_content,
    in_utc,
    read_or_refuse,
    write_event,
)
from production.ingest.quarantine import Problem, keep_rows
from production.ingest.refusals import EventRefused
from production.ingest.staging import Staged, find_conflicts, insert_once, open_staging, stage_events
from production.models import ImportRun
from production.partitions import are_ready, enter_default, kept_from, months_of, prepare_months

__all__ = ["Incoming", "Origin", "Problem", "Receipt", "store_events"]

Incoming = MachineEvent | Refused | Mapping[str, Any] | bytes
# (position, raw content) of the event at an index: a file answers with its line.
Origin = Callable[[int], tuple[int, str]]
# Puts a batch's problems into quarantine, for a door that knows more about where its events came from.
KeepProblems = Callable[[Sequence[Problem]], None]
READ = frozenset((StateEvent, CountEvent, CounterEvent, MeasurementEvent))


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
    keep_problems: KeepProblems | None = None,
) -> Receipt:
    """Take what is new, acknowledge what is known, quarantine the rest; all of it, or nothing, in one transaction.

    `source` is the default for events that name none. The same id with the same content is a duplicate; with other
    content, under whatever stamp, also within the batch, it is a conflict and overwrites nothing. Needs an active
    tenant scope. Outside a transaction of the caller's it waits `INGEST_TIMEOUT_S` at most, then `OperationalError`.
    """
    entries, problems = _read_all(events, now=now)
    months = months_of([event.at for _, event, _ in entries])
    prepare_months(months=months)
    is_alone = not connection.in_atomic_block
    with tenant_tx():
        open_staging(patience_s=settings.INGEST_TIMEOUT_S if is_alone else None)
        if not are_ready(months=months):
            enter_default()
        ids = resolve_codes(events=[event for _, event, _ in entries], import_run=import_run)
        entries, strangers = _part_strangers(entries, ids)
        problems += strangers
        accepted = 0
        if entries:
            accepted, conflicts = _insert(entries, ids=ids, source=source, now=now, import_run=import_run)
            problems += conflicts
        if problems and keep_problems:
            keep_problems(problems)
        elif problems:
            _quarantine(problems, events, source, now, import_run, origin)
    return Receipt(
        received=len(events),
        accepted=accepted,
        duplicate=len(events) - accepted - len(problems),
        quarantined=len(problems),
        problems=tuple(sorted(problems, key=lambda problem: problem.index)),
        created=ids.created,
    )


def _read_all(events: Sequence[Incoming], *, now: dt.datetime) -> tuple[list[Staged], list[Problem]]:
    """What can be staged, in UTC with its hash, and why the rest cannot."""
    entries: list[Staged] = []
    problems: list[Problem] = []
    horizon = kept_from(tenant=current_tenant(), now=now)
    earliest = max(EARLIEST, horizon or EARLIEST)
    for index, raw in enumerate(events):
        event: Any = raw if type(raw) in READ else _read(raw)
        if isinstance(event, Refused):
            problems.append(Problem(index, event.event_id, event.code, event.detail))
            continue
        # Most events are beyond doubt at one look: past, of the key's own source, and no interval.
        is_plain = earliest <= event.at <= now and event.source is None
        is_plain = is_plain and (type(event) is not StateEvent or event.until is None)
        if not is_plain and (refusal := find_problem(event, now=now, kept_from=horizon)):
            problems.append(_problem_of(index, event, refusal))
            continue
        # After that look, because the calendar's first and last day have no time in UTC.
        event = in_utc(event)
        entries.append((index, event, hash_content(event)))
    return entries, problems


def _read(raw: Incoming) -> MachineEvent | Refused:
    return read_or_refuse(raw) if isinstance(raw, Mapping | bytes) else raw


def _problem_of(index: int, event: MachineEvent, refusal: EventRefused) -> Problem:
    return Problem(index, event.event_id, refusal.code, refusal.detail)


def _part_strangers(entries: list[Staged], ids: Ids) -> tuple[list[Staged], list[Problem]]:
    """The events of known machines, and a problem for each of the others."""
    machines = ids.machines
    if {event.machine for _, event, _ in entries} <= machines.keys():
        return entries, []
    known = [entry for entry in entries if entry[1].machine in machines]
    strangers = [
        _problem_of(index, event, EventRefused.because("unknown_machine", event.machine))
        for index, event, _ in entries
        if event.machine not in machines
    ]
    return known, strangers


def _insert(
    entries: Sequence[Staged], *, ids: Ids, source: str, now: dt.datetime, import_run: ImportRun | None
) -> tuple[int, list[Problem]]:
    """The number of events taken, and the conflicts among those that were not."""
    firsts, repeats = _part_repeats(entries, source)
    stage_events(entries=firsts, ids=ids, source=source)
    accepted = insert_once(now=now, import_run=import_run)
    if accepted == len(entries):
        return accepted, []
    if repeats:
        stage_events(entries=repeats, ids=ids, source=source)
    positions = find_conflicts()
    conflicts = [
        _problem_of(index, event, EventRefused.because("conflict", event.event_id))
        for index, event, _ in entries
        if index in positions
    ]
    return accepted, conflicts


def _part_repeats(entries: Sequence[Staged], source: str) -> tuple[Sequence[Staged], Sequence[Staged]]:
    """The first event of each id, and those that use an id again: one statement must not see an id twice."""
    if len({event.event_id for _, event, _ in entries}) == len(entries):
        return entries, ()
    seen = {(event.source or source, event.event_id): entry for entry in reversed(entries) for event in (entry[1],)}
    firsts = {entry[0] for entry in seen.values()}
    return [entry for entry in entries if entry[0] in firsts], [entry for entry in entries if entry[0] not in firsts]


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
