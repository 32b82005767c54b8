"""Fitting: the mapping that fits a file, and the file's table as that mapping describes it."""

from pathlib import Path

from production.ingest.delimited import DelimitedTable
from production.ingest.joins import join_table
from production.ingest.mapping import (
    ImportRefused,
    Layout,
    MappingSpec,
    check_columns,
    choose_fitting,
    find_mapping,
    known_mappings,
)
from production.ingest.openers import LOGS, open_table
from production.ingest.table import Table

# A log names everything within its first lines.
LINES_LOOKED_AT = 20_000


def open_mapped(*, path: Path, mapping_name: str | None) -> tuple[Table, MappingSpec]:
    """The file's table with the mapping of that name, or with the only one that fits; raises `ImportRefused`."""
    if mapping_name is not None:
        spec = find_mapping(name=mapping_name)
        return open_for(path=path, spec=spec), spec
    plain = open_table(path=path, layout=Layout())
    known = known_mappings()
    tables = {spec.name: table for spec in known.values() if (table := _try_open(path, spec, plain))}
    spec = choose_fitting(fitting=[known[name] for name in tables], header=plain.columns)
    return tables[spec.name], spec


def open_for(*, path: Path, spec: MappingSpec) -> Table:
    """The table as the mapping describes it, with its partner's columns; raises `ImportRefused`."""
    table = open_table(path=path, layout=spec.table)
    if spec.join:
        table = join_table(table=table, join=spec.join)
    check_columns(spec=spec, header=table.columns)
    return table


def _try_open(path: Path, spec: MappingSpec, plain: Table) -> Table | None:
    """The table if the mapping fits: its columns are there, and for a log its items are in its first lines."""
    if bool(spec.items) != (plain.kind in LOGS):
        return None
    if spec.items:
        return plain if _has_items(plain, spec) else None
    if isinstance(plain, DelimitedTable) and spec.table == Layout() and not spec.join:
        return plain if set(spec.needs()) <= set(plain.columns) else None
    try:
        return open_for(path=path, spec=spec)
    except ImportRefused:
        return None


def _has_items(table: Table, spec: MappingSpec) -> bool:
    """Whether what the mapping names occurs."""
    wanted = {name for name, item in spec.items.items() if item.kind in ("state", "counter")} or set(spec.items)
    missing = set(wanted)
    for number, row in enumerate(table.rows()):
        missing.discard(row.cells.get("Item", ""))
        if not missing:
            return True
        if number > LINES_LOOKED_AT:
            break
    return False
