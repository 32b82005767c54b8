"""Detect: what a file is and what its columns hold, found by looking at all of it and said with the evidence."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from production.ingest.delimited import find_delimiter, find_encoding, read_records
from production.ingest.drafts import write_draft
from production.ingest.mapping import Layout
from production.ingest.numerals import NumberColumn
from production.ingest.openers import find_kind, open_table
from production.ingest.stamps import StampColumn, read_stamp
from production.ingest.table import Kind, Row, Table
from production.ingest.workbook import list_sheets, read_sheet

ROWS_LOOKED_AT = 200_000
HEAD_ROWS = 12
EXAMPLES = 5
MOST_VALUES = 40
LONGEST_EXAMPLE = 80


@dataclass(frozen=True)
class Column:
    """What one column holds. For times, `formats` are the likeliest reading and `choices` all that fit every cell,
    each as (words, formats); not `certain`: a person must choose. `evidence` says why, with a cell and its line.

    `values`: the different texts, as far as there are at most 40 (else empty): states are mapped from them.
    """

    name: str
    kind: Literal["time", "number", "text", "empty"]
    examples: tuple[str, ...]
    filled: int
    formats: tuple[str, ...] = ()
    choices: tuple[tuple[str, tuple[str, ...]], ...] = ()
    certain: bool = True
    evidence: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Detected:
    """What a file is. `whole`: every row was looked at, not only the first 200,000.

    `decimal_certain` and `encoding_certain`: false where a person should look. For logs (`shdr`, `mtconnect`) the
    columns are always Time, Item, Value; `items` are the names that occur, with examples of their values.
    """

    kind: Kind
    file_name: str
    encoding: str
    encoding_certain: bool
    delimiter: str
    sheet: str
    sheets: tuple[str, ...]
    header: tuple[int, ...]
    data_from: int
    decimal: Literal[".", ","]
    decimal_certain: bool
    columns: tuple[Column, ...]
    rows: int
    whole: bool
    notes: tuple[str, ...]
    items: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def certain(self) -> bool:
        """Whether nothing is left for a person to decide about how the cells are read."""
        return self.encoding_certain and self.decimal_certain and all(column.certain for column in self.columns)

    @property
    def layout(self) -> dict[str, Any]:
        """`MappingSpec.table` as detected."""
        found: dict[str, Any] = {"header": list(self.header)}
        if self.data_from != max(self.header) + 1:
            found["data_from"] = self.data_from
        if self.kind == "csv":
            found |= {"encoding": self.encoding, "delimiter": self.delimiter}
        if self.kind == "xlsx":
            found["sheet"] = self.sheet
        return {} if self.kind in ("shdr", "mtconnect") else found


def detect_file(*, path: Path, file_name: str, layout: Layout | None = None) -> Detected:
    """Look at the file; raises `ImportRefused` with a sentence. What `layout` names (a sheet, a header) is not guessed.

    The date order of a column is decided by all of its cells; where none decides it, the column is not `certain`.
    """
    kind = find_kind(path=path)
    encoding = find_encoding(path=path) if kind in ("csv", "shdr") else None
    layout = layout or Layout()
    if encoding and not layout.encoding:
        layout = layout.model_copy(update={"encoding": encoding.name})
    sheets = list_sheets(path=path) if kind == "xlsx" else ()
    if sheets and not layout.sheet:
        layout = layout.model_copy(update={"sheet": sheets[0]})
    if kind == "csv" and not layout.delimiter:
        delimiter = find_delimiter(path=path, encoding=layout.encoding or "utf-8-sig")
        layout = layout.model_copy(update={"delimiter": delimiter})
    if layout.header == (1,) and layout.data_from is None and kind in ("csv", "xlsx"):
        layout = layout.model_copy(update=_find_header(_head(path, kind, layout)))
    table = open_table(path=path, layout=layout)
    looked = _Look(table)
    looked.take(islice(table.rows(), ROWS_LOOKED_AT + 1))
    columns = tuple(looked.column(name) for name in table.columns if name)
    decimal, decimal_certain, decimal_note = looked.decimal()
    notes = [f"Encoding {encoding.name}: {encoding.evidence}."] if encoding else []
    notes += [decimal_note] if decimal_note else []
    notes += [f"{column.name}: {column.evidence}." for column in columns if column.kind == "time" and column.evidence]
    return Detected(
        kind=kind,
        file_name=file_name,
        encoding=table.encoding,
        encoding_certain=encoding is None or encoding.certain,
        delimiter=layout.delimiter or "",
        sheet=layout.sheet or "",
        sheets=sheets,
        header=layout.header,
        data_from=layout.data_from or max(layout.header) + 1,
        decimal=decimal,
        decimal_certain=decimal_certain,
        columns=columns,
        rows=looked.rows,
        whole=looked.rows <= ROWS_LOOKED_AT,
        notes=tuple(notes),
        items=tuple((name, tuple(values)) for name, values in looked.items.items()),
    )


def draft_mapping(*, detected: Detected) -> dict[str, Any]:
    """A `MappingSpec` (version 2) as far as it can be guessed from names and cells; a person completes it.

    It may lack what nobody can guess, and then does not validate: the machine, the meaning of the states.
    """
    return write_draft(
        kind=detected.kind,
        file_name=detected.file_name,
        layout=detected.layout,
        decimal=detected.decimal,
        columns={column.name: (column.kind, column.formats, column.values) for column in detected.columns},
        items=dict(detected.items),
    )


@dataclass
class _Look:
    """What the rows of one table showed."""

    table: Table
    rows: int = 0
    stamps: dict[str, StampColumn] = field(default_factory=dict)
    numbers: dict[str, NumberColumn] = field(default_factory=dict)
    values: dict[str, dict[str, None]] = field(default_factory=dict)
    filled: dict[str, int] = field(default_factory=dict)
    items: dict[str, dict[str, None]] = field(default_factory=dict)

    def take(self, rows: Any) -> None:
        names = [name for name in self.table.columns if name]
        self.stamps = {name: StampColumn() for name in names}
        self.numbers = {name: NumberColumn() for name in names}
        self.values = {name: {} for name in names}
        self.filled = dict.fromkeys(names, 0)
        is_log = self.table.kind in ("shdr", "mtconnect")
        for row in rows:
            self.rows += 1
            for name, cell in row.cells.items():
                if cell and name in self.filled:
                    self._look_at(name, cell, row.line)
            if is_log:
                self._note_item(row)

    def _look_at(self, name: str, cell: str, line: int) -> None:
        self.filled[name] += 1
        self.stamps[name].look_at(cell, line)
        self.numbers[name].look_at(cell, line)
        values = self.values[name]
        if len(values) <= MOST_VALUES:
            values[cell[:LONGEST_EXAMPLE]] = None

    def _note_item(self, row: Row) -> None:
        values = self.items.setdefault(row.cells.get("Item", ""), {})
        if len(values) < 2 * EXAMPLES:
            values[row.cells.get("Value", "")[:LONGEST_EXAMPLE]] = None

    def column(self, name: str) -> Column:
        values = tuple(self.values[name])
        examples, filled = values[:EXAMPLES], self.filled[name]
        if not filled:
            return Column(name, "empty", (), 0)
        verdict = self.stamps[name].decide()
        if verdict.readings:
            choices = tuple((reading.words, reading.formats) for reading in verdict.readings)
            return Column(name, "time", examples, filled, choices[0][1], choices, verdict.certain, verdict.evidence)
        kind: Literal["number", "text"] = "number" if self.numbers[name].is_number else "text"
        few = values if len(values) <= MOST_VALUES else ()
        return Column(name, kind, examples, filled, evidence=verdict.evidence, values=few)

    def decimal(self) -> tuple[Literal[".", ","], bool, str]:
        """The decimal sign of the file's numbers, whether a cell proves it, and a sentence."""
        numbers = [(name, number) for name, number in self.numbers.items() if number.seen and number.is_number]
        comma = next(((n, c.comma_because) for n, c in numbers if c.comma_because and not c.point), None)
        point = next(((n, c.point_because) for n, c in numbers if c.point_because and not c.comma), None)
        if comma and point:
            return ".", False, f"Numbers are written both ways: {point[0]} {point[1]}, {comma[0]} {comma[1]}."
        if comma:
            return ",", True, f"Decimal comma: {comma[1]} ({comma[0]})."
        if point:
            return ".", True, f"Decimal point: {point[1]} ({point[0]})."
        if doubt := next(((name, c.undecided) for name, c in numbers if c.undecided), None):
            return ".", False, f"Thousands or a fraction? {doubt[1]} ({doubt[0]}) can be read both ways."
        return ".", True, ""


