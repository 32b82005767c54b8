"""Records: what one Kafka record says, as events of our contract, by the payload of the source that it came from."""

import datetime as dt
import re
from collections.abc import Callable, Sequence

import msgspec

from production.ingest.adapters import ADAPTERS
from production.ingest.adapters.message import Message
from production.ingest.avro import Schema, decode_record, read_header
from production.ingest.contract import BatchRefused, MachineEvent, Refused, read_batch, read_event, read_or_refuse
from production.ingest.decoding import Record
from production.ingest.refusals import EventRefused
from production.ingest.registry import Schemas
from production.models import KafkaSource, Payload

RECORD_BYTES = 4 * 1024 * 1024
EVENTS_PER_RECORD = 5_000
ADDRESS_CHARACTERS = 500
# A record of several events is a list, or the body that the REST door takes.
SEVERAL = re.compile(rb'\s*(\[|\{\s*"events"\s*:)')


_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def read_record(
    *,
    source: KafkaSource,
    value: bytes,
    address: str = "",
    stamped_at: dt.datetime | None = None,
    schemas: Schemas | None = None,
) -> list[MachineEvent | Refused]:
    """The events of one record, each read or refused; an empty list says that it tells of none on purpose.

    `address` (default: the topic) and `stamped_at` are the record's key and own stamp. Raises `EventRefused` when the
    record as a whole cannot be read, `RegistryAway` when nobody can say yet. Needs the tenant's scope.
    """
    own = schemas or Schemas(source)
    try:
        return list(read_value(source.payload, (value, address or source.topic, stamped_at), own.find))
    finally:
        if schemas is None:
            own.close()


def read_value(payload: str, record: Record, find_schema: Callable[[int], Schema]) -> Sequence[MachineEvent | Refused]:
    """The same for a record whose schema, if it names one, `find_schema` knows."""
    value, address, stamped_at = record
    if len(value) > RECORD_BYTES:
        raise EventRefused.because("too_large", len(value), RECORD_BYTES)
    if payload == Payload.JSON:
        return read_json(value)
    if payload == Payload.AVRO:
        return (read_avro(value, find_schema),)
    translated = ADAPTERS[payload](Message(address, value, stamped_at))
    return [told if isinstance(told, Refused) else read_or_refuse(told) for told in translated]


def read_json(value: bytes) -> Sequence[MachineEvent | Refused]:
    """One event, a list of events, or {"events": [...]}."""
    found = SEVERAL.match(value)
    if not found:
        return (read_event(value),)
    if found.group(1) != b"[":
        try:
            return read_batch(value, limit=EVENTS_PER_RECORD)
        except BatchRefused as refusal:
            raise EventRefused(refusal.code, str(refusal)) from refusal
    try:
        raws = _LIST.decode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise EventRefused.because("invalid_json", str(error)) from error
    if len(raws) > EVENTS_PER_RECORD:
        raise EventRefused.because("too_many_events", len(raws), EVENTS_PER_RECORD)
    return [read_or_refuse(bytes(raw)) for raw in raws]


def read_avro(value: bytes, find_schema: Callable[[int], Schema]) -> MachineEvent | Refused:
    """The event of a record in the Confluent wire format; one that fits its schema and not the contract is refused."""
    schema = find_schema(read_header(value))
    return read_or_refuse(decode_record(value, schema))


def schema_id_of(payload: str, value: bytes) -> int | None:
    """The id in front of an Avro record, where there is one."""
    if payload != Payload.AVRO:
        return None
    try:
        return read_header(value)
    except EventRefused:
        return None


def address_of(key: bytes | None, topic: str) -> str:
    """What the record was published under: bridges from MQTT put that into the key."""
    return key.decode(errors="replace")[:ADDRESS_CHARACTERS] if key else topic


def text_of(value: bytes) -> str:
    """The record for people: its text, or the bytes as hexadecimal digits when they are none."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()
