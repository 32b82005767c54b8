"""Sparkplug: metrics of Sparkplug B messages in JSON (`spBv1.0/<group>/<type>/<node>[/<device>]`) told as our events.

A birth certificate repeats the last known values: each metric keeps its own stamp, and an id made of what it says, so
that a value told again is a duplicate and no event of the moment of birth.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from production.ingest.adapters.message import Message, identify, read_millis, read_number
from production.ingest.adapters.packml import COUNTERS, STATE_TAGS, read_state
from production.ingest.contract import Refused
from production.ingest.refusals import EventRefused

Event = Mapping[str, Any]
Metric = Mapping[str, Any]

NAMESPACE = "spBv1.0"
WITH_METRICS = frozenset({"NBIRTH", "DBIRTH", "NDATA", "DDATA"})
# Commands, and the state of a host. A node's death carries the stamp of its connection, so it tells no moment: its
# silence is found by the contact timeout.
ASIDE = frozenset({"NCMD", "DCMD", "STATE", "NDEATH"})
# What every node publishes about itself.
OF_THE_NODE = ("bdSeq", "Node Control/", "Device Control/", "Properties/", "Node Properties/")


def translate_sparkplug(message: Message) -> list[Event | Refused]:
    """The events of one message; the machine is the device, or the node where there is none."""
    try:
        return list(_translate(message))
    except EventRefused as refusal:
        return [message.refuse(refusal)]


def _translate(message: Message) -> Iterator[Event]:
    levels = message.levels
    if len(levels) < 3 or ".".join(levels[:1]) not in {NAMESPACE, "spBv1"}:
        raise EventRefused.because("unmapped_message", message.address)
    # With dots between the levels the namespace itself is two of them.
    _group, kind, *place = levels[2:] if levels[0] == "spBv1" else levels[1:]
    if kind in ASIDE:
        return
    if not place or kind not in {*WITH_METRICS, "DDEATH"}:
        raise EventRefused.because("unmapped_message", message.address)
    payload = message.read_object()
    if kind == "DDEATH":
        at = read_millis(payload, "timestamp")
        yield _event(place[-1], at, kind="state", state="unknown")
        return
    metrics = payload.get("metrics")
    if not isinstance(metrics, list):
        raise EventRefused.because("missing_field", "metrics")
    for metric in metrics:
        yield from _read_metric(place[-1], metric, payload)


def _read_metric(machine: str, metric: object, payload: Mapping[str, Any]) -> Iterator[Event]:
    if not isinstance(metric, dict):
        raise EventRefused.because("invalid_json", "a metric is not an object")
    name = metric.get("name")
    if not isinstance(name, str) or not name:
        raise EventRefused.because("unnamed_metric", metric.get("alias"))
    if name.startswith(OF_THE_NODE) or metric.get("is_null") or metric.get("value") is None:
        return
    at = read_millis(metric if "timestamp" in metric else payload, "timestamp")
    if (said := _say(name, metric["value"])) is not None:
        yield _event(machine, at, **said)


def _say(name: str, value: object) -> dict[str, Any] | None:
    """What a metric says: a state or counter where it has PackML's name, else a measurement; None for a text."""
    levels = name.split("/")
    if levels[-1] in STATE_TAGS:
        original, state = read_state(value)
        reason = {} if state in {"running", "unknown"} else {"reason": original}
        return {"kind": "state", "state": state, **reason}
    number = None if isinstance(value, str) else read_number(value)
    if number is None:
        return None
    if levels[-1] == "AccCount" and len(levels) > 2 and levels[-3] in COUNTERS:
        return {"kind": "counter", "name": f"{COUNTERS[levels[-3]]}.{levels[-2]}", "value": number}
    return {"kind": "measurement", "name": name[-64:], "value": number}


def _event(machine: str, at: dt.datetime, **said: Any) -> Event:
    key = identify(machine, at.isoformat(), sorted(said.items()))
    return {"event_id": key, "machine": machine, "at": at.isoformat(), **said}
