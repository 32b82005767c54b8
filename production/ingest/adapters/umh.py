"""UMH: messages of the United Manufacturing Hub (`ia/...` and `umh/v1/...` topics) told as our events."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from production.ingest.adapters.message import Message, identify, read_millis, read_number
from production.ingest.contract import Refused
from production.ingest.refusals import EventRefused

Event = Mapping[str, Any]
Payload = Mapping[str, Any]

# (first code, state, reason): each holds up to the next. A stop that UMH itself does not explain stays unclassified.
STATES: tuple[tuple[int, str, str], ...] = (
    (10_000, "running", ""),
    (30_000, "unknown", ""),
    (40_000, "down", ""),
    (60_000, "idle", "InletJam"),
    (70_000, "idle", "OutletJam"),
    (80_000, "idle", "CongestionBypass"),
    (90_000, "idle", "MaterialIssueOther"),
    (100_000, "setup", "Changeover"),
    (110_000, "planned_stop", "Cleaning"),
    (120_000, "planned_stop", "Emptying"),
    (130_000, "setup", "SettingUp"),
    (140_000, "idle", "OperatorNotAtMachine"),
    (150_000, "planned_stop", "OperatorBreak"),
    (160_000, "planned_stop", "NoShift"),
    (170_000, "planned_stop", "NoOrder"),
    (180_000, "down", "EquipmentFailure"),
    (190_000, "down", "ExternalFailure"),
    (200_000, "down", "ExternalInterference"),
    (210_000, "planned_stop", "PreventiveMaintenance"),
    (220_000, "down", "TechnicalOther"),
)
FIRST_CODES = [code for code, _, _ in STATES]
AFTER_LAST = 230_000

# Master data, orders, shifts and texts: known, and no event of a machine.
ASIDE = frozenset(
    {
        *("addOrder", "startOrder", "endOrder", "addProduct", "addShift", "deleteShift", "addParentToChild"),
        *("productTag", "productTagString", "processValueString", "recommendation", "maintenanceActivity"),
        *("work-order", "product-type", "shift"),
    }
)


def translate_umh(message: Message) -> list[Event | Refused]:
    """The events of one message; its machine is the last level of the location."""
    try:
        return list(_translate(message))
    except EventRefused as refusal:
        return [message.refuse(refusal)]


def _translate(message: Message) -> Iterator[Event]:
    machine, kind, rest = _place(message.levels)
    if kind in ASIDE:
        return
    payload = message.read_object()
    if kind in {"_historian", "processValue"}:
        yield from _measurements(machine, payload, ".".join(rest))
    elif kind in TRANSLATIONS:
        yield TRANSLATIONS[kind](machine, payload)
    else:
        raise EventRefused.because("unmapped_message", kind)


def _place(levels: list[str]) -> tuple[str, str, list[str]]:
    """(machine, kind of message, what follows the kind)."""
    if levels[0] == "ia" and len(levels) == 5:
        return levels[3], levels[4], []
    if levels[:2] == ["umh", "v1"]:
        schema = next((place for place, level in enumerate(levels) if level.startswith("_")), 0)
        if schema > 2:
            machine, rest = levels[schema - 1], levels[schema + 1 :]
            if levels[schema] == "_analytics" and rest:
                # work-order/create, product/add, state/overwrite; what is no state or product is left aside as a whole.
                return machine, rest[0] if rest[0] in ASIDE else "/".join(rest), []
            return machine, levels[schema], rest
    raise EventRefused.because("unmapped_message", "/".join(levels))


def _state(machine: str, payload: Payload) -> Event:
    return _said(machine, payload, payload.get("state"), "timestamp_ms")


def _modified(machine: str, payload: Payload) -> Event:
    return _said(machine, payload, payload.get("new_state"), "timestamp_ms", "timestamp_ms_end")


def _added(machine: str, payload: Payload) -> Event:
    return _said(machine, payload, payload.get("state"), "start_time_unix_ms")


def _overwritten(machine: str, payload: Payload) -> Event:
    return _said(machine, payload, payload.get("state"), "start_time_unix_ms", "end_time_unix_ms")


def _said(machine: str, payload: Payload, code: object, start: str, end: str = "") -> Event:
    """A state from its code; with an end it is an interval, which lies over what was said point by point."""
    state, reason = read_code(code)
    at = read_millis(payload, start)
    until = read_millis(payload, end) if end else None
    return _event(machine, "state", at=at, state=state, reason=reason or None, until=until)


def read_code(code: object) -> tuple[str, str]:
    """(state, reason or "") of a state code of UMH; raises `EventRefused` for a code outside the table."""
    number = read_number(code)
    if number is None or not FIRST_CODES[0] <= number < AFTER_LAST:
        raise EventRefused.because("unmapped_state", code)
    _, state, reason = STATES[bisect_right(FIRST_CODES, number) - 1]
    return state, reason


def _activity(machine: str, payload: Payload) -> Event:
    if not isinstance(payload.get("activity"), bool):
        raise EventRefused.because("missing_field", "activity")
    at = read_millis(payload, "timestamp_ms")
    return _event(machine, "state", at=at, state="running" if payload["activity"] else "down")


def _anomaly(machine: str, payload: Payload) -> Event:
    at = read_millis(payload, "timestamp_ms")
    return _event(machine, "state", at=at, state="down", reason=payload.get("detectedAnomaly"))


def _count(machine: str, payload: Payload) -> Event:
    return _pieces(machine, payload, "timestamp_ms", "count", "scrap")


def _product(machine: str, payload: Payload) -> Event:
    counted = _pieces(machine, payload, "end_time_unix_ms", "quantity", "bad_quantity")
    return {**counted, "product": payload.get("external_product_type_id")}


def _pieces(machine: str, payload: Payload, at: str, made: str, bad: str) -> Event:
    """UMH counts what was made, bad pieces included."""
    total, scrap = read_number(payload.get(made)), read_number(payload.get(bad, 0))
    if total is None or scrap is None:
        raise EventRefused.because("missing_field", made if total is None else bad)
    if scrap > total:
        raise EventRefused.because("more_scrap_than_made", f"{scrap:g}", f"{total:g}")
    return _event(machine, "count", at=read_millis(payload, at), good=total - scrap, scrap=scrap)


def _unique_product(machine: str, payload: Payload) -> Event:
    scrap = payload.get("isScrap") is True
    at = read_millis(payload, "end_timestamp_ms")
    event = _event(
        machine, "count", at=at, good=float(not scrap), scrap=float(scrap), product=payload.get("product_id")
    )
    # Two pieces may end in the same millisecond: it is the piece's own id that tells them apart.
    return {**event, "event_id": identify(machine, "piece", payload.get("uniqueProductAlternativeID"), at.isoformat())}


def _measurements(machine: str, payload: Payload, group: str) -> Iterator[Event]:
    """One measurement per number, named by its path; texts are left aside."""
    at = read_millis(payload, "timestamp_ms")
    tags = {name: value for name, value in payload.items() if name != "timestamp_ms"}
    for name, value in _leaves(tags, group):
        number = None if isinstance(value, str) else read_number(value)
        if number is not None:
            yield _event(machine, "measurement", at=at, name=name, value=number)


def _leaves(tags: Payload, path: str) -> Iterator[tuple[str, object]]:
    """(name, value) of what is not a group itself."""
    open_groups = [(path, tags)]
    while open_groups:
        place, group = open_groups.pop()
        for name, value in group.items():
            full = f"{place}.{name}" if place else name
            if isinstance(value, dict):
                open_groups.append((full, value))
            else:
                yield full, value


def _event(machine: str, kind: str, **said: Any) -> Event:
    """An event with an id made of what it says; what is None is left out."""
    given = {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in said.items()
        if value is not None
    }
    return {"event_id": identify(machine, kind, sorted(given.items())), "machine": machine, "kind": kind, **given}


TRANSLATIONS: dict[str, Callable[[str, Payload], Event]] = {
    "state": _state,
    "modifyState": _modified,
    "activity": _activity,
    "detectedAnomaly": _anomaly,
    "count": _count,
    "uniqueProduct": _unique_product,
    "product/add": _product,
    "state/add": _added,
    "state/overwrite": _overwritten,
}
