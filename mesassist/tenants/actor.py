"""Actor: who acts now, as the database is told it in front of a write, for the audit trail; read by `postgres`.

It imports nothing of the house: the database engine is loaded before any model is.
"""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from typing import Any

from psycopg.pq import TransactionStatus

# What may change a row that the trail watches; some of the others, such as CREATE DATABASE, stand alone in a message.
WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "DO ", "CALL")
ROLLBACK_TO = "ROLLBACK TO"


@dataclass(frozen=True)
class Actor:
    """Who does something, through which door and from where. `kind` is person, key, task, command or portal."""

    kind: str = "portal"
    id: str = ""
    name: str = ""
    door: str = ""
    ip: str = ""
    request_id: str = ""
    why: str = ""


# Asked at the first write: who a request comes from is known only once its door has looked.
Asking = Callable[[], Actor]
ACTOR: ContextVar[Actor | Asking | None] = ContextVar("actor", default=None)
# Who acts where nobody says: the portal itself, or the command that this process runs.
PROCESS = [Actor()]


@contextmanager
def acting(who: Actor | Asking) -> Iterator[None]:
    """What is committed inside is done by `who`: a transaction has one actor, the last that wrote in it."""
    token = ACTOR.set(who)
    try:
        yield
    finally:
        ACTOR.reset(token)


@contextmanager
def because(why: str) -> Iterator[None]:
    """What is committed inside has this reason; who does it stays as it is. Around a transaction, never in one."""
    outer = who_acts()
    with acting(lambda: replace(known(outer), why=why)):
        yield


def name_process(who: Actor) -> None:
    """Every thread of this process that says nothing else acts as `who`: a management command and its threads."""
    PROCESS[:] = [who]


def who_acts() -> Actor | Asking:
    """Who acts here, or how to find out."""
    return ACTOR.get() or PROCESS[0]


def known(who: Actor | Asking) -> Actor:
    """The actor, found out."""
    return who if isinstance(who, Actor) else who()


def introducing(connection: Any, query: Any) -> str:
    """The statement that names the actor, to put in front of `query`; nothing if it only reads, or if it was said."""
    status = connection.pgconn.transaction_status
    text = query.lstrip()[:12].upper() if isinstance(query, str) else "WITH"
    if text.startswith(ROLLBACK_TO):
        # What was said since the savepoint is taken back with it.
        connection.introduced = None
    if not text.startswith(WRITES) or status == TransactionStatus.INERROR:
        return ""
    who = who_acts()
    if status == TransactionStatus.INTRANS and getattr(connection, "introduced", None) is who:
        return ""
    connection.introduced = who
    return f"SET LOCAL app.actor = '{written(known(who))}'; "


def written(actor: Actor) -> str:
    """As the database reads it: in base64, so that no name can end the statement that carries it."""
    return base64.b64encode(json.dumps(asdict(actor)).encode()).decode()
