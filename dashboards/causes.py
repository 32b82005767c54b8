"""Causes: what a refusal means to the people who can do something about it, and where in the content it lies."""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from production.ingest.refusals import SENTENCES
from production.models import Quarantined, QuarantineStatus

MOST_MACHINES = 20
HEX_SHOWN = 512
ADVICE = {
    "unknown_machine": gettext_lazy(
        "Create the machine, or correct its code where it is sent; then send the rows again."
    ),
    "unknown_state": gettext_lazy("Map the value to a state: in the file's mapping, or in the system that sends it."),
    "unknown_kind": gettext_lazy("Correct the field in the system that sends it, or mend the rows here."),
    "missing_field": gettext_lazy("Let the sending system fill the field. A few rows can be mended here."),
    "unknown_field": gettext_lazy("Correct the spelling where it is sent. A few rows can be mended here."),
    "naive_timestamp": gettext_lazy("Let the sending system name the offset. Without it the time is a guess."),
    "invalid_timestamp": gettext_lazy("Check the date format: of the file's mapping, or of the system that sends it."),
    "nonexistent_time": gettext_lazy("The clocks skip that hour. Check which zone the stamps were made in."),
    "future_timestamp": gettext_lazy(
        "Set the clock of the source. Once the moment has passed, the rows can be sent again."
    ),
    "implausible_timestamp": gettext_lazy("Set the clock of the source, then mend the stamps or discard the rows."),
    "conflict": gettext_lazy(
        "Something else came under this id before and stands. Mend the row under a new id, or discard it."
    ),
    "duplicate_key": gettext_lazy(
        "A field came twice. Choose the right value by mending, and mend the sending system."
    ),
    "invalid_json": gettext_lazy("What came is no event. Look at one: often it is cut off, or another encoding."),
    "wrong_cell_count": gettext_lazy(
        "The row does not fit the header: often a delimiter within a text. Enter its cells."
    ),
    "invalid_number": gettext_lazy("Check the decimal sign in the file's mapping, or mend the cell."),
    "reserved_source": gettext_lazy("The name is kept for corrections by people. Rename the source where it is sent."),
}
ELSE = gettext_lazy("Open one: the reason stands beside what came. Mend it, or discard it.")
# The field that a cause is about, where the sentence need not be asked.
FIELDS = {
    "unknown_machine": "machine",
    "unknown_state": "state",
    "unknown_kind": "kind",
    "future_timestamp": "at",
    "implausible_timestamp": "at",
    "reserved_source": "source",
    "ends_before_start": "until",
    "conflict": "event_id",
}
# `$.name` is where a decoder found the fault; our own sentences begin with the field.
NAMED_FIELD = re.compile(r"`\$\.(\w+)`|^(?:The field |There is no field )?`(\w+)`")
NAMED_MACHINE = re.compile(re.escape(SENTENCES["unknown_machine"]).replace(re.escape("{0!r}"), "(.+?)"), re.DOTALL)


@dataclass(frozen=True)
class Cause:
    """Rows that wait for one reason: how many, and what to do about them."""

    code: str
    rows: int
    advice: str


@dataclass(frozen=True)
class Stranger:
    """A machine that events name and nobody knows: how many rows wait for it. `why` is the sentence they share."""

    code: str
    why: str
    rows: int


@dataclass(frozen=True)
class Shown:
    """One line of what came; `fault` marks the one that the refusal is about, `missing` one that did not come."""

    text: str
    fault: bool = False
    missing: bool = False


def count_causes() -> tuple[Cause, ...]:
    """The causes of the waiting rows, most frequent first."""
    waiting = Quarantined.objects.filter(status=QuarantineStatus.WAITING).order_by()
    counted = waiting.values_list("code").annotate(rows=Count("pk")).order_by("-rows", "code")
    return tuple(Cause(code, rows, advise(code)) for code, rows in counted)


def count_strangers() -> tuple[Stranger, ...]:
    """The unknown machines that most waiting rows name, at most twenty."""
    waiting = Quarantined.objects.filter(status=QuarantineStatus.WAITING, code="unknown_machine").order_by()
    counted = waiting.values_list("detail").annotate(rows=Count("pk")).order_by("-rows", "detail")[:MOST_MACHINES]
    return tuple(Stranger(code, why, rows) for why, rows in counted if (code := read_machine(why)))


def advise(code: str) -> str:
    """What to do about rows with this cause."""
    return str(ADVICE.get(code, ELSE))


def read_machine(why: str) -> str:
    """The machine code that a refusal names, or "" where it names none."""
    found = NAMED_MACHINE.fullmatch(why)
    try:
        code = ast.literal_eval(found.group(1)) if found else ""
    except (SyntaxError, ValueError):
        return ""
    return code if isinstance(code, str) else ""


# --- what came, line by line ------------------------------------------------------------------------------


def show_content(row: Quarantined) -> tuple[Shown, ...]:
    """What came as lines to read, the fault marked where it can be found."""
    if is_binary(row):
        return tuple(map(Shown, _hex_lines(bytes(row.content or b""))))
    pairs = read_pairs(row.raw)
    if pairs is None:
        return tuple(Shown(line) for line in row.raw.splitlines()) or (Shown(_("(nothing)")),)
    faulty = find_fault(row, pairs)
    lines = [Shown(f"{key}: {json.dumps(value, ensure_ascii=False)}", key in faulty) for key, value in pairs]
    given = {key for key, _value in pairs}
    return (*lines, *(Shown(f"{name}: –", fault=True, missing=True) for name in sorted(faulty - given)))


def is_binary(row: Quarantined) -> bool:
    """Whether what came is no text; `raw` then holds its digits."""
    try:
        bytes(row.content or b"").decode()
    except UnicodeDecodeError:
        return True
    return False


def read_pairs(raw: str) -> list[tuple[str, Any]] | None:
    """The fields of a JSON object in their order, twice where they came twice; None where it is no object."""
    try:
        # Only the outermost pairs stay a list: inner objects have no field that a refusal could name.
        read = json.loads(raw, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    return [(key, _plain(value)) for key, value in read.pairs] if isinstance(read, _Pairs) else None


def find_fault(row: Quarantined, pairs: list[tuple[str, Any]]) -> set[str]:
    """The names of the fields or columns that the refusal is about."""
    if row.code == "duplicate_key":
        return {key for key, times in Counter(key for key, _value in pairs).items() if times > 1}
    if row.import_run_id is not None:
        machine = read_machine(row.detail)
        return {key for key, value in pairs if row.detail.startswith(f"{key} is ") or (machine and value == machine)}
    if row.code in FIELDS:
        return {FIELDS[row.code]}
    found = NAMED_FIELD.search(row.detail)
    return {found.group(1) or found.group(2)} if found else set()


class _Pairs:
    """An object of JSON as it came."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {key: _plain(inner) for key, inner in value.pairs}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _hex_lines(content: bytes) -> Iterator[str]:
    """Bytes that are no text, sixteen to a line, with what of them can be read."""
    for start in range(0, min(len(content), HEX_SHOWN), 16):
        part = content[start : start + 16]
        readable = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"{start:04x}  {part.hex(' '):<47}  {readable}"
    if len(content) > HEX_SHOWN:
        yield _("... %(bytes)s bytes in all") % {"bytes": len(content)}
