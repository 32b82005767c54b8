"""Drafts: a mapping guessed from the names and cells of a file, for a person to complete."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from production.ingest.mapping import LONGEST_NAME

# What plants call their columns, in the languages that the portal speaks and a few that its neighbours do.
NAMES = {
    "machine": r"machine|resource|equipment|asset|work ?cent(er|re)|work ?place|station|maschine|anlage|arbeitsplatz|"
    r"maszyna|stanowisko|оборудование|станок|설비|기계",
    "start": r"start( ?time| ?timestamp| ?date)?|begin|from|von|anfang|beginn|start ?zeit|od|początek|rozpoczęcie|"
    r"time|timestamp|date ?time|zeitstempel|zeit|datum|czas|data|начало|время|시작|시간",
    "end": r"end( ?time| ?timestamp| ?date)?|to|until|complete( ?timestamp)?|finish(ed)?|stop( ?time)?|bis|ende|"
    r"endzeit|do|koniec|zakończenie|конец|окончание|종료",
    "date": r"date|day|datum|tag|data|dzień|дата|날짜",
    "state": r"state|status|report ?type|what|zustand|stan|состояние|статус|상태",
    "reason": r"reason|cause|stop ?reason|downtime ?reason|grund|ursache|störgrund|przyczyna|powód|причина|사유",
    "order": r"(work|production|manufacturing)? ?order( ?(no|number|id))?|case ?id|job|batch|lot|auftrag(snummer)?|"
    r"zlecenie|zamówienie|заказ|партия|주문|배치",
    "product": r"product|part( ?desc\.?| ?no\.?)?|item|material|article|artikel|produkt|teil|wyrób|detal|"
    r"изделие|продукт|제품",
    "operator": r"operator|worker( ?id)?|employee|bediener|mitarbeiter|pracownik|оператор|작업자",
    "good": r"good( ?(qty|quantity|pieces))?|qty ?completed|quantity|qty|ok|produced|gut(menge)?|menge|sztuki|dobre|"
    r"ilość|годные|количество|양품|수량",
    "scrap": r"scrap|bad|rejects?|qty ?rejected|rejected|nok|defects?|ausschuss|braki|odpad|брак|불량",
    "rework": r"rework|nacharbeit|poprawki|доработка|재작업",
    "comment": r"comments?|notes?|remarks?|bemerkung|kommentar|notiz|uwagi|komentarz|примечание|비고",
}
# Which kinds of cells a field can be read from.
KINDS = {"start": "time", "end": "time", "date": "time", "good": "number", "scrap": "number", "rework": "number"}
STATES = {
    "running": r"run(ning)?|work(ing)?|production|producing|active|execute|on|läuft|produktion|praca|produkcja",
    "idle": r"idle|ready|wait(ing)?|starved|blocked|standby|stopped|bereit|wartet|postój|oczekiwanie",
    "setup": r"set.?up|change ?over|rüsten|umrüsten|przezbrojenie",
    "planned_stop": r"planned.*|break|pause|maintenance|cleaning|wartung|przerwa|konserwacja",
    "down": r"down|fault|failure|error|breakdown|alarm|stop|störung|defekt|awaria|usterka",
    "unknown": r"unknown|offline|unavailable|disconnected|unbekannt|brak danych",
}
EXECUTION = {
    "ACTIVE": {"state": "running"},
    **{
        name: {"state": "idle", "reason": name}
        for name in (
            *("READY", "STOPPED", "INTERRUPTED", "WAIT", "FEED_HOLD"),
            *("PROGRAM_STOPPED", "PROGRAM_COMPLETED", "OPTIONAL_STOP", "PROGRAM_OPTIONAL_STOP"),
        )
    },
    "UNAVAILABLE": {"state": "unknown"},
}
Looked = Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]]


def write_draft(
    *,
    kind: str,
    file_name: str,
    layout: Mapping[str, Any],
    decimal: str,
    columns: Looked,
    items: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """The draft; `columns` are {name: (kind, formats, values)}, `items` {name of a log's item: values}."""
    stem = PurePath(file_name).stem
    draft: dict[str, Any] = {
        "version": 2,
        "name": re.sub(r"[^\w.-]+", "_", stem).strip("_")[:LONGEST_NAME] or "file",
        "title": stem,
    }
    if kind in ("shdr", "mtconnect"):
        return draft | _log(kind, stem, items)
    return draft | {"table": dict(layout), "decimal": decimal} | _table(columns)


def _table(columns: Looked) -> dict[str, Any]:
    chosen = _choose(columns)
    found: dict[str, Any] = {"columns": {role: name for role, name in chosen.items() if role != "comment"}}
    if "comment" in chosen:
        found["columns"]["comment"] = [chosen["comment"]]
    formats = {name: columns[name][1] for role, name in chosen.items() if KINDS.get(role) == "time"}
    usual = formats.get(chosen.get("start", ""), ("iso",))
    found["timestamps"] = list(usual)
    if other := {name: list(given) for name, given in formats.items() if given != usual}:
        found["formats"] = other
    if state := chosen.get("state"):
        found["states"] = {value: {"state": _meaning(value)} for value in columns[state][2]}
    elif "end" in chosen:
        found["default_state"] = "running"
    if not {"state", "end", "good", "scrap", "rework"} & set(chosen):
        numbers = [name for name, (kind, _, _) in columns.items() if kind == "number" and name not in chosen.values()]
        found["measured"] = [{"column": name, "name": name[:64]} for name in numbers]
    return found


def _choose(columns: Looked) -> dict[str, str]:
    """One column per field, each column once."""
    chosen: dict[str, str] = {}
    for role, pattern in NAMES.items():
        for name, (kind, _, _) in columns.items():
            if name in chosen.values() or not re.fullmatch(pattern, name.strip(), re.IGNORECASE):
                continue
            if KINDS.get(role, kind) == kind and not (role not in KINDS and kind == "time"):
                chosen[role] = name
                break
    if "start" not in chosen:
        times = [name for name, (kind, _, _) in columns.items() if kind == "time" and name not in chosen.values()]
        if times:
            chosen["start"] = times[0]
    if chosen.get("date") == chosen.get("start"):
        chosen.pop("date", None)
    return chosen


def _meaning(value: str) -> str:
    """The state that a word is likely to stand for; `unknown` where nothing tells: a person must choose."""
    fitting = (state for state, pattern in STATES.items() if re.fullmatch(pattern, value.strip(), re.IGNORECASE))
    return next(fitting, "unknown")


def _log(kind: str, stem: str, items: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    found: dict[str, Any] = {"items": {}, "states": EXECUTION}
    for name, values in items.items():
        if any(value in ("ACTIVE", "READY", "INTERRUPTED", "FEED_HOLD") for value in values):
            found["items"][name] = {"kind": "state"}
        elif re.search(r"part.?count", name, re.IGNORECASE):
            found["items"][name] = {"kind": "counter", "name": "parts", "zero_is_unread": True}
        elif any(value.lower() in ("normal", "warning", "fault") for value in values):
            found["items"][name] = {"kind": "condition"}
    if kind == "mtconnect":
        return found | {"columns": {"machine": "Device"}}
    return found | {"machine": re.split(r"[-_. ]", stem)[0][:64]}
