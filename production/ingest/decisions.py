"""Decisions: what people do with what lies in quarantine: mend it, send it through its door again, or discard it."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from django.db.models import QuerySet

from mesassist.tenants.models import User
from mesassist.tenants.scope import tenant_tx
from production.ingest import files
from production.ingest.adapters.message import unpack_message
from production.ingest.mapping import known_mappings
from production.ingest.records import read_json, read_record
from production.ingest.refusals import EventRefused, storable
from production.ingest.registry import RegistryAway
from production.ingest.store import Incoming, Problem, Receipt, store_events
from production.models import KafkaSource, Payload, Quarantined, QuarantineStatus

ROWS_AT_ONCE = 200
MOST_AT_ONCE = 5_000
# Stands where the bytes that came were no text: what was there is not known, so it cannot be sent as it was.
REPLACED = "\ufffd"


class AlreadyDecided(Exception):
    """Somebody else decided about the row meanwhile."""


class StillRefused(Exception):
    """What was mended cannot be taken either: `code` and `detail` say why. Nothing was changed."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass
class Replayed:
    """What became of rows that were sent again: `accepted` brought something new, `duplicate` was known already.

    `refused` counts those that still cannot be taken, by cause; they wait on, unchanged. `left` rows were not tried;
    they lie after the row `last`. `away`: topics whose schema registry did not answer; one waits for it once.
    """

    accepted: int = 0
    duplicate: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    left: int = 0
    last: int = 0
    away: set[int | None] = field(default_factory=set)


def mend_row(*, row: Quarantined, mended: str, decided_by: User, now: dt.datetime) -> Receipt:
    """Send `mended` through the door that `row` came by, and close the row, in one transaction.

    `mended` is an event as JSON, the cells of a file's row as {column: text}, or the text of a Kafka record. Raises
    `StillRefused` and `AlreadyDecided`; then nothing has changed.
    """
    with tenant_tx():
        # Whoever is first holds the row until it is done; the second then finds it decided.
        if not _close([row.pk], decided_by, now, mended=storable(mended)):
            raise AlreadyDecided
        receipt = _send(row, mended, now)
        if receipt.problems:
            raise StillRefused(receipt.problems[0].code, receipt.problems[0].detail)
        if not receipt.received:
            raise StillRefused("no_event", "There is no event in this. Enter what was reported, or discard the row.")
    return receipt


def list_cells(*, row: Quarantined) -> dict[str, str] | None:
    """The cells of a file's row by column, empty ones where it did not fit the header; None where it has no cells."""
    if row.import_run is None:
        return None
    try:
        return _read_cells(row.raw)
    except EventRefused:
        spec = known_mappings().get(row.import_run.mapping)
        return dict.fromkeys(spec.needs(), "") if spec else None


def replay_rows(*, rows: QuerySet[Quarantined], decided_by: User, now: dt.datetime, after: int = 0) -> Replayed:
    """Send the waiting ones of `rows` again as they came, at most 5,000 of those after the row `after`.

    Each batch is a transaction of its own: sending again what was sent before does nothing.
    """
    waiting = rows.filter(status=QuarantineStatus.WAITING, pk__gt=after).order_by("pk")
    keys = list(waiting.values_list("pk", flat=True)[:MOST_AT_ONCE])
    told = Replayed(last=keys[-1] if keys else after)
    for number in range(0, len(keys), ROWS_AT_ONCE):
        _replay_batch(keys[number : number + ROWS_AT_ONCE], told, decided_by, now)
    told.left = waiting.filter(pk__gt=told.last).count()
    return told


def discard_rows(*, rows: QuerySet[Quarantined], decided_by: User, now: dt.datetime) -> int:
    """Set the waiting ones of `rows` aside; they stay, with who did it and when. Gives how many there were."""
    waiting = rows.filter(status=QuarantineStatus.WAITING).order_by()
    return waiting.update(status=QuarantineStatus.DISCARDED, resolved_by=decided_by, resolved_at=now, mended="")


def _close(keys: Sequence[int], decided_by: User, now: dt.datetime, *, mended: str = "") -> int:
    waiting = Quarantined.objects.filter(pk__in=keys, status=QuarantineStatus.WAITING)
    return waiting.update(status=QuarantineStatus.REPLAYED, resolved_by=decided_by, resolved_at=now, mended=mended)


# --- one batch ------------------------------------------------------------------------------------------


