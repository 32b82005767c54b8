"""Workbook: a sheet of an XLSX file as a table, row by row, after a look at how much it would unfold to."""

import datetime as dt
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree.ElementTree import ParseError

import openpyxl
from defusedxml import DefusedXmlException
from openpyxl.utils.exceptions import InvalidFileException

from production.ingest.delimited import join_header
from production.ingest.mapping import ImportRefused, Layout
from production.ingest.table import LONGEST_CELL, Row, check_header, write_cells

MOST_PARTS = 1_000
# Sheets are read in a stream; what is held in memory as a whole must be small.
LARGEST_SHEET = 600 << 20
LARGEST_STRINGS = 24 << 20
LARGEST_PART = 4 << 20
# Spreadsheets pack to a fifth or a twentieth; what packs to less is not there to be read.
STEEPEST = 200
BROKEN = (zipfile.BadZipFile, InvalidFileException, ParseError, KeyError, ValueError, EOFError, OSError, TypeError)


@dataclass(frozen=True)
class SheetTable:
    """One sheet. Cells become text as a person would write them: times as ISO 8601, whole numbers without a point."""

    path: Path
    columns: tuple[str, ...]
    sheet: str
    first_line: int
    encoding: str = ""
    kind: Literal["xlsx"] = "xlsx"

    def rows(self) -> Iterator[Row]:
        """Its rows in order, blank ones left out; raises `ImportRefused`."""
        for line, cells in read_sheet(path=self.path, sheet=self.sheet):
            if line < self.first_line or not any(cells):
                continue
            width = len(self.columns)
            if any(cells[width:]):
                yield Row(line, {}, "\t".join(cells))
                continue
            whole = [*cells[:width], *[""] * (width - len(cells))]
            named = {name: cell for name, cell in zip(self.columns, whole, strict=True) if name}
            yield Row(line, named, write_cells(named))


def open_workbook(*, path: Path, layout: Layout) -> SheetTable:
    """Look at the sheet's header; raises `ImportRefused` when there is none, or when the file is too much."""
    sheets = list_sheets(path=path)
    sheet = layout.sheet or sheets[0]
    if sheet not in sheets:
        raise ImportRefused(f"{path.name} has no sheet {sheet!r}. It has: {', '.join(sheets)}.")
    last = max(layout.header)
    lines: dict[int, list[str]] = {}
    for line, cells in read_sheet(path=path, sheet=sheet):
        if line > last:
            break
        lines[line] = cells
    names = list(join_header([lines.get(line, []) for line in layout.header]))
    while names and not names[-1]:
        names.pop()
    columns = check_header(names=tuple(names), where=f"The sheet {sheet!r}")
    return SheetTable(path, columns, sheet, layout.data_from or last + 1)


def list_sheets(*, path: Path) -> tuple[str, ...]:
    """The names of the sheets that people see, in order; raises `ImportRefused`."""
    book = _open(path)
    try:
        return tuple(sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible")
    finally:
        book.close()


def read_sheet(*, path: Path, sheet: str) -> Iterator[tuple[int, list[str]]]:
    """Each row's number and cells as text; raises `ImportRefused` where the file cannot be read further."""
    book = _open(path)
    try:
        # What the sheet says of its own size may be anything.
        book[sheet].reset_dimensions()
        rows = book[sheet].iter_rows(values_only=True)
        for line, values in enumerate(rows, start=1):
            last = max((index for index, value in enumerate(values) if value is not None), default=-1)
            yield line, [_write(value) for value in values[: last + 1]]
    except DefusedXmlException as error:
        raise _bomb(path, "defines entities of its own") from error
    except BROKEN as error:
        raise ImportRefused(f"{path.name} cannot be read as a workbook ({error}). Save it as XLSX again.") from error
    finally:
        book.close()


def _open(path: Path) -> Any:
    _weigh(path)
    try:
        return openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except DefusedXmlException as error:
        raise _bomb(path, "defines entities of its own") from error
    except BROKEN as error:
        raise ImportRefused(f"{path.name} cannot be read as a workbook ({error}). Save it as XLSX again.") from error


def _weigh(path: Path) -> None:
    """Refuse what would unfold to more than it pretends to be, before anything is unfolded.

    The sizes in a ZIP file's directory can lie, but not upwards: no more than them is ever read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ImportRefused(f"{path.name} is not a workbook ({error}). Save it as XLSX again.") from error
    if len(parts) > MOST_PARTS:
        raise _bomb(path, f"has {len(parts):,} parts")
    for part in parts:
        if part.file_size > _allowed(part.filename):
            raise _bomb(path, f"unfolds to {part.file_size / 1e6:,.0f} MB in {part.filename}")
        if part.file_size > (1 << 20) and part.file_size > STEEPEST * max(1, part.compress_size):
            raise _bomb(path, f"unfolds {part.file_size // max(1, part.compress_size):,}-fold in {part.filename}")


def _allowed(part: str) -> int:
    name = part.lower()
    if name.startswith("xl/worksheets/"):
        return LARGEST_SHEET
    # Pictures and the like are never read.
    if name.startswith(("xl/media/", "xl/drawings/", "xl/charts/", "xl/embeddings/")):
        return LARGEST_SHEET
    return LARGEST_STRINGS if name.endswith("sharedstrings.xml") else LARGEST_PART


def _bomb(path: Path, why: str) -> ImportRefused:
    return ImportRefused(f"{path.name} {why}: that is not read. Save the sheet alone as a new workbook, or as CSV.")


def _write(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ") if value.time() != dt.time() else value.date().isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, dt.timedelta):
        hours, rest = divmod(round(value.total_seconds()), 3600)
        return f"{hours}:{rest // 60:02}" + (f":{rest % 60:02}" if rest % 60 else "")
    return str(value)[:LONGEST_CELL].strip()
