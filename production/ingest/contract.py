"""Contract: the event as it travels (CONTRACT.md 2), read and validated in one compiled pass.

The only place that knows the names of the wire. A field may be added (optional, at the end of its class), never
renamed or moved: the content hash of stored events depends on names and order.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from production.entries import INFERENCE, MANUAL
from production.ingest.refusals import EventRefused, explain, storable

FUTURE_TOLERANCE = dt.timedelta(minutes=5)
# A clock before this has lost its battery: it stamps 1970 or 1601.
EARLIEST = dt.datetime(1980, 1, 1, tzinfo=dt.UTC)
RAW_KEPT = 20_000

Code = Annotated[str, Meta(min_length=1, max_length=64)]
Moment = Annotated[dt.datetime, Meta(tz=True)]
Pieces = Annotated[float, Meta(ge=0, le=1e12)]
# Bounds rather than nothing: they refuse the infinities that a caller within the process could hand over.
Reading = Annotated[float, Meta(ge=-1e300, le=1e300)]
Order = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Comment = Annotated[str, Meta(max_length=4000)]
StateName = Literal["running", "idle", "setup", "planned_stop", "down", "unknown"]


class Reported(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind", gc=False
):
    """What every event says: which machine, when, and an id that is unique in its source."""

    event_id: Code
    machine: Code
    at: Moment
    source: Code | None = None
    # The source's own order of arrival: it decides between events of one moment.
    sequence: Order | None = None


class StateEvent(Reported, frozen=True, tag="state"):
    """The machine is in `state` from `at` on: to `until` if the source reports a finished interval."""

    state: StateName
    reason: Code | None = None
    comment: Comment | None = None
    order: Code | None = None
    product: Code | None = None
    operator: Code | None = None
    until: Moment | None = None

    def __post_init__(self) -> None:
        if self.until is not None and self.until < self.at:
            raise ValueError("ends_before_start")


class CountEvent(Reported, frozen=True, tag="count"):
    """Pieces made since the last count."""

    good: Pieces | None = None
    scrap: Pieces | None = None
    rework: Pieces | None = None
    reason: Code | None = None
    product: Code | None = None
    order: Code | None = None

    def __post_init__(self) -> None:
        if self.good is None and self.scrap is None and self.rework is None:
            raise ValueError("empty_count")


class CounterEvent(Reported, frozen=True, tag="counter", rename={"maximum": "max"}):
    """The absolute reading of a counter; `maximum` is where it rolls over."""

    name: Code
    value: Reading
    maximum: Pieces | None = None


class MeasurementEvent(Reported, frozen=True, tag="measurement"):
    """A measured value."""

    name: Code
    value: Reading
    unit: Annotated[str, Meta(max_length=16)] | None = None


MachineEvent = StateEvent | CountEvent | CounterEvent | MeasurementEvent


class Batch(Struct, forbid_unknown_fields=True):
    """The body of one request."""

    events: list[MachineEvent]


class RawBatch(Struct, forbid_unknown_fields=True):
    """The same, with each event left unread so that a bad one does not spoil the others."""

    events: list[msgspec.Raw]


@dataclass(frozen=True)
class Refused:
    """An event that cannot be taken: why, and what came."""

    code: str
    detail: str
    event_id: str = ""
    raw: str = ""


class BatchRefused(Exception):
    """The whole body cannot be read; `code` and the message say why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


_EVENT = msgspec.json.Decoder(MachineEvent)
_BATCH = msgspec.json.Decoder(Batch)
_RAW_BATCH = msgspec.json.Decoder(RawBatch)
_ENCODER = msgspec.json.Encoder()


def read_event(raw: Mapping[str, Any] | bytes) -> MachineEvent:
    """One event, validated; raises `EventRefused` with a code and a sentence that says what to send instead."""
    try:
        if isinstance(raw, bytes):
            event: MachineEvent = _EVENT.decode(raw)
            if not _is_plain(raw, event):
                _refuse_what_json_hides(raw, event)
        else:
            event = msgspec.convert(dict(raw), MachineEvent)
            _refuse_unstorable_text(event)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise explain(error) from error
    return event


def read_batch(body: bytes, *, limit: int) -> Sequence[MachineEvent | Refused]:
    """The events of `{"events": [...]}`, in order, each read or refused; raises `BatchRefused` when it is no batch."""
    try:
        batch = _BATCH.decode(body)
        if _is_plain(body, batch) and len(batch.events) <= limit:
            return batch.events
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass  # some event is bad, or all of it: the slow way says which
    try:
        raws = _RAW_BATCH.decode(body).events
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BatchRefused("invalid", f'Send {{"events": [...]}}: {error}.') from error
    _check_size(len(raws), limit)
    return [read_or_refuse(bytes(raw)) for raw in raws]


