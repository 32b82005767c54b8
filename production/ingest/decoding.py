"""Decoding: the journal of what is being decoded, and the search for a record that kills whoever decodes it.

A decoder that crashes takes the process along, so nothing in the process can note it afterwards. What is about to be
decoded is written down before; a mark that is found when a partition is taken over tells of a crash, and the records
that it names are then tried in a process of their own before they are decoded here.
"""

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import structlog
from django.conf import settings
from django.db import connection
from django.db.models import F

from mesassist.tenants.scope import tenant_tx
from production.ingest.avro import read_header
from production.ingest.refusals import EventRefused
from production.ingest.registry import Schemas
from production.models import DecodeMark, KafkaSource, Payload

log = structlog.get_logger(__name__)
TRIAL_S = 60.0
TRIAL = (sys.executable, "-m", "production.ingest.trial")
# A batch full of killers costs two processes for each; the rest waits for the next turn.
KILLERS_AT_ONCE = 20
# The value of a record, its address and its own stamp: what a payload's reader takes.
Record = tuple[bytes, str, dt.datetime | None]


class TrialFailed(Exception):
    """The process that tries records could not be run; nothing is known about the records."""


class Job(msgspec.Struct):
    """What a trial is given: the payload, the schemas by id, and the records' values with address and stamp."""

    payload: str
    definitions: dict[int, str]
    records: list[Record]


def find_crash(*, source: KafkaSource, partition: int) -> tuple[int, int] | None:
    """First and last offset of what was being decoded when a process died; counts the crash."""
    marks = DecodeMark.objects.filter(source=source, partition=partition)
    if not marks.update(crashes=F("crashes") + 1):
        return None
    mark = marks.get()
    log.warning(
        "decode_crash_found", source=source.pk, partition=partition, first=mark.first_offset, last=mark.last_offset
    )
    return mark.first_offset, mark.last_offset


def mark_decoding(*, source: KafkaSource, partition: int, first: int, last: int, now: dt.datetime) -> None:
    """Write down what is about to be decoded, in a transaction of its own."""
    with _quick_commit():
        DecodeMark.objects.bulk_create(
            [
                DecodeMark(
                    tenant=source.tenant,
                    source=source,
                    partition=partition,
                    first_offset=first,
                    last_offset=last,
                    began_at=now,
                )
            ],
            update_conflicts=True,
            unique_fields=["tenant", "source", "partition"],
            update_fields=["first_offset", "last_offset", "began_at"],
        )


def clear_mark(*, source: KafkaSource, partition: int) -> None:
    """All of it was decoded."""
    with _quick_commit():
        DecodeMark.objects.filter(source=source, partition=partition).delete()


def find_killers(*, source: KafkaSource, records: Sequence[Record], schemas: Schemas) -> tuple[set[int], int]:
    """(indexes of the records that end whoever decodes them, how many records were looked at).

    Raises `TrialFailed`, and `RegistryAway` when a schema cannot be had.
    """
    definitions, tried = _gather(source, records, schemas)
    killers: set[int] = set()
    at = 0
    while at < len(tried) and len(killers) < KILLERS_AT_ONCE:
        survived, is_over = _try([records[index] for index in tried[at:]], source, definitions)
        at += survived
        if is_over:
            return killers, len(records)
        # Twice, and the second time alone: the first end may have come from outside.
        if not _try([records[tried[at]]], source, definitions)[1]:
            killers.add(tried[at])
            log.error("record_kills_decoder", source=source.pk)
        at += 1
    return killers, tried[at] if at < len(tried) else len(records)


def _gather(source: KafkaSource, records: Sequence[Record], schemas: Schemas) -> tuple[dict[int, str], list[int]]:
    """The schemas that are needed, and which records come to be decoded at all."""
    if source.payload != Payload.AVRO:
        return {}, list(range(len(records)))
    definitions: dict[int, str] = {}
    tried = []
    for index, (value, _, _) in enumerate(records):
        try:
            schema_id = read_header(value)
            schemas.find(schema_id)
        except EventRefused:
            continue
        if schema_id not in definitions:
            definitions[schema_id] = schemas.definition_of(schema_id)
        tried.append(index)
    return definitions, tried


def _try(records: list[Record], source: KafkaSource, definitions: dict[int, str]) -> tuple[int, bool]:
    """(how many were survived, whether that is all of them)."""
    job = msgspec.msgpack.encode(Job(source.payload, definitions, records))
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            TRIAL, input=job, capture_output=True, timeout=TRIAL_S, check=False, cwd=settings.BASE_DIR
        )
        said = done.stdout
    except subprocess.TimeoutExpired as slow:
        said = slow.stdout or b""
    except OSError as error:
        raise TrialFailed(f"No process could be started to try records in ({error}).") from error
    if not said.startswith(b"+"):
        raise TrialFailed("The process that tries records did not begin.")
    return len(said) - 1, len(said) - 1 == len(records)


@contextmanager
def _quick_commit() -> Iterator[None]:
    """A transaction that does not wait for the disk: a mark must outlive us, not the database server's power."""
    with tenant_tx():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO OFF")
        yield
