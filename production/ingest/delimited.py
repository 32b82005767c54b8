"""Delimited: CSV, TSV and their kin as a table, in whatever encoding and with whatever delimiter they came."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from production.ingest.mapping import ImportRefused, Layout, normalise
from production.ingest.table import LONGEST_CELL, Row, check_header

DELIMITERS = ",;\t|"
SAMPLE_RECORDS = 100
# A quote that is never closed swallows the file: a record may not be longer than any sensible one.
LONGEST_RECORD = 1_000_000
PIECE = 1 << 20
# What Polish and its neighbours write where Western Europe has signs that stand in no word.
CENTRAL_LETTERS = frozenset("ąęłśżźćńčďěňřšťůžőűĄĘŁŚŻŹĆŃČĎĚŇŘŠŤŮŽŐŰ")
WESTERN_LETTERS = frozenset("àâãåæçèêëìîïñòõøùûœÀÂÃÅÆÇÈÊËÌÎÏÑÒÕØÙÛŒ")


class Encoding(NamedTuple):
    """How the bytes are letters; `certain`: the bytes themselves say so."""

    name: str
    certain: bool
    evidence: str


@dataclass(frozen=True)
class DelimitedTable:
    """A text file with a header."""

    path: Path
    columns: tuple[str, ...]
    encoding: str
    delimiter: str
    first_line: int
    kind: Literal["csv"] = "csv"

    def rows(self) -> Iterator[Row]:
        """Its rows in order, blank lines left out; raises `ImportRefused` where the text cannot be read further."""
        for line, cells in read_records(path=self.path, encoding=self.encoding, delimiter=self.delimiter):
            if line >= self.first_line and any(cell.strip() for cell in cells):
                yield self._row(line, cells)

    def _row(self, line: int, cells: list[str]) -> Row:
        raw = _joined(cells, self.delimiter)
        if len(cells) != len(self.columns):
            return Row(line, {}, raw)
        return Row(line, {name: cell.strip() for name, cell in zip(self.columns, cells, strict=True) if name}, raw)


def open_delimited(*, path: Path, layout: Layout) -> DelimitedTable:
    """Look at the file's header; raises `ImportRefused` when there is none."""
    encoding = layout.encoding or find_encoding(path=path).name
    delimiter = layout.delimiter or find_delimiter(path=path, encoding=encoding)
    last = max(layout.header)
    lines: dict[int, list[str]] = {}
    for line, cells in read_records(path=path, encoding=encoding, delimiter=delimiter):
        if line > last:
            break
        lines[line] = cells
    names = join_header([lines.get(line, []) for line in layout.header])
    columns = check_header(names=names, where=path.name)
    return DelimitedTable(path, columns, encoding, delimiter, layout.data_from or last + 1)