def read_lines(body: bytes, *, limit: int) -> Sequence[MachineEvent | Refused]:
    """The events of newline-delimited JSON, in order, each read or refused; blank lines do not count."""
    lines = [line for line in body.splitlines() if line.strip()]
    _check_size(len(lines), limit)
    return [read_or_refuse(line) for line in lines]


def read_or_refuse(raw: Mapping[str, Any] | bytes) -> MachineEvent | Refused:
    """The event, or why it cannot be taken together with what came."""
    try:
        return read_event(raw)
    except EventRefused as refusal:
        return Refused(refusal.code, refusal.detail, event_id=_event_id_of(raw), raw=_text_of(raw))


def find_problem(event: MachineEvent, *, now: dt.datetime, kept_from: dt.datetime | None = None) -> EventRefused | None:
    """What is wrong with the source or the stamps of a readable event at this moment, or None.

    Events before `kept_from` are no longer kept.
    """
    if event.source is not None and is_reserved(event.source):
        return EventRefused.because("reserved_source", event.source)
    if event.at < EARLIEST:
        return EventRefused.because("implausible_timestamp", EARLIEST.year)
    if kept_from is not None and event.at < kept_from:
        return EventRefused.because("before_retention", kept_from.date())
    latest = now + FUTURE_TOLERANCE
    if event.at > latest or (type(event) is StateEvent and event.until is not None and event.until > latest):
        return EventRefused.because("future_timestamp")
    return None


def is_reserved(source: str) -> bool:
    """Whether the name would give an event more, or less, authority than a machine's own word."""
    return source.partition(":")[0] == MANUAL or source.startswith(INFERENCE)


def in_utc(event: MachineEvent) -> MachineEvent:
    """The same event with its stamps in UTC: the same moment written with another offset is the same content."""
    changed: dict[str, dt.datetime] = {}
    if event.at.tzinfo is not dt.UTC:
        changed["at"] = event.at.astimezone(dt.UTC)
    if type(event) is StateEvent and event.until is not None and event.until.tzinfo is not dt.UTC:
        changed["until"] = event.until.astimezone(dt.UTC)
    return msgspec.structs.replace(event, **changed) if changed else event


def hash_content(event: MachineEvent) -> bytes:
    """16 bytes that two events of `in_utc` share exactly when they say the same."""
    return hashlib.blake2b(_ENCODER.encode(event), digest_size=16).digest()


def write_event(event: MachineEvent) -> bytes:
    """The event as it travels."""
    return _ENCODER.encode(event)


# --- what a JSON decoder lets through ------------------------------------------------------------------


def _is_plain(raw: bytes, read: object) -> bool:
    """Whether `raw` can hide nothing: no escaped NUL or quote, and every key and text in it came out again.

    The decoder keeps the last of two equal keys. Writing what was read costs a tenth of looking at every key: a key
    that got lost shows in the number of quotes.
    """
    return b"\\u0000" not in raw and b"\\u0022" not in raw and raw.count(b'"') == _ENCODER.encode(read).count(b'"')


def _refuse_what_json_hides(raw: bytes, event: MachineEvent) -> None:
    def take_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        taken = dict(pairs)
        if len(taken) < len(pairs):
            raise EventRefused.because("duplicate_key")
        return taken

    json.loads(raw, object_pairs_hook=take_once)
    _refuse_unstorable_text(event)


def _refuse_unstorable_text(event: MachineEvent) -> None:
    for value in msgspec.structs.astuple(event):
        if type(value) is str:
            if "\x00" in value:
                raise EventRefused.because("nul_character")
            value.encode()  # a lone surrogate raises UnicodeEncodeError


def _check_size(count: int, limit: int) -> None:
    if count > limit:
        raise BatchRefused("too_many_events", f"{count} events at once; send at most {limit}, in several requests.")


def _event_id_of(raw: Mapping[str, Any] | bytes) -> str:
    """The id if it can be found in something that could not be read."""
    try:
        found = msgspec.json.decode(raw) if isinstance(raw, bytes) else raw
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""
    value = found.get("event_id", "") if isinstance(found, Mapping) else ""
    return storable(value if isinstance(value, str) else str(value))[:200]


def _text_of(raw: Mapping[str, Any] | bytes) -> str:
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else json.dumps(raw, default=str, ensure_ascii=False)
    return storable(text)[:RAW_KEPT]
