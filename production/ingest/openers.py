"""Openers: what kind of file this is, and the table in it."""

from pathlib import Path

from production.ingest.delimited import find_encoding, open_delimited
from production.ingest.mapping import ImportRefused, Layout
from production.ingest.mtconnect import StreamsTable
from production.ingest.shdr import ShdrTable, is_shdr
from production.ingest.table import Kind, Table
from production.ingest.workbook import open_workbook

MOST_BYTES = 1 << 30
HEAD = 8192
LOGS: tuple[Kind, ...] = ("shdr", "mtconnect")


def find_kind(*, path: Path) -> Kind:
    """The kind of the file by its first bytes, not by its name; raises `ImportRefused`."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        size = path.stat().st_size
    except OSError as error:
        raise ImportRefused(f"{path.name} cannot be opened: {error.strerror}.") from error
    if size > MOST_BYTES:
        raise ImportRefused(f"{path.name} has {size / 1e9:.1f} GB; at most 1 GB is read. Cut it into several files.")
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise ImportRefused(f"{path.name} is a workbook of the old kind (XLS). Save it as XLSX, or as CSV.")
    if head.startswith((b"\x1f\x8b", b"BZh", b"7z\xbc\xaf", b"%PDF")):
        raise ImportRefused(f"{path.name} is packed, or no table. Unpack it, then import what is in it.")
    text = head.decode("utf-8-sig", errors="replace").lstrip()
    if text.startswith("<"):
        return "mtconnect"
    return "shdr" if is_shdr(text.rsplit("\n", 1)[0]) else "csv"


def open_table(*, path: Path, layout: Layout) -> Table:
    """The table where `layout` says it is; raises `ImportRefused`."""
    kind = find_kind(path=path)
    if kind == "xlsx":
        return open_workbook(path=path, layout=layout)
    if kind == "mtconnect":
        return StreamsTable(path)
    if kind == "shdr":
        encoding = layout.encoding or find_encoding(path=path).name
        return ShdrTable(path, encoding=encoding)
    return open_delimited(path=path, layout=layout)
