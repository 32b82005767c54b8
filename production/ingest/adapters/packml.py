"""PackML: status and counter tags of ISA-TR88 (`<site>/<area>/<line>/Status/...`) told as our events."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from production.ingest.adapters.message import Message, identify, read_millis, read_number
from production.ingest.contract import Refused
from production.ingest.refusals import EventRefused

Event = Mapping[str, Any]

# Number, name and our state. Held is a cause within the machine, Suspended one before or behind it.
STATES: tuple[tuple[int, str, str], ...] = (
    (0, "Undefined", "unknown"),
    (1, "Clearing", "down"),
    (2, "Stopped", "idle"),
    (3, "Starting", "idle"),
    (4, "Idle", "idle"),
    (5, "Suspended", "idle"),
    (6, "Execute", "running"),
    (7, "Stopping", "idle"),
    (8, "Aborting", "down"),
    (9, "Aborted", "down"),
    (10, "Holding", "down"),
    (11, "Held", "down"),
    (12, "Unholding", "down"),
    (13, "Suspending", "idle"),
    (14, "Unsuspending", "idle"),
    (15, "Resetting", "idle"),
    (16, "Completing", "idle"),
    (17, "Complete", "idle"),
)
BY_NUMBER = {number: (name, state) for number, name, state in STATES}
BY_NAME = {name.lower(): (name, state) for _, name, state in STATES}

# AccCount never falls but for a reset; Count starts anew with every order and would count the same pieces twice.
COUNTERS = {"ProdProcessedCount": "processed", "ProdDefectiveCount": "defective"}
STATE_TAGS = frozenset({"StateCurrent", "StateCurrentStr"})
MEASURED = frozenset({"CurMachSpeed", "MachSpeed", "MachDesignSpeed"})
DEPTH = 3


def translate_packml(message: Message) -> list[Event | Refused]:
    """The events of one tag; the machine is the third level of its address (PackML's line is one machine).

    The value is plain (`6`, `"Execute"`), or an object with `value` and `timestamp` in milliseconds. Without one the
    transport's stamp holds.
    """
    try:
        return list(_translate(message))
    except EventRefused as refusal:
        return [message.refuse(refusal)]


def _translate(message: Message) -> Iterator[Event]:
    levels = message.levels
    if len(levels) <= DEPTH + 1 or levels[DEPTH] not in {"Status", "Admin", "Command"}:
        raise EventRefused.because("unmapped_message", message.address)
    machine, family, tag = levels[DEPTH - 1], levels[DEPTH], levels[DEPTH + 1]
    if family == "Command":
        return  # what somebody wants the machine to do is not what it does
    if tag in STATE_TAGS:
        value, at = _read(message)
        name, state = read_state(value)
        reason = None if state in {"running", "unknown"} else name
        yield _event(machine, "state", at, state=state, reason=reason)
    elif tag in COUNTERS and levels[-1] == "AccCount":
        # Each index is a material with a counter of its own; their pieces add up.
        yield _number(message, machine, "counter", ".".join([COUNTERS[tag], *levels[DEPTH + 2 : -1]]))
    elif tag in MEASURED:
        yield _number(message, machine, "measurement", tag)


def read_state(value: object) -> tuple[str, str]:
    """(PackML name, our state) of a number or a name; raises `EventRefused` for neither."""
    number = read_number(value)
    found = BY_NUMBER.get(int(number)) if number is not None else BY_NAME.get(str(value).strip().lower())
    if found is None:
        raise EventRefused.because("unmapped_state", value)
    return found


def _number(message: Message, machine: str, kind: str, name: str) -> Event:
    value, at = _read(message)
    number = read_number(value)
    if number is None:
        raise EventRefused("invalid_number", f"{value!r} is not a number. Send {name} as one.")
    return _event(machine, kind, at, name=name, value=number)


def _read(message: Message) -> tuple[object, dt.datetime]:
    """(value, moment). A bare word is a text: PackML gateways publish `Execute` without quotes."""
    try:
        value = message.read()
    except EventRefused:
        value = message.value.decode(errors="replace").strip()
        if not value.isalpha():
            raise
    if isinstance(value, Mapping):
        stamped = "timestamp" in value
        at = read_millis(value, "timestamp") if stamped else message.stamped_at
        value = value.get("value")
    else:
        at = message.stamped_at
    if at is None:
        raise EventRefused.because("missing_field", "timestamp")
    return value, at


def _event(machine: str, kind: str, at: dt.datetime, **said: object) -> Event:
    given = {name: value for name, value in said.items() if value is not None}
    key = identify(machine, kind, at.isoformat(), sorted(given.items()))
    return {"event_id": key, "machine": machine, "at": at.isoformat(), "kind": kind, **given}
