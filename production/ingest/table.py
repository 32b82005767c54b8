"""Table: a file as named columns and numbered rows, whether it is delimited text, a sheet, or a log of observations."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from production.ingest.mapping import ImportRefused

Kind = Literal["csv", "xlsx", "shdr", "mtconnect"]
LONGEST_CELL = 100_000
MOST_COLUMNS = 2_000


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it starts on (from 1, the header included), its cells by column, and the cells as they were.

    `cells` is empty when the row does not have as many cells as the header. `sequence`: the source's own number of it.
    """

    line: int
    cells: Mapping[str, str]
    raw: str
    sequence: int | None = None


class Table(Protocol):
    """An open file. Rows come one by one: a long file never is in memory."""

    @property
    def kind(self) -> Kind:
        """What the file is."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names in its header, white space normalised."""

    @property
    def encoding(self) -> str:
        """How its bytes are letters; empty for a workbook."""

    def rows(self) -> Iterator[Row]:
        """Its rows in order, blank lines left out; raises `ImportRefused` where the file cannot be read further."""


def digest_of(path: Path) -> str:
    """SHA-256 of the file's bytes; raises `ImportRefused` when it cannot be opened."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ImportRefused(f"{path.name} cannot be opened: {error.strerror}.") from error


def check_header(*, names: tuple[str, ...], where: str) -> tuple[str, ...]:
    """The names, if they can serve as columns; raises `ImportRefused`."""
    if not any(names):
        raise ImportRefused(f"{where} has no header. Its first line must name the columns.")
    if len(names) > MOST_COLUMNS:
        raise ImportRefused(f"{where} has {len(names)} columns; at most {MOST_COLUMNS} are read. Leave the others out.")
    if repeated := sorted({name for name in names if name and names.count(name) > 1}):
        raise ImportRefused(f"The header names {', '.join(repr(name) for name in repeated[:5])} more than once.")
    return names


def write_cells(cells: Mapping[str, str]) -> str:
    """The row as quarantine keeps it: {column: cell}."""
    return json.dumps(dict(cells), ensure_ascii=False)
