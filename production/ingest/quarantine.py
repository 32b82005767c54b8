"""Quarantine: what could not be taken, with the reason and exactly what came."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection

from mesassist.tenants.scope import current_tenant
from production.ingest.refusals import storable
from production.models import ImportRun, KafkaSource, QuarantineStatus

# The columns that a row brings along, with their PostgreSQL types.
COLUMNS = {
    "code": "text",
    "detail": "text",
    "event_id": "text",
    "position": "int4",
    "raw": "text",
    "content": "bytea",
    "partition": "int4",
    '"offset"': "int8",
    "schema_id": "int4",
    "times": "int4",
}
TAKEN = ", ".join(COLUMNS)
# The same thing once more is one row that came again, and waits again. What is merely read again (a record whose offset
# was not committed, a file taken up where it stopped) is no second coming: it changes nothing.
KEEP = f"""
INSERT INTO production_quarantined AS kept
    (tenant_id, source, received_at, import_run_id, kafka_source_id, status, mended, {TAKEN})
SELECT %s, %s, %s, %s, %s, %s, '', {TAKEN}
FROM unnest({", ".join(f"%s::{kind}[]" for kind in COLUMNS.values())}) AS come ({TAKEN})
ON CONFLICT (tenant_id, source, code, md5(raw)) DO UPDATE SET
    times = kept.times + excluded.times, status = excluded.status, received_at = excluded.received_at,
    detail = excluded.detail, event_id = excluded.event_id, position = excluded.position,
    content = excluded.content, partition = excluded.partition, "offset" = excluded."offset",
    schema_id = excluded.schema_id, import_run_id = coalesce(excluded.import_run_id, kept.import_run_id),
    kafka_source_id = coalesce(excluded.kafka_source_id, kept.kafka_source_id)
WHERE (
    kept.kafka_source_id = excluded.kafka_source_id AND kept.partition = excluded.partition
    AND kept."offset" >= excluded."offset"
) IS NOT TRUE AND (
    kept.import_run_id = excluded.import_run_id AND kept.position >= excluded.position
) IS NOT TRUE
"""  # noqa: S608 - built from the names above


@dataclass(frozen=True)
class Problem:
    """Why the event at `index` of the batch was not taken."""

    index: int
    event_id: str
    code: str
    detail: str


class Kept(NamedTuple):
    """What goes into quarantine: `raw` is what came as text, `content` the bytes of a record that is no text.

    `position` is the line of the file or the index in the batch; partition, offset and schema are a Kafka record's.
    """

    code: str
    detail: str
    event_id: str
    position: int
    raw: str
    content: bytes | None = None
    partition: int | None = None
    offset: int | None = None
    schema_id: int | None = None


def keep(
    *,
    entries: Sequence[Kept],
    source: str,
    now: dt.datetime,
    import_run: ImportRun | None = None,
    kafka_source: KafkaSource | None = None,
) -> None:
    """Put what could not be taken into quarantine, in one statement; what lies there already, with the same code and
    content, stays one row that came once more, and waits again if somebody had decided about it."""
    if not entries:
        return
    rows = _add_up(entries)
    with connection.cursor() as cursor:
        cursor.execute(
            KEEP,
            [
                current_tenant().pk,
                source,
                now,
                import_run.pk if import_run else None,
                kafka_source.pk if kafka_source else None,
                QuarantineStatus.WAITING,
                *map(list, zip(*rows, strict=True)),
            ],
        )


def _add_up(entries: Iterable[Kept]) -> list[tuple[object, ...]]:
    """One row per code and content, the last one's with how many there were; one statement cannot touch a row twice.

    Sorted, so that two batches with the same rows wait for one another instead of deadlocking.
    """
    found: dict[tuple[str, bytes], tuple[object, ...]] = {}
    times: dict[tuple[str, bytes], int] = {}
    for entry in entries:
        clean = entry._replace(
            detail=storable(entry.detail), event_id=storable(entry.event_id)[:200], raw=storable(entry.raw)
        )
        key = clean.code, hashlib.blake2b(clean.raw.encode(), digest_size=16).digest()
        times[key] = times.get(key, 0) + 1
        found[key] = clean
    return [(*found[key], times[key]) for key in sorted(found)]


def keep_rows(
    *,
    problems: Sequence[tuple[Problem, int, str]],
    source: str,
    now: dt.datetime,
    import_run: ImportRun | None,
) -> None:
    """Put (problem, position, raw) into quarantine."""
    entries = [
        Kept(problem.code, problem.detail, problem.event_id, position, raw) for problem, position, raw in problems
    ]
    keep(entries=entries, source=source, now=now, import_run=import_run)
