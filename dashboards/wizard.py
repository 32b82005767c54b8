"""Wizard: how far a file that was handed in has come; what was found, what was chosen, what is missing."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from zoneinfo import available_timezones

from django.core.paginator import Paginator
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from production.ingest.detect import Detected, detect_file, draft_mapping
from production.ingest.drafts import STATES
from production.ingest.files import Preview, preview_file
from production.ingest.fitting import open_mapped
from production.ingest.mapping import (
    ImportRefused,
    Join,
    Layout,
    MappingSpec,
    find_mapping,
    known_mappings,
    read_mapping,
    read_zone,
)
from production.ingest.uploads import open_upload
from production.ingest.values import count_values
from production.models import FileMapping, ImportRun, Upload

KINDS = {
    "csv": gettext_lazy("Text with columns"),
    "xlsx": gettext_lazy("Excel workbook"),
    "shdr": gettext_lazy("SHDR log"),
    "mtconnect": gettext_lazy("MTConnect document"),
}
DELIMITERS = (
    (",", gettext_lazy("comma ,")),
    (";", gettext_lazy("semicolon ;")),
    ("\t", gettext_lazy("tab")),
    ("|", gettext_lazy("bar |")),
)
ENCODINGS = ("utf-8-sig", "cp1252", "cp1250", "iso-8859-2", "cp1251", "cp949", "utf-16")
DECIMALS = ((".", gettext_lazy("point: 1.5")), (",", gettext_lazy("comma: 1,5")))
# A preview reads 5,000 rows: of a long text the beginning holds them.
PREVIEW_BYTES = 8 << 20
RUNS_SHOWN = 25
DRAFTS_SHOWN = 5


# --- what is found --------------------------------------------------------------------------------------


def look_at(*, upload: Upload, zone: str) -> None:
    """Detect what the file is and begin with the mapping that fits it, or with a draft; raises `ImportRefused`."""
    read_zone(zone)
    upload.draft = {"zone": zone}
    with open_upload(upload) as path:
        try:
            spec = open_mapped(path=path, mapping_name=None)[1]
        except ImportRefused:
            _begin(upload, detect_file(path=path, file_name=upload.file_name))
        else:
            detected = detect_file(path=path, file_name=upload.file_name, layout=spec.table)
            _begin(upload, detected, spec)


def start_from(*, upload: Upload, name: str) -> None:
    """Begin again with the mapping called `name`, or with a new draft where it is empty; raises `ImportRefused`."""
    spec = find_mapping(name=name) if name else None
    with open_upload(upload) as path:
        _begin(upload, detect_file(path=path, file_name=upload.file_name, layout=spec.table if spec else None), spec)


def look_again(*, upload: Upload, layout: Layout) -> None:
    """Detect once more, with what a person says about the file; raises `ImportRefused`. The draft begins anew."""
    with open_upload(upload) as path:
        _begin(upload, detect_file(path=path, file_name=upload.file_name, layout=layout))


def _begin(upload: Upload, detected: Detected, spec: MappingSpec | None = None) -> None:
    draft = spec.model_dump(mode="json", exclude_defaults=True) if spec else draft_mapping(detected=detected)
    if not spec:
        draft["name"] = _free_name(draft["name"])
        _drop_guesses(draft)
    # A mapping that a person made says how its cells are read: nothing is left to be confirmed.
    upload.draft = {
        "zone": upload.draft["zone"],
        "detected": asdict(detected) | {"certain": detected.certain},
        "spec": {"version": 2, **draft},
        "from": spec.name if spec else "",
        "reads": {} if spec else {column.name: column.formats for column in detected.columns if column.formats},
        "confirmed": bool(spec) or detected.certain,
    }
    upload.save(update_fields=["draft"])


def _drop_guesses(draft: dict[str, Any]) -> None:
    """Let a person say what a value means that no name tells of: "no contact" would be taken for known."""
    says_so = re.compile(STATES["unknown"], re.IGNORECASE)
    draft["states"] = {
        value: meant
        for value, meant in draft.get("states", {}).items()
        if meant["state"] != "unknown" or says_so.fullmatch(value.strip())
    }


def _free_name(name: str) -> str:
    """The name, or it with a number: a new draft must not look like somebody's mapping."""
    known = known_mappings()
    names = (name, *(f"{name[:55]}_{number}" for number in range(2, 1000)))
    return next(candidate for candidate in names if candidate not in known)


# --- what is said about it ------------------------------------------------------------------------------


def read_layout(sent: QueryDict, detected: Mapping[str, Any]) -> Layout:
    """Where the table stands, as the form says; raises `ImportRefused`."""
    header = [part for part in sent.get("header", "").replace(",", " ").split() if part]
    if not header or not all(part.isdecimal() and 0 < int(part) <= 50 for part in header):
        raise ImportRefused(_("The header is named by its line, such as 1, or 1 2 where it has two lines."))
    lines = tuple(int(part) for part in header)
    said: dict[str, Any] = {"header": lines}
    if data_from := sent.get("data_from", "").strip():
        if not data_from.isdecimal() or not max(lines) < int(data_from) <= 1000:
            raise ImportRefused(_("The data begin in a line below the header."))
        said["data_from"] = int(data_from)
    if detected["kind"] == "csv":
        said["encoding"] = _one_of(sent.get("encoding", ""), (*ENCODINGS, detected["encoding"]))
        said["delimiter"] = _one_of(sent.get("delimiter", ""), [sign for sign, _words in DELIMITERS])
    if detected["kind"] == "xlsx":
        said["sheet"] = _one_of(sent.get("sheet", ""), detected["sheets"])
    return Layout(**said)


