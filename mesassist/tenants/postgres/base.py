"""Postgres: with each statement the database hears for which tenant it is (`place`), so that its policies can decide.

What is said holds for one transaction only (`SET LOCAL`), so nothing is left on a connection that a pool hands to the
next request. It travels in front of the statement in the same message: no round trip, and a statement outside of a
transaction is covered too, because PostgreSQL runs one message as one transaction. Nobody can forget it.
"""

from collections.abc import Iterable
from typing import Any

from django.db.backends.postgresql import base
from psycopg import sql
from psycopg.pq import TransactionStatus

from mesassist.tenants.actor import introducing
from mesassist.tenants.place import NOWHERE, PLACE, Place

ROLLBACK_TO = "ROLLBACK TO"
# What a rolled back savepoint leaves behind is not known here, so it is said again.
UNKNOWN = Place(tenant_id=-1)


class PlacedCursor(base.Cursor):  # type: ignore[misc, name-defined]
    """Puts the present place in front of a statement when the transaction has not heard it yet."""

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        """Run a statement as the present place."""
        prefix = telling(self.connection) + introducing(self.connection, query)
        if isinstance(query, str) and query.startswith(ROLLBACK_TO):
            self.connection.placed = UNKNOWN
        elif prefix:
            super().execute(in_front(prefix, query), params, **kwargs)
            for _ in range(prefix.count(";")):
                self.nextset()
            return self
        return super().execute(query, params, **kwargs)

    def executemany(self, query: Any, params_seq: Iterable[Any], **kwargs: Any) -> None:
        """Run a statement for many rows as the present place, in one transaction."""
        with self.connection.transaction():
            tell(self.connection, query)
            super().executemany(query, params_seq, **kwargs)

    def copy(self, statement: Any, params: Any = None, **kwargs: Any) -> Any:
        """COPY as the present place; within a transaction only, since what is told lasts no longer."""
        tell(self.connection)
        return super().copy(statement, params, **kwargs)


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own engine with cursors that say for whom they ask."""

    def get_connection_params(self) -> dict[str, Any]:
        """As Django's, with our cursor."""
        return {**super().get_connection_params(), "cursor_factory": PlacedCursor}

    def create_cursor(self, name: str | None = None) -> Any:
        """A server-side cursor outlives its statement: outside of a transaction the rows are fetched at once."""
        if name is None:
            return super().create_cursor()
        if self.connection.autocommit and PLACE.get() != NOWHERE:
            return super().create_cursor()
        tell(self.connection)
        return super().create_cursor(name)


def telling(connection: Any) -> str:
    """The statements to put in front of the next one, or nothing; notes that they were said."""
    wanted: Place = PLACE.get()
    status = connection.pgconn.transaction_status
    if status == TransactionStatus.INERROR:
        return ""
    said: Place = connection.placed if status == TransactionStatus.INTRANS else NOWHERE
    connection.placed = wanted
    return "" if wanted == said else wanted.statement(role_known=wanted.role == said.role and said is not UNKNOWN)


def tell(connection: Any, query: Any = "") -> None:
    """Say the present place in a message of its own."""
    if prefix := telling(connection) + introducing(connection, query):
        with connection.cursor() as cursor:
            super(PlacedCursor, cursor).execute(prefix)


def in_front(prefix: str, query: Any) -> Any:
    """The query with the prefix before it."""
    if isinstance(query, str):
        return prefix + query
    return sql.SQL(prefix) + (query if isinstance(query, sql.Composable) else sql.SQL(query.decode()))