def join_header(lines: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """One name per column. A name that stands over several columns, as in merged cells, belongs to each of them."""
    whole = [list(line) for line in lines]
    width = max((len(line) for line in whole), default=0)
    parts = [line + [""] * (width - len(line)) for line in whole]
    filled = [_spread(line) if number < len(parts) - 1 else line for number, line in enumerate(parts)]
    names = (normalise(" ".join(part for part in column if part.strip())) for column in zip(*filled, strict=True))
    return tuple(names)


def find_encoding(*, path: Path) -> Encoding:
    """The encoding of the whole file: its byte order mark, UTF-8 if every byte fits, else the likelier code page."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            if marked := _marked(head):
                return marked
            file.seek(0)
            return _fitting(iter(lambda: file.read(PIECE), b""))
    except OSError as error:
        raise ImportRefused(f"{path.name} cannot be opened: {error.strerror}.") from error


def find_delimiter(*, path: Path, encoding: str) -> str:
    """The sign that cuts the first records into the same number of cells most often; of several, into the most."""
    return max(DELIMITERS, key=lambda delimiter: _score(path, encoding, delimiter))


def read_records(*, path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line it starts on, blank ones too; raises `ImportRefused`."""
    csv.field_size_limit(LONGEST_CELL)
    line = 1
    try:
        with path.open(encoding=encoding, newline="") as file:
            text = _Lines(file)
            reader = csv.reader(text, delimiter=delimiter)
            for cells in reader:
                yield line, cells
                line = reader.line_num + 1
                text.taken = 0
    except OSError as error:
        raise ImportRefused(f"{path.name} cannot be opened: {error.strerror}.") from error
    except UnicodeError as error:
        raise ImportRefused(
            f"{path.name} is not {encoding} text (in line {line} or later). Save it as CSV in UTF-8."
        ) from error
    except csv.Error as error:
        raise ImportRefused(f"Line {line} cannot be read: {error}. Look for a quote that is never closed.") from error


class _Lines:
    """The lines of a text, none of them longer than a record may be."""

    def __init__(self, file: io.TextIOBase) -> None:
        self.file = file
        self.taken = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.file.readline(LONGEST_RECORD)
        self.taken += len(line)
        if self.taken >= LONGEST_RECORD:
            raise csv.Error(f"it is longer than {LONGEST_RECORD:,} characters")
        if not line:
            raise StopIteration
        return line


def _marked(head: bytes) -> Encoding | None:
    if head.startswith(codecs.BOM_UTF8):
        return Encoding("utf-8-sig", True, "it begins with the mark of UTF-8")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Encoding("utf-16", True, "it begins with the mark of UTF-16")
    for name, offset in (("utf-16-le", 1), ("utf-16-be", 0)):
        if len(head) >= 8 and head[offset::2].count(0) > 0.4 * len(head):
            return Encoding(name, True, "every other byte is empty")
    return None


def _fitting(pieces: Iterable[bytes]) -> Encoding:
    decode = codecs.getincrementaldecoder("utf-8")().decode
    high: Counter[int] = Counter()
    is_utf8 = True
    for piece in pieces:
        if is_utf8:
            try:
                decode(piece)
            except UnicodeDecodeError:
                is_utf8 = False
        # Counting what ASCII has not is quicker when the rest is deleted first.
        high.update(piece.translate(None, bytes(range(128))))
    if is_utf8:
        return Encoding("utf-8-sig", True, "every byte is UTF-8" if high else "it is plain ASCII")
    return _code_page(high)


def _code_page(high: Counter[int]) -> Encoding:
    """Which code page makes more of the bytes letters that stand in words."""

    def letters(name: str, own: frozenset[str]) -> int:
        return sum(times for byte, times in high.items() if bytes([byte]).decode(name, "replace") in own)

    central, western = letters("cp1250", CENTRAL_LETTERS), letters("cp1252", WESTERN_LETTERS)
    symbols = sum(times for byte, times in high.items() if bytes([byte]).decode("cp1252", "replace") in "\ufffd³¹¿Ÿ")
    name = "cp1250" if central and (symbols or central > western) else "cp1252"
    if any(bytes([byte]).decode(name, "replace") == "\ufffd" for byte in high):
        name = "cp1252" if name == "cp1250" else "cp1250"
    return Encoding(name, False, f"it is not UTF-8; its letters fit {name} best: look at them before you import")


def _score(path: Path, encoding: str, delimiter: str) -> tuple[float, int]:
    """How many of the first records have the usual number of cells, and that number."""
    widths: Counter[int] = Counter()
    try:
        for number, (_, cells) in enumerate(read_records(path=path, encoding=encoding, delimiter=delimiter)):
            if number == SAMPLE_RECORDS:
                break
            if cells:
                widths[len(cells)] += 1
    except ImportRefused:
        return (0.0, 0) if not widths else (0.1, max(widths))
    if not widths:
        return 0.0, 0
    width, times = max(widths.items(), key=lambda pair: (pair[1], pair[0]))
    return (times / widths.total() if width > 1 else 0.05), width


def _spread(line: list[str]) -> list[str]:
    spread, last = [], ""
    for cell in line:
        last = cell.strip() or last
        spread.append(last)
    return spread


def _joined(cells: list[str], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="").writerow(cells)
    return text.getvalue()
