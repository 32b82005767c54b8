"""Exports: rows of the quarantine as CSV, which no spreadsheet takes for a formula, or as one JSON object per line."""

import base64
import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.db.models import QuerySet

from mesassist.tenants.cells import disarm
from production.models import Quarantined

# More than people read, and little enough to be written in one answer.
MOST_EXPORTED = 10_000
MOST_CHARACTERS = 50_000_000
COLUMNS = (
    *("received_at", "status", "code", "detail", "source", "file", "position", "partition", "offset", "event_id"),
    *("times", "raw", "content_base64", "mended", "resolved_by", "resolved_at"),
)


class Export(NamedTuple):
    """How rows are written."""

    suffix: str
    content_type: str
    write: Callable[[QuerySet[Quarantined]], str]


def write_csv(rows: QuerySet[Quarantined]) -> str:
    """A header and a line per row."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in _described(rows):
        writer.writerow([disarm(row[column]) for column in COLUMNS])
        if text.tell() > MOST_CHARACTERS:
            break
    return text.getvalue()


def write_ndjson(rows: QuerySet[Quarantined]) -> str:
    """An object per line, exactly as it is kept."""
    text = io.StringIO()
    for row in _described(rows):
        text.write(json.dumps(row, ensure_ascii=False) + "\n")
        if text.tell() > MOST_CHARACTERS:
            break
    return text.getvalue()


def _described(rows: QuerySet[Quarantined]) -> Iterator[dict[str, Any]]:
    for row in rows.select_related("import_run", "resolved_by")[:MOST_EXPORTED].iterator():
        plain = {name: getattr(row, name) for name in COLUMNS if name in _PLAIN}
        yield plain | {
            "received_at": row.received_at.isoformat(),
            "file": row.import_run.file_name if row.import_run else None,
            "content_base64": base64.b64encode(row.content).decode() if row.content is not None else None,
            "resolved_by": row.resolved_by.username if row.resolved_by else None,
            "resolved_at": row.resolved_at.isoformat() if row.resolved_at else None,
        }


_PLAIN = {"status", "code", "detail", "source", "position", "partition", "offset", "event_id", "times", "raw", "mended"}
EXPORTS = {
    "csv": Export("csv", "text/csv; charset=utf-8", write_csv),
    "ndjson": Export("ndjson", "application/x-ndjson; charset=utf-8", write_ndjson),
}
