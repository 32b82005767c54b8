"""Exports: the trail as CSV, a line per changed field, or as JSON lines that can be verified without the portal."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from mesassist.audit.chain import SEALED, canonical
from mesassist.audit.models import Entry
from mesassist.tenants.cells import disarm
from mesassist.tenants.scope import current_tenant

MOST_EXPORTED = 50_000
COLUMNS = (
    *("number", "at", "actor_kind", "actor", "door", "ip", "request_id", "action", "subject", "object_id", "object"),
    *("field", "before", "after", "why", "database_role", "hash"),
)


class Export(NamedTuple):
    """How entries are written."""

    suffix: str
    content_type: str
    write: Callable[[QuerySet[Entry]], str]


def write_csv(rows: QuerySet[Entry]) -> str:
    """A header and a line per changed field, oldest first."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in _rows(rows):
        changes = json.loads(row["written"])
        for field in sorted(changes) or [""]:
            before, after = changes.get(field, (None, None))
            told = row | {"at": row["at"].isoformat(), "field": field, "before": _cell(before), "after": _cell(after)}
            writer.writerow([disarm(told[column]) for column in COLUMNS])
    return text.getvalue()


def write_jsonl(rows: QuerySet[Entry]) -> str:
    """An object per line, oldest first; the SHA-256 of `sealed` is `hash`, and `sealed` begins with the hash before."""
    text = io.StringIO()
    for row in _rows(rows):
        sealed = canonical(row, chain=current_tenant().pk).decode()
        told = {name: row[name] for name in ("previous", "hash", *SEALED) if name not in ("at", "written")}
        told |= {"at": row["at"].isoformat(), "changes": json.loads(row["written"]), "sealed": sealed}
        text.write(json.dumps(told, ensure_ascii=False) + "\n")
    return text.getvalue()


def _rows(rows: QuerySet[Entry]) -> Iterator[dict[str, Any]]:
    columns = rows.annotate(written=Cast("changes", TextField())).order_by("number")
    yield from columns.values("hash", "previous", *SEALED)[:MOST_EXPORTED]


def _cell(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else json.dumps(value, ensure_ascii=False)


EXPORTS = {
    "csv": Export("csv", "text/csv; charset=utf-8", write_csv),
    "jsonl": Export("jsonl", "application/x-ndjson; charset=utf-8", write_jsonl),
}