def _head(path: Path, kind: Kind, layout: Layout) -> list[list[str]]:
    if kind == "xlsx":
        rows = read_sheet(path=path, sheet=layout.sheet or "")
    else:
        rows = read_records(path=path, encoding=layout.encoding or "utf-8-sig", delimiter=layout.delimiter or ",")
    found: dict[int, list[str]] = {}
    for line, cells in islice(rows, HEAD_ROWS):
        found[line] = [cell.strip() for cell in cells]
    return [found.get(line, []) for line in range(1, max(found, default=0) + 1)]


def _find_header(head: Sequence[Sequence[str]]) -> dict[str, Any]:
    """The lines of the header: the first row that is filled like a table, with a row of group titles above it."""
    width = max((sum(map(bool, row)) for row in head), default=0)
    names = next((n for n, row in enumerate(head) if sum(map(bool, row)) > max(1, width * 0.5)), None)
    if names is None:
        names = next((n for n, row in enumerate(head) if any(row)), 0)
    header = [names + 1]
    above = [cell for cell in head[names - 1] if cell] if names else []
    # Titles over groups of columns: a few words over bare numbers, or over names that would repeat without them.
    if above and (_repeats(head[names]) or _has_bare_numbers(head[names])):
        header = [names, names + 1]
    found: dict[str, Any] = {"header": tuple(header)}
    following = head[names + 1] if names + 1 < len(head) else []
    first = next((cell for cell in head[names] if cell), "") if head else ""
    if following and first and following[0] == first and len(header) == 1:
        # The header stands there twice, as in exports of a sheet with a header of two rows.
        found["data_from"] = names + 3
    return found


def _repeats(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return len(set(filled)) < len(filled)


def _has_bare_numbers(cells: Sequence[str]) -> bool:
    return (
        any(cell.isdigit() for cell in cells) and read_stamp(cell=cells[0] if cells else "", formats=("iso",)) is None
    )
