"""Mappings on screen: what the wizard asks about a file, and the mapping that the answers say."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from production.models import State

# (field of the mapping, what people call it, what it means where the name alone does not say it)
ROLES = (
    ("machine", _("Machine"), ""),
    ("start", _("Start, or when"), _("Of an interval its start; of a single moment the moment.")),
    ("end", _("End"), ""),
    ("date", _("Date"), _("Only where start and end are times of day without a date.")),
    ("state", _("State"), ""),
    ("reason", _("Reason of a stop"), ""),
    ("order", _("Order"), ""),
    ("order_quantity", _("Quantity of the order"), _("Counts once per order, however many rows repeat it.")),
    ("product", _("Product"), ""),
    ("operator", _("Operator"), ""),
    ("good", _("Good pieces"), ""),
    ("scrap", _("Scrap"), ""),
    ("rework", _("Rework"), ""),
)
ITEM_KINDS = (
    ("", _("leave out")),
    ("state", _("state of the machine")),
    ("counter", _("counter of pieces")),
    ("measurement", _("measured value")),
    ("condition", _("condition (normal, warning, fault)")),
)
MOST_STATES = 60
# What a mapping may say that the wizard does not ask about; it is kept as it is, and named on the page.
KEPT_PARTS = {
    "losses": _("columns of stops by reason"),
    "join": _("a second table"),
    "checks": _("checks of durations"),
    "opening": _("where the log's own day begins"),
}


# --- what is asked --------------------------------------------------------------------------------------


def describe_fields(spec: Mapping[str, Any], detected: Mapping[str, Any]) -> dict[str, Any]:
    """The form of a mapping as the page draws it; `spec` need not be complete."""
    chosen = spec.get("columns", {})
    columns = list_columns(spec, detected)
    return {
        "roles": [
            {"name": name, "label": label, "hint": hint, "chosen": chosen.get(name) or ""}
            for name, label, hint in ROLES
        ],
        "columns": columns,
        "comment": set(chosen.get("comment") or ()),
        "measured": _list_measured(spec, detected),
        "measures": bool(spec.get("measured")),
        "items": _list_items(spec, detected),
        "item_kinds": ITEM_KINDS,
        "states": State.choices,
        "kept": [words for part, words in KEPT_PARTS.items() if spec.get(part)],
        "is_log": bool(detected.get("items")),
        "creates": spec.get("machines", {}).get("create", True),
    }


def list_columns(spec: Mapping[str, Any], detected: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The file's columns with examples; then those that the mapping names and another table must bring."""
    found = [
        {"name": column["name"], "kind": column["kind"], "examples": ", ".join(column["examples"][:3])}
        for column in detected["columns"]
    ]
    names = {column["name"] for column in found}
    chosen = spec.get("columns", {})
    wanted = [*(value for name, value in chosen.items() if name != "comment"), *(chosen.get("comment") or ())]
    return found + [{"name": name, "kind": "", "examples": ""} for name in wanted if name and name not in names]


def _list_measured(spec: Mapping[str, Any], detected: Mapping[str, Any]) -> list[dict[str, Any]]:
    taken = {one["column"]: one for one in spec.get("measured", ())}
    used = set(spec.get("columns", {}).get("comment", ())) | {
        name for role, name in spec.get("columns", {}).items() if role != "comment"
    }
    numbers = [one["name"] for one in detected["columns"] if one["kind"] == "number" and one["name"] not in used]
    names = dict.fromkeys((*taken, *(() if detected.get("items") else numbers)))
    return [
        {"column": name, "taken": name in taken, "name": taken.get(name, {}).get("name") or name[:64],
         "unit": taken.get(name, {}).get("unit") or "", "is_counter": taken.get(name, {}).get("is_counter", False)}
        for name in names
    ]  # fmt: skip


def _list_items(spec: Mapping[str, Any], detected: Mapping[str, Any]) -> list[dict[str, Any]]:
    taken = spec.get("items", {})
    found = {name: ", ".join(values[:3]) for name, values in detected.get("items", ())}
    rows = [
        {"name": name, "examples": examples, "kind": taken.get(name, {}).get("kind", ""),
         "unit": taken.get(name, {}).get("unit") or ""}
        for name, examples in {**found, **{name: "" for name in taken if name not in found}}.items()
        if name
    ]  # fmt: skip
    # What is taken comes first: a log names hundreds of things.
    return sorted(rows, key=lambda row: not row["kind"])


