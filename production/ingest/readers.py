"""Readers: whatever reads the rows of a file by its mapping; a table's or a log's."""

import datetime as dt
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from production.ingest.mapping import MappingSpec
from production.ingest.moments import Clock
from production.ingest.observations import ObservationReader, find_opening
from production.ingest.oddities import Oddities
from production.ingest.rows import ReadRow, RowReader
from production.ingest.table import Row


class Reader(Protocol):
    """Reads rows in their order; what it says of one may depend on those before it."""

    oddities: Oddities
    copies: int

    def read(self, row: Row) -> tuple[ReadRow, ...]:
        """What becomes of `row`, and of earlier ones that waited for it; raises `EventRefused`."""

    def finish(self) -> tuple[ReadRow, ...]:
        """What waited for a row that never came."""


def open_reader(*, spec: MappingSpec, zone: ZoneInfo, path: Path | None) -> Reader:
    """The reader for a mapping. Without `path` it reads single rows of a file that is no longer there: a log's
    snapshot is then not known, and each row is news."""
    if not spec.items:
        return RowReader(spec=spec, clock=Clock(zone))
    starts_at: dt.datetime | None = find_opening(spec=spec, path=path) if path else None
    return ObservationReader(spec=spec, clock=Clock(zone), starts_at=starts_at)
