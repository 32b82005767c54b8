"""Chain: each entry of a trail carries the hash of the one before; whatever was changed, removed or cut off shows."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from mesassist.audit.models import Entry, PlatformEntry
from mesassist.tenants.scope import current_tenant, tenant_tx

FIRST = "0" * 64
PLATFORM = 0
# In the order in which they are sealed; `changes` as the database writes it.
SEALED = (
    *("number", "at", "subject", "object_id", "object", "action", "written", "actor_kind", "actor_id", "actor"),
    *("door", "ip", "request_id", "why", "database_role"),
)
AT_ONCE = 2000


class Head(NamedTuple):
    """The last entry of a chain: its number and its hash."""

    number: int = 0
    hash: str = FIRST


NOTHING = Head()


@dataclass
class Verdict:
    """What a walk along a chain found: how many entries, its head, and a sentence per break."""

    entries: int = 0
    head: Head = NOTHING
    broken: list[str] = field(default_factory=list)


def canonical(row: dict[str, Any], *, chain: int) -> bytes:
    """What is sealed: each part preceded by its length in bytes, so that nothing can move from one to the next.

    `row` has the columns of a trail, `written` being the text of `changes`; `chain` is the tenant's id, 0 the platform.
    """
    moment = f"{row['at']:%Y-%m-%dT%H:%M:%S.%f}Z"
    parts = [row["previous"], str(chain), *(moment if name == "at" else str(row[name]) for name in SEALED)]
    return b"".join(b"%d:%s" % (len(part), part) for part in (text.encode() for text in parts))


def seal_of(row: dict[str, Any], *, chain: int) -> str:
    """The hash that the entry must carry."""
    return hashlib.sha256(canonical(row, chain=chain)).hexdigest()


def verify_chain(*, anchor: Head | None = None, at_most: int = 20) -> Verdict:
    """Walk along the active tenant's chain; `anchor` is a head that was written down earlier."""
    return _walk(Entry.objects.all(), chain=current_tenant().pk, anchor=anchor, at_most=at_most)


def verify_platform(*, anchor: Head | None = None, at_most: int = 20) -> Verdict:
    """Walk along the platform's chain, in a platform scope."""
    return _walk(PlatformEntry.objects.all(), chain=PLATFORM, anchor=anchor, at_most=at_most)


def _walk(rows: QuerySet[Any], *, chain: int, anchor: Head | None, at_most: int) -> Verdict:
    verdict = Verdict()
    table = rows.model._meta.db_table
    columns = rows.annotate(written=Cast("changes", TextField())).order_by("number", "pk")
    with tenant_tx():
        for row in columns.values("pk", "hash", "previous", *SEALED).iterator(chunk_size=AT_ONCE):
            verdict.broken += _breaks(row, before=verdict.head, chain=chain, table=table)
            if anchor and row["number"] == anchor.number and row["hash"] != anchor.hash:
                verdict.broken.append(
                    f"entry {anchor.number} (row {row['pk']} of {table}) is not the one that was anchored"
                )
            verdict.entries += 1
            verdict.head = Head(row["number"], row["hash"])
            if len(verdict.broken) > at_most:
                return verdict
    if anchor and verdict.head.number < anchor.number:
        ends = f"the chain ends at entry {verdict.head.number} of {table}"
        verdict.broken.append(f"{ends}: entries up to {anchor.number}, which were anchored, are missing")
    return verdict


def _breaks(row: dict[str, Any], *, before: Head, chain: int, table: str) -> Iterator[str]:
    named = f"entry {row['number']} (row {row['pk']} of {table}: {row['action']} {row['subject']} {row['object_id']})"
    expected = before.number + 1
    if row["number"] > expected:
        missing = (
            f"entry {expected} is"
            if row["number"] == expected + 1
            else f"entries {expected} to {row['number'] - 1} are"
        )
        yield f"{missing} missing before {named}"
    elif row["number"] < expected:
        yield f"{named} has a number that was given before"
    elif row["previous"] != before.hash:
        yield f"{named} does not follow the entry before it: its link was changed"
    if row["hash"] != seal_of(row, chain=chain):
        yield f"{named} is not what was sealed: it was changed"


def find_breaks(asked: Any) -> Iterable[str]:
    """The self-check's question, in the active tenant; `asked.at_most` rows at most."""
    return verify_chain(at_most=asked.at_most).broken