def list_states(spec: Mapping[str, Any], counted: Mapping[str, int]) -> list[dict[str, Any]]:
    """Each value of the state column with how often it occurs, and what it stands for so far."""
    meant = spec.get("states", {})
    names = dict.fromkeys((*meant, *sorted(counted, key=lambda name: -counted[name])))
    rows = [
        {"value": name, "times": counted.get(name, 0), "state": meant.get(name, {}).get("state", ""),
         "reason": meant.get(name, {}).get("reason") or ""}
        for name in list(names)[: max(MOST_STATES, len(meant))]
    ]  # fmt: skip
    return sorted(rows, key=lambda row: -row["times"])


# --- what is answered -----------------------------------------------------------------------------------


def read_answers(sent: QueryDict, *, spec: Mapping[str, Any], reads: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The mapping that the form says, on top of `spec`; `reads`: how the times of each column are written.

    It may be incomplete or contradict itself: `read_mapping` says so.
    """
    new = deepcopy(dict(spec))
    new["name"] = " ".join(sent.get("name", "").split())
    columns: dict[str, Any] = {name: sent[f"col-{name}"] for name, _label, _hint in ROLES if sent.get(f"col-{name}")}
    if comments := [name for name in sent.getlist("col-comment") if name]:
        columns["comment"] = comments
    new["columns"] = columns
    _set(new, "machine", "" if columns.get("machine") else " ".join(sent.get("machine", "").split()))
    _set(new, "default_state", "" if columns.get("state") else sent.get("default_state", ""))
    _set(new, "states", _read_states(sent))
    _set(new, "measured", _read_measured(sent, new))
    if "item" in sent:
        _set(new, "items", _read_items(sent, new))
    new["duplicates"] = "skip" if sent.get("duplicates") == "skip" else "keep"
    new["machines"] = {**new.get("machines", {}), "create": "create" in sent}
    _set_times(new, columns, reads)
    return new


def _set(spec: dict[str, Any], name: str, value: Any) -> None:
    spec.pop(name, None)
    if value:
        spec[name] = value


def _read_states(sent: QueryDict) -> dict[str, Any]:
    rows = zip(sent.getlist("value"), sent.getlist("state"), sent.getlist("reason"), strict=False)
    return {
        value: {"state": state, **({"reason": reason.strip()} if reason.strip() else {})}
        for value, state, reason in rows
        if state
    }


def _read_measured(sent: QueryDict, spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    known = {one["column"]: one for one in spec.get("measured", ())}
    rows = zip(sent.getlist("measure"), sent.getlist("measure-name"), sent.getlist("measure-unit"), strict=False)
    wanted = set(sent.getlist("measured"))
    found = []
    for column, name, unit in rows:
        if column in wanted:
            one = {**known.get(column, {}), "column": column, "name": name.strip()[:64] or column[:64]}
            _set(one, "unit", unit.strip())
            found.append(one)
    return found


def _read_items(sent: QueryDict, spec: Mapping[str, Any]) -> dict[str, Any]:
    known, found = spec.get("items", {}), {}
    for name, kind in zip(sent.getlist("item"), sent.getlist("item-kind"), strict=False):
        if kind:
            before = known.get(name, {})
            found[name] = before if before.get("kind") == kind else {"kind": kind}
    return found


def _set_times(spec: dict[str, Any], columns: Mapping[str, Any], reads: Mapping[str, Sequence[str]]) -> None:
    """How each chosen column's times are written, as it was found and confirmed; else as the mapping says."""
    used = {columns[name] for name in ("start", "end", "date") if name in columns}
    known = {name: list(reads[name]) for name in used if name in reads}
    usual = known.get(columns.get("start", ""), spec.get("timestamps", ["iso"]))
    spec["timestamps"] = list(usual)
    before = {name: given for name, given in spec.get("formats", {}).items() if name not in known}
    _set(spec, "formats", {**before, **{name: given for name, given in known.items() if given != list(usual)}})
