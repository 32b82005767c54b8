"""Staging: events copied into a table of the session, then inserted in one statement that takes each id once."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from itertools import starmap
from struct import Struct

from django.db import connection

from mesassist.tenants.scope import current_tenant
from production.ingest.codes import Ids
from production.ingest.contract import CounterEvent, CountEvent, MachineEvent, MeasurementEvent, StateEvent
from production.models import ImportRun

# In the order in which `pack_rows` writes them.
COLUMNS = {
    "position": "int4",
    "at": "timestamptz",
    "content_hash": "bytea",
    "event_id": 'text COLLATE "C"',
    "source": 'text COLLATE "C"',
    "machine_id": "int8",
    "sequence": "int8",
    "kind": "text",
    "name": "text",
    "value": "float8",
    "maximum": "float8",
    "unit": "text",
    "good": "float8",
    "scrap": "float8",
    "rework": "float8",
    "reason_id": "int8",
    "order_id": "int8",
    "product_id": "int8",
    "state": "text",
    "until": "timestamptz",
    "operator": "text",
    "comment": "text",
}
# A temporary table belongs to whoever made it: the app role may COPY into it whatever guards the events themselves.
CREATE = (
    f"CREATE TEMP TABLE IF NOT EXISTS staged_event ({', '.join(starmap('{} {}'.format, COLUMNS.items()))}) "
    "ON COMMIT DELETE ROWS"
)
COPY = f"COPY staged_event ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
CONFLICTS = """
SELECT staged.position FROM staged_event staged
JOIN production_eventkey taken USING (source, event_id)
WHERE taken.tenant_id = %s AND taken.content_hash <> staged.content_hash
"""

# An event as it goes in: its place in the batch, itself in UTC, and the hash of what it says.
Staged = tuple[int, MachineEvent, bytes]


def open_staging(*, patience_s: float | None) -> None:
    """Make the session's staging table, if it is not there, at the beginning of a transaction.

    With `patience_s` no statement of the transaction takes longer: neither a lock nor a slow disk holds a sender for
    longer than it would wait. Without it the transaction is the caller's and may have staged before: empty the table.
    """
    statements = [CREATE, "TRUNCATE staged_event"]
    if patience_s is not None:
        bound = f"{int(patience_s * 1000)}ms"
        statements = [f"SET LOCAL statement_timeout = '{bound}'", f"SET LOCAL lock_timeout = '{bound}'", CREATE]
    with connection.cursor() as cursor:
        cursor.execute(";".join(statements))


def stage_events(*, entries: Sequence[Staged], ids: Ids, source: str) -> None:
    """Copy the events into the session's staging table; `source` is that of events which name none."""
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.write(b"".join((SIGNATURE, *pack_rows(entries=entries, ids=ids, source=source), TRAILER)))


def insert_once(*, now: dt.datetime, import_run: ImportRun | None) -> int:
    """Insert the staged events whose ids are new and mark what they touch; gives their number. No id is staged twice.

    The statements are a function of migration 0003, so that the database keeps their plans.
    """
    with connection.cursor() as cursor:
        run = import_run.pk if import_run else None
        cursor.execute("SELECT production_take_staged(%s, %s, %s)", [current_tenant().pk, now, run])
        taken: int = cursor.fetchone()[0]
    return taken


def find_conflicts() -> set[int]:
    """Positions of the staged events whose id is stored with other content."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE staged_event")
        cursor.execute(CONFLICTS, [current_tenant().pk])
        return {position for (position,) in cursor.fetchall()}


# --- PostgreSQL's binary COPY format: per row the number of fields, per field its length and its bytes ------

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
EMPTY = bytes(4)
HEAD = Struct("!h ii iq i16s i").pack
LENGTH = Struct("!i").pack
INTEGER = Struct("!iq").pack
NUMBER = Struct("!id").pack
# PostgreSQL counts time from here, in microseconds.
EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


class Texts(dict[str | None, bytes]):
    """Packed texts that come again and again: sources, names, units, operators. None is empty."""

    def __missing__(self, text: str | None) -> bytes:
        packed = self[text] = pack_text(text or "")
        return packed


def pack_rows(*, entries: Iterable[Staged], ids: Ids, source: str) -> list[bytes]:
    """The events as rows of `COLUMNS`, codes resolved; every machine must be among `ids`.

    By hand rather than by the driver, row by row: a third of the time, because what is the same is packed once.
    """
    machines = {code: INTEGER(8, pk) for code, pk in ids.machines.items()}
    codes: Codes = [
        {code: INTEGER(8, pk) for code, pk in noun.items()} for noun in (ids.reasons, ids.orders, ids.products)
    ]
    texts = Texts()
    texts[None] = pack_text(source)
    words = Texts()
    fields = len(COLUMNS)
    rows = []
    for position, event, digest in entries:
        event_id = event.event_id.encode()
        rows.append(
            HEAD(fields, 4, position, 8, _micros(event.at), 16, digest, len(event_id))
            + event_id
            + texts[event.source]
            + machines[event.machine]
            + (NULL if event.sequence is None else INTEGER(8, event.sequence))
            + PACK[type(event)](event, words, codes)
        )
    return rows


def pack_text(text: str) -> bytes:
    """A text field."""
    written = text.encode()
    return LENGTH(len(written)) + written


# What an event of a kind does not say, in one piece.
NO_READING = EMPTY + NULL + NULL + EMPTY
NO_PIECES = NULL * 3
NO_CODES = NULL * 3
NO_STATE = EMPTY + NULL + EMPTY + EMPTY
STATE = pack_text("state") + NO_READING + NO_PIECES
COUNT = pack_text("count") + NO_READING
COUNTER = pack_text("counter")
MEASUREMENT = pack_text("measurement")
NOTHING_MORE = NO_PIECES + NO_CODES + NO_STATE

Codes = Sequence[dict[str | None, bytes]]


def _pack_state(event: StateEvent, words: Texts, codes: Codes) -> bytes:
    reasons, orders, products = codes
    return b"".join(
        (
            STATE,
            reasons.get(event.reason, NULL),
            orders.get(event.order, NULL),
            products.get(event.product, NULL),
            words[event.state],
            NULL if event.until is None else INTEGER(8, _micros(event.until)),
            words[event.operator],
            EMPTY if not event.comment else pack_text(event.comment),
        )
    )


def _pack_count(event: CountEvent, _words: Texts, codes: Codes) -> bytes:
    reasons, orders, products = codes
    good, scrap, rework = event.good, event.scrap, event.rework
    return b"".join(
        (
            COUNT,
            NULL if good is None else NUMBER(8, good),
            NULL if scrap is None else NUMBER(8, scrap),
            NULL if rework is None else NUMBER(8, rework),
            reasons.get(event.reason, NULL),
            orders.get(event.order, NULL),
            products.get(event.product, NULL),
            NO_STATE,
        )
    )


def _pack_counter(event: CounterEvent, words: Texts, _codes: Codes) -> bytes:
    maximum = NULL if event.maximum is None else NUMBER(8, event.maximum)
    return COUNTER + words[event.name] + NUMBER(8, event.value) + maximum + EMPTY + NOTHING_MORE


def _pack_measurement(event: MeasurementEvent, words: Texts, _codes: Codes) -> bytes:
    return MEASUREMENT + words[event.name] + NUMBER(8, event.value) + NULL + words[event.unit] + NOTHING_MORE


PACK: dict[type, Callable[..., bytes]] = {
    StateEvent: _pack_state,
    CountEvent: _pack_count,
    CounterEvent: _pack_counter,
    MeasurementEvent: _pack_measurement,
}


def _micros(moment: dt.datetime) -> int:
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