def _one_of(value: str, allowed: Any) -> str:
    if value not in allowed:
        raise ImportRefused(_("Choose one of the values that are offered."))
    return value


def layout_changed(sent: QueryDict, detected: Mapping[str, Any]) -> bool:
    """Whether the form says something else about where the table stands than was found."""
    if detected["kind"] not in ("csv", "xlsx"):
        return False
    names = {"csv": ("encoding", "delimiter"), "xlsx": ("sheet",)}[detected["kind"]]
    header = [int(part) for part in sent.get("header", "").replace(",", " ").split() if part.isdecimal()]
    said_from = sent.get("data_from", "").strip() or str(max(header, default=0) + 1)
    return (
        any(sent.get(name) != detected[name] for name in names)
        or header != list(detected["header"])
        or said_from != str(detected["data_from"])
    )


def confirm(*, upload: Upload, sent: QueryDict) -> list[str]:
    """Note what a person chose where the file leaves a doubt; gives the questions that are still open."""
    detected, draft = upload.draft["detected"], {**upload.draft}
    open_questions = []
    reads, spec = {**draft["reads"]}, {**draft["spec"]}
    for number, column in enumerate(detected["columns"]):
        if column["certain"] or not column["choices"]:
            continue
        chosen = sent.get(f"order-{number}", "")
        if not (chosen.isdecimal() and int(chosen) < len(column["choices"])):
            open_questions.append(_("How are the times of %(column)s written?") % {"column": column["name"]})
            continue
        reads[column["name"]] = column["choices"][int(chosen)][1]
    if detected["kind"] in ("csv", "xlsx"):
        if sent.get("decimal") in (".", ","):
            spec["decimal"] = sent["decimal"]
        elif not detected["decimal_certain"]:
            open_questions.append(_("Is the decimal sign a point or a comma?"))
    if not detected["encoding_certain"] and "encoding-seen" not in sent:
        open_questions.append(_("Are the examples below written as they should be?"))
    times = {name: reads[name] for name in _time_columns(spec) if name in reads}
    start = spec.get("columns", {}).get("start")
    if start in times:
        spec["timestamps"] = list(times[start])
    upload.draft = draft | {"reads": reads, "spec": spec, "confirmed": not open_questions}
    upload.save(update_fields=["draft"])
    return open_questions


def _time_columns(spec: Mapping[str, Any]) -> list[str]:
    columns = spec.get("columns", {})
    return [columns[name] for name in ("start", "end", "date") if columns.get(name)]


# --- what becomes of it ---------------------------------------------------------------------------------


def preview(*, upload: Upload, spec: MappingSpec, now: dt.datetime) -> Preview:
    """What the first rows would become; raises `ImportRefused`."""
    is_text = upload.draft["detected"]["kind"] in ("csv", "shdr")
    with open_upload(upload, most_bytes=PREVIEW_BYTES if is_text else None) as path:
        return preview_file(path=path, spec=spec, zone=read_zone(upload.draft["zone"]), now=now)


def count_states(*, upload: Upload, spec: Mapping[str, Any]) -> dict[str, int]:
    """Each value of the state column, or of the items that tell the state, with how often it occurs."""
    column = spec.get("columns", {}).get("state", "")
    items = {name for name, item in spec.get("items", {}).items() if item.get("kind") == "state"}
    if not column and not items:
        return {}
    layout = Layout.model_validate(spec.get("table", {}))
    join = Join.model_validate(spec["join"]) if spec.get("join") else None
    with open_upload(upload) as path:
        counted = count_values(path=path, layout=layout, column=column or "Value", items=items, join=join)
    return dict(counted)


# --- saved mappings -------------------------------------------------------------------------------------


def differs(*, spec: MappingSpec) -> bool:
    """Whether another mapping than this one is known by the name."""
    known = known_mappings().get(spec.name)
    return known is not None and known != spec


def save_mapping(*, upload: Upload, spec: MappingSpec) -> None:
    """Keep the mapping under its name for the plant; one that is known already as it is needs no copy."""
    if known_mappings().get(spec.name) == spec:
        return
    raw = spec.model_dump(mode="json", exclude_defaults=True) | {"version": 2}
    FileMapping.objects.update_or_create(tenant=upload.tenant, name=spec.name, defaults={"spec": raw})


def list_starts() -> list[dict[str, str]]:
    """The mappings that one may start from."""
    return [
        {"name": spec.name, "title": spec.title} for spec in sorted(known_mappings().values(), key=lambda s: s.name)
    ]


def check_mapping(raw: Mapping[str, Any]) -> tuple[MappingSpec | None, str]:
    """The mapping, or why it is none yet."""
    try:
        return read_mapping(dict(raw)), ""
    except ImportRefused as refusal:
        return None, str(refusal)


# --- the list -------------------------------------------------------------------------------------------


def list_zones() -> list[str]:
    """The zones that people name: places, and UTC."""
    return [*sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")), "UTC"]


def describe_files(page: str | None) -> dict[str, Any]:
    """What the page of files shows."""
    runs = ImportRun.objects.select_related("requested_by").order_by("-started_at", "-pk")
    drafts = Upload.objects.filter(runs=None).exclude(draft={}).select_related("uploaded_by")
    return {
        "page": Paginator(runs, RUNS_SHOWN).get_page(page),
        "mappings": FileMapping.objects.all(),
        "drafts": drafts[:DRAFTS_SHOWN],
    }
