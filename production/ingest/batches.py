"""Batches: the records of one partition, decoded, stored, and their progress noted, all of it or nothing."""

import datetime as dt
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message
from django.db import DatabaseError, DataError, IntegrityError

from mesassist.tenants.scope import tenant_tx
from production.ingest.adapters import ADAPTERS
from production.ingest.contract import MachineEvent, Refused, write_event
from production.ingest.deadletters import DeadLetter, DeadLetters
from production.ingest.decoding import Record, clear_mark, find_killers, mark_decoding
from production.ingest.progress import Tally, Window, note_batch
from production.ingest.quarantine import Kept, Problem, keep
from production.ingest.records import address_of, read_value, schema_id_of, text_of
from production.ingest.refusals import EventRefused
from production.ingest.registry import RegistryAway, Schemas
from production.ingest.store import store_events
from production.models import KafkaSource

log = structlog.get_logger(__name__)
NOTHING = Tally(following=0, records=0, accepted=0, duplicate=0, quarantined=0)


@dataclass
class Plant:
    """What the batches of one source share: how to read it, and where its dead letters go."""

    source: KafkaSource
    schemas: Schemas
    letters: DeadLetters

    @classmethod
    def of(cls, source: KafkaSource) -> "Plant":
        """For a source."""
        return cls(source, Schemas(source), DeadLetters(source))


@dataclass
class Decoded:
    """Records as events: `owners` gives each event's record; `poison` why a record could not be read at all."""

    events: list[MachineEvent | Refused] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    poison: dict[int, EventRefused] = field(default_factory=dict)
    taken: int = 0
    away: RegistryAway | None = None

    def cut(self, records: int) -> None:
        """Forget everything behind the first `records` records."""
        self.taken, self.away = records, None
        events = sum(owner < records for owner in self.owners)
        del self.events[events:], self.owners[events:]
        self.poison = {index: refusal for index, refusal in self.poison.items() if index < records}


@dataclass
class Done:
    """How many of the records were taken, what became of them, and why the others were not."""

    tally: Tally
    bad: set[int]
    away: RegistryAway | None = None

    @property
    def taken(self) -> int:
        """Records."""
        return self.tally.records


def take_batch(
    *,
    plant: Plant,
    records: Sequence[Message],
    window: Window,
    suspects: tuple[int, int] | None,
    now: dt.datetime,
) -> Done:
    """Store the events of `records`, all of one partition and in order; what cannot be read goes to quarantine.

    Fewer are taken where the registry is out of reach (`away` says so), or where more bad ones came than the window
    allows. `suspects` are the offsets during which a process died; `window` is only looked at. Needs the tenant's
    scope; raises what the database raises, then nothing was stored.
    """
    source, partition = plant.source, _place(records[0])[0]
    try:
        killers, looked_at = _try_suspects(plant, records, suspects)
    except RegistryAway as away:
        return Done(NOTHING, set(), away)
    records = records[:looked_at]
    if not records:
        return Done(NOTHING, set())
    mark_decoding(source=source, partition=partition, first=_place(records[0])[1], last=_place(records[-1])[1], now=now)
    decoded = decode_records(plant=plant, records=records, killers=killers)
    clear_mark(source=source, partition=partition)
    if decoded.poison and (most := window.copy().note(decoded.taken, decoded.poison.keys())):
        decoded.cut(most)
    return _store_or_halve(plant, records[: decoded.taken], decoded, now)


def _try_suspects(plant: Plant, records: Sequence[Message], suspects: tuple[int, int] | None) -> tuple[set[int], int]:
    """(indexes of the records that kill, how many of the records were looked at)."""
    if suspects is None:
        return set(), len(records)
    first, last = suspects
    tried = [index for index, record in enumerate(records) if first <= _place(record)[1] <= last]
    tried = [index for index in tried if records[index].value() is not None]
    read = [_record_of(plant.source, records[index]) for index in tried]
    found, looked_at = find_killers(source=plant.source, records=read, schemas=plant.schemas)
    return {tried[number] for number in found}, tried[looked_at] if looked_at < len(tried) else len(records)


