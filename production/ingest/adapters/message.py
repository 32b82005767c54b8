"""Message: a record of somebody else's vocabulary, and what every adapter needs to read it."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from production.ingest.contract import RAW_KEPT, Refused
from production.ingest.refusals import EventRefused, storable

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# Before 1973 in milliseconds, up to the year 5138 in seconds: such a number was meant in seconds.
LOOKS_LIKE_SECONDS = 100_000_000_000


@dataclass(frozen=True)
class Message:
    """What came: the address it was published under (levels between `/`, or `.` on Kafka), and its bytes.

    `stamped_at` is the transport's own stamp (UTC), for vocabularies whose messages carry none.
    """

    address: str
    value: bytes
    stamped_at: dt.datetime | None = None

    @property
    def levels(self) -> list[str]:
        """The address, level by level."""
        return self.address.split("/" if "/" in self.address else ".")

    def read(self) -> Any:
        """The value as JSON; raises `EventRefused`."""
        try:
            return msgspec.json.decode(self.value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise EventRefused.because("invalid_json", str(error)) from error

    def read_object(self) -> dict[str, Any]:
        """The value as a JSON object; raises `EventRefused`."""
        found = self.read()
        if not isinstance(found, dict):
            raise EventRefused.because("invalid_json", f"it is {type(found).__name__}, not an object")
        return found

    def refuse(self, refusal: EventRefused) -> Refused:
        """The whole message as it came, with why it cannot be taken."""
        return Refused(refusal.code, f"{storable(self.address)[:200]}: {refusal.detail}", raw=self.pack())

    def pack(self) -> str:
        """The message as one text, from which `unpack_message` makes it again: its value alone names no machine."""
        told = {"address": storable(self.address), "value": storable(self.value.decode(errors="replace"))[:RAW_KEPT]}
        if self.stamped_at is not None:
            told["stamped_at"] = self.stamped_at.isoformat()
        return json.dumps(told, ensure_ascii=False)


def unpack_message(text: str) -> Message | None:
    """The message that `pack` made a text of, or None: it is something else."""
    try:
        told = json.loads(text)
        stamp = told.get("stamped_at")
        stamped_at = dt.datetime.fromisoformat(stamp).astimezone(dt.UTC) if stamp else None
        return Message(told["address"], told["value"].encode(), stamped_at)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def identify(machine: str, *said: object) -> str:
    """An event id made of what is said: the same message twice, or a value in two messages, is one event."""
    return hashlib.sha256(msgspec.json.encode([machine, *said])).hexdigest()[:40]


def read_millis(payload: Mapping[str, Any], field: str) -> dt.datetime:
    """The moment in `payload[field]`, milliseconds since 1970; raises `EventRefused`, also for plain seconds."""
    value = payload.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EventRefused.because("missing_field" if value is None else "invalid_timestamp", field)
    if 0 < value < LOOKS_LIKE_SECONDS:
        meant = EPOCH + dt.timedelta(seconds=value)
        raise EventRefused.because("seconds_for_milliseconds", field, f"{value:.0f}", f"{meant:%Y-%m-%d %H:%M}")
    try:
        return EPOCH + dt.timedelta(milliseconds=value)
    except OverflowError as error:
        raise EventRefused.because("invalid_timestamp", field) from error


def read_number(value: object) -> float | None:
    """The number that a value is, also where it travels as text; None for anything else."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return None
