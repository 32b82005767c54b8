"""Joins: the columns of a second table, a sheet or a file beside the first, added to each row that they belong to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from production.ingest.mapping import ImportRefused, Join, normalise
from production.ingest.openers import open_table
from production.ingest.table import Kind, Row, Table

# The second table is held in memory: it names batches or orders, not measurements.
MOST_PARTNERS = 200_000


@dataclass(frozen=True)
class JoinedTable:
    """The rows of the first table, each with its partner's cells. `unpaired` keeps the keys that nothing asked for."""

    first: Table
    key: str
    where: str
    columns: tuple[str, ...]
    partners: Mapping[str, Mapping[str, str]]
    unpaired: set[str] = field(default_factory=set)

    @property
    def kind(self) -> Kind:
        """That of the first table."""
        return self.first.kind

    @property
    def path(self) -> Path:
        """That of the first table."""
        return self.first.path

    @property
    def encoding(self) -> str:
        """That of the first table."""
        return self.first.encoding

    def rows(self) -> Iterator[Row]:
        """The first table's rows; one without a partner has the first table's cells alone."""
        self.unpaired.update(self.partners)
        for row in self.first.rows():
            key = row.cells.get(self.key, "")
            self.unpaired.discard(key)
            yield replace(row, cells={**self.partners.get(key, {}), **row.cells}) if row.cells else row


def join_table(*, table: Table, join: Join) -> JoinedTable:
    """The table with its partner's columns; raises `ImportRefused` where the partner is not there or names a key
    twice."""
    path = table.path.parent / join.file if join.file else table.path
    if join.file and not path.is_file():
        raise ImportRefused(
            f"The mapping needs {join.file} beside {table.path.name}. Put both into one folder and import from there, "
            "or hand in one workbook with both sheets."
        )
    second = open_table(path=path, layout=join.table)
    key = normalise(join.key)
    where = join.file or join.table.sheet or path.name
    for columns, name in ((table.columns, table.path.name), (second.columns, where)):
        if key not in columns:
            raise ImportRefused(f"{name} has no column {key!r} to join by. Its header is: {', '.join(columns)}.")
    columns = tuple(dict.fromkeys((*table.columns, *second.columns)))
    return JoinedTable(table, key, where, columns, _read_partners(second, key, where))


def _read_partners(table: Table, key: str, where: str) -> dict[str, Mapping[str, str]]:
    partners: dict[str, Mapping[str, str]] = {}
    for row in table.rows():
        name = row.cells.get(key, "")
        if not name:
            continue
        if name in partners:
            raise ImportRefused(f"{where} has {key} {name!r} more than once (again in line {row.line}). Mend it first.")
        if len(partners) == MOST_PARTNERS:
            raise ImportRefused(f"{where} has more than {MOST_PARTNERS:,} rows; that is too many to join.")
        partners[name] = row.cells
    return partners
