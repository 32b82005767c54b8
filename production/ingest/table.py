"""Table: a CSV file as a header and numbered rows, whatever its delimiter and blanks."""

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from production.ingest.mapping import ImportRefused, normalise

DELIMITERS = ",;\t|"
LONGEST_CELL = 100_000


@dataclass(frozen=True)
class Row:
    """One row: the line it starts on (1 is the header), its cells by column, and the cells as they were.

    `cells` is empty when the row does not have as many cells as the header.
    """

    line: int
    cells: dict[str, str]
    raw: str


@dataclass(frozen=True)
class Table:
    """An open file: its columns (white space normalised), and its digest."""

    path: Path
    columns: tuple[str, ...]
    delimiter: str
    encoding: str
    sha256: str

    def rows(self) -> Iterator[Row]:
        """Its rows in order, blank lines left out; raises `ImportRefused` where the text cannot be read further."""
        with self.path.open(encoding=self.encoding, newline="") as file:
            reader = csv.reader(file, delimiter=self.delimiter)
            next(reader, None)
            line = reader.line_num + 1
            try:
                for cells in reader:
                    if any(cell.strip() for cell in cells):
                        yield self._row(line, cells)
                    line = reader.line_num + 1
            except (csv.Error, UnicodeDecodeError) as error:
                raise ImportRefused(f"Line {line} cannot be read: {error}. Nothing was imported.") from error

    def _row(self, line: int, cells: list[str]) -> Row:
        whole = len(cells) == len(self.columns)
        named = {column: cell.strip() for column, cell in zip(self.columns, cells, strict=True)} if whole else {}
        return Row(line, named, _joined(cells, self.delimiter))


def open_table(*, path: Path, encoding: str = "utf-8-sig") -> Table:
    """Look at the file's header; raises `ImportRefused` when there is none."""
    csv.field_size_limit(LONGEST_CELL)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        first = _first_line(path, encoding)
    except OSError as error:
        raise ImportRefused(f"{path.name} cannot be opened: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ImportRefused(f"{path.name} is not {encoding} text. Save it as CSV in UTF-8.") from error
    delimiter = max(DELIMITERS, key=lambda candidate: len(_split(first, candidate)))
    columns = tuple(normalise(name) for name in _split(first, delimiter))
    if not any(columns):
        raise ImportRefused(f"{path.name} has no header. Its first line must name the columns.")
    if repeated := sorted({name for name in columns if columns.count(name) > 1}):
        raise ImportRefused(f"The header names {', '.join(repr(name) for name in repeated)} more than once.")
    return Table(path, columns, delimiter, encoding, digest)


def _first_line(path: Path, encoding: str) -> str:
    with path.open(encoding=encoding, newline="") as file:
        return file.readline(LONGEST_CELL)


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _joined(cells: list[str], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="").writerow(cells)
    return text.getvalue()