def _replay_batch(keys: Sequence[int], told: Replayed, decided_by: User, now: dt.datetime) -> None:
    # What somebody else holds is being decided about at this moment: it is theirs.
    held = Quarantined.objects.select_for_update(of=("self",), skip_locked=True)
    with tenant_tx():
        rows = held.filter(pk__in=keys, status=QuarantineStatus.WAITING).order_by("pk")
        sendable = [row for row in rows.select_related("import_run", "kafka_source") if _is_whole(row, told)]
        taken: list[int] = []
        for source, events in _by_source(sendable):
            taken += _replay_events(events, source, told, now)
        for row in sendable:
            taken += [] if _is_event(row) else _replay_one(row, told, now)
        _close(taken, decided_by, now)


def _is_whole(row: Quarantined, told: Replayed) -> bool:
    """Whether the row holds what came; what does not can only be mended."""
    whole = row.content is not None or REPLACED not in row.raw
    if not whole:
        told.refused[row.code] += 1
    return whole


def _is_event(row: Quarantined) -> bool:
    return row.import_run_id is None and row.kafka_source_id is None


def _by_source(rows: Iterable[Quarantined]) -> Iterator[tuple[str, list[Quarantined]]]:
    events = sorted(filter(_is_event, rows), key=lambda row: (row.source, row.pk))
    return ((source, list(group)) for source, group in groupby(events, key=lambda row: row.source))


def _replay_events(rows: list[Quarantined], source: str, told: Replayed, now: dt.datetime) -> list[int]:
    """Those that could be taken, in one batch. The others wait already: trying is not coming once more."""
    events = [row.raw.encode() for row in rows]
    receipt = store_events(events=events, source=source, now=now, keep_problems=_leave)
    told.accepted += receipt.accepted
    told.duplicate += receipt.duplicate
    told.refused.update(problem.code for problem in receipt.problems)
    refused = {problem.index for problem in receipt.problems}
    return [row.pk for index, row in enumerate(rows) if index not in refused]


def _leave(_problems: Sequence[Problem]) -> None:
    """They lie in quarantine already."""


def _replay_one(row: Quarantined, told: Replayed, now: dt.datetime) -> list[int]:
    """The row of a file or a topic, if it could be taken."""
    if row.kafka_source_id in told.away:
        told.refused["registry_away"] += 1
        return []
    try:
        with tenant_tx():
            receipt = _send(row, None, now)
            if receipt.problems:
                raise StillRefused(receipt.problems[0].code, receipt.problems[0].detail)
    except StillRefused as refusal:
        told.refused[refusal.code] += 1
        if refusal.code == "registry_away":
            told.away.add(row.kafka_source_id)
        return []
    told.accepted += receipt.accepted > 0
    told.duplicate += receipt.accepted == 0
    return [row.pk]


# --- the doors ------------------------------------------------------------------------------------------


def _send(row: Quarantined, mended: str | None, now: dt.datetime) -> Receipt:
    """Take `mended`, or without it what came, by the row's own door; raises `StillRefused`."""
    text = row.raw if mended is None else mended
    try:
        if row.import_run is not None:
            return files.retake_row(run=row.import_run, cells=_read_cells(text), line=row.position, now=now)
        if row.kafka_source is not None:
            content = bytes(row.content) if row.content is not None and mended is None else None
            events = _read_again(row.kafka_source, text, content)
        else:
            events = [text.encode()]
    except EventRefused as refusal:
        raise StillRefused(refusal.code, refusal.detail) from refusal
    except RegistryAway as away:
        raise StillRefused("registry_away", f"{away} Try again once it answers.") from away
    return store_events(events=events, source=row.source, now=now, keep_problems=_leave)


def _read_again(source: KafkaSource, text: str, content: bytes | None) -> Sequence[Incoming]:
    """The events of a record. What is an event by our contract is read as one, whatever the topic's payload: so a
    record that is no text can be mended, and an event that its schema allows and the contract does not."""
    if content is not None:
        return read_record(source=source, value=content)
    if source.payload in {Payload.JSON, Payload.AVRO} or _is_of_contract(text):
        return read_json(text.encode())
    message = unpack_message(text)
    if message is None:
        return read_record(source=source, value=text.encode())
    return read_record(source=source, value=message.value, address=message.address, stamped_at=message.stamped_at)


def _is_of_contract(text: str) -> bool:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(read, dict) and {"event_id", "kind"} <= set(read)


def _read_cells(text: str) -> dict[str, str]:
    """{column: text}; raises `EventRefused` where the row did not fit its header."""
    try:
        cells = json.loads(text)
    except ValueError:
        cells = None
    if not isinstance(cells, dict) or not all(isinstance(cell, str) for cell in cells.values()):
        raise EventRefused("wrong_cell_count", "The row does not fit the header. Enter its cells one by one.")
    return cells