def decode_records(*, plant: Plant, records: Sequence[Message], killers: set[int]) -> Decoded:
    """Each record read or refused; stops before the first one that only the registry could explain."""
    source, find_schema = plant.source, plant.schemas.find
    decoded = Decoded()
    for index, record in enumerate(records):
        try:
            if index in killers:
                raise EventRefused.because("crashes_decoder")
            # A record without a value is a tombstone of a compacted topic: it tells of nothing.
            is_empty = record.value() is None
            found = () if is_empty else read_value(source.payload, _record_of(source, record), find_schema)
        except EventRefused as refusal:
            decoded.poison[index] = refusal
            continue
        except RegistryAway as away:
            decoded.away = away
            break
        except DatabaseError:
            raise
        except Exception as error:
            # A mistake of ours in reading is met by this record alone; many of them stop the partition.
            log.exception("record_unreadable", source=source.pk, offset=record.offset())
            decoded.poison[index] = EventRefused.because("undecodable", type(error).__name__)
            continue
        decoded.events += found
        decoded.owners += [index] * len(found)
    else:
        index = len(records)
    decoded.taken = index
    return decoded


def _store_or_halve(plant: Plant, records: Sequence[Message], decoded: Decoded, now: dt.datetime) -> Done:
    """Store; where the database refuses what the records say, fewer of them, down to the one that it means."""
    try:
        return store_decoded(plant=plant, records=records, decoded=decoded, now=now)
    except (DataError, IntegrityError, ValueError) as error:
        if len(records) > 1:
            decoded.cut(len(records) // 2)
            return _store_or_halve(plant, records[: decoded.taken], decoded, now)
        log.exception("record_not_storable", source=plant.source.pk, offset=records[0].offset())
        refused = Decoded(poison={0: EventRefused.because("not_storable", type(error).__name__)}, taken=1)
        return store_decoded(plant=plant, records=records, decoded=refused, now=now)


def store_decoded(*, plant: Plant, records: Sequence[Message], decoded: Decoded, now: dt.datetime) -> Done:
    """Events, quarantine, progress and dead letters in one transaction."""
    if not records:
        return Done(NOTHING, set(), decoded.away)
    source = plant.source
    problems: list[Problem] = []
    with tenant_tx():
        accepted = duplicate = 0
        if decoded.events:
            receipt = store_events(events=decoded.events, source=source.name, now=now, keep_problems=problems.extend)
            accepted, duplicate = receipt.accepted, receipt.duplicate
        entries = _kept(source, records, decoded, problems)
        if entries:
            keep(entries=[kept for _, kept in entries], source=source.name, now=now, kafka_source=source)
        partition, last = _place(records[-1])
        tally = Tally(last + 1, len(records), accepted, duplicate, len(entries))
        note_batch(source=source, partition=partition, tally=tally, now=now)
        bad = {index for index, _ in entries}
        # Before the commit: a letter that cannot be sent takes everything back, and the records come again.
        plant.letters.send(_letters(records, entries))
    return Done(tally, bad, decoded.away)


def _kept(
    source: KafkaSource, records: Sequence[Message], decoded: Decoded, problems: Sequence[Problem]
) -> list[tuple[int, Kept]]:
    """(record, what goes into quarantine) for every record that could not be read and event that was not taken."""
    entries = [(index, _kept_record(source, records[index], refusal)) for index, refusal in decoded.poison.items()]
    for problem in problems:
        index = decoded.owners[problem.index]
        record, event = records[index], decoded.events[problem.index]
        within = problem.index - bisect_left(decoded.owners, index)
        raw = event.raw if isinstance(event, Refused) else write_event(event).decode()
        schema_id = schema_id_of(source.payload, record.value() or b"")
        said = problem.code, problem.detail, problem.event_id
        entries.append((index, Kept(*said, within, raw, None, *_place(record), schema_id)))
    return entries


def _kept_record(source: KafkaSource, record: Message, refusal: EventRefused) -> Kept:
    value = record.value() or b""
    partition, offset = _place(record)
    schema_id = schema_id_of(source.payload, value)
    return Kept(refusal.code, refusal.detail, "", 0, text_of(value), value, partition, offset, schema_id)


def _letters(records: Sequence[Message], entries: Sequence[tuple[int, Kept]]) -> list[DeadLetter]:
    """One letter for each record, with its first cause."""
    first = dict(reversed(entries))
    return [DeadLetter(records[index], kept.code, kept.detail, kept.schema_id) for index, kept in sorted(first.items())]


def _record_of(source: KafkaSource, record: Message) -> Record:
    value = record.value() or b""
    if source.payload not in ADAPTERS:
        return value, "", None
    kind, millis = record.timestamp()
    stamped_at = None if kind == TIMESTAMP_NOT_AVAILABLE else dt.datetime.fromtimestamp(millis / 1000, dt.UTC)
    return value, address_of(record.key(), source.topic), stamped_at


def _place(record: Message) -> tuple[int, int]:
    """Partition and offset; the library's types allow for records that were never produced."""
    partition, offset = record.partition(), record.offset()
    assert partition is not None and offset is not None  # noqa: S101, PT018 - for the type checker
    return partition, offset
