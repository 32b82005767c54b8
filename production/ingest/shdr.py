"""SHDR: a log of an MTConnect adapter (`UTC|item|value`) as a table, one row per observation in order of arrival."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from production.ingest.mapping import OBSERVATION_COLUMNS, ImportRefused
from production.ingest.table import Row

LINE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?(?:@[\d.]+)?\|[^|]+\|")
LEVELS = frozenset(("normal", "warning", "fault", "unavailable"))
LONGEST_LINE = 100_000
# Observations of one moment that keep their order; more of them share the last place.
PER_STAMP = 2_000
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class ShdrTable:
    """A log. Its columns are always the same; a condition has `Code` and `Text` besides."""

    path: Path
    columns: tuple[str, ...] = OBSERVATION_COLUMNS
    encoding: str = "utf-8-sig"
    kind: Literal["shdr"] = "shdr"

    def rows(self) -> Iterator[Row]:
        """Each observation; a line may hold several. `sequence` is the order of arrival (`arrival_number`)."""
        latest = number = 0
        for line, text in self._lines():
            for cells in split_line(text):
                at = _micros(cells.get("Time", ""))
                latest, number = (at, 0) if at > latest else (latest, number + 1)
                yield Row(line, cells, text, sequence=arrival_number(latest, number) if cells else None)

    def _lines(self) -> Iterator[tuple[int, str]]:
        try:
            with self.path.open(encoding=self.encoding, errors="replace", newline="\n") as file:
                line = 0
                while text := file.readline(LONGEST_LINE):
                    line += 1
                    if len(text) == LONGEST_LINE:
                        raise ImportRefused(f"Line {line} is longer than {LONGEST_LINE:,} characters. It is no log.")
                    # Lines with a star are what adapter and agent say to one another to keep the line open.
                    if text.strip() and not text.startswith("*"):
                        yield line, text.rstrip("\r\n")
        except OSError as error:
            raise ImportRefused(f"{self.path.name} cannot be opened: {error.strerror}.") from error


def arrival_number(latest: int, number: int) -> int:
    """Where an observation stands among all of its source: `number` after the first of the latest stamp so far (in
    microseconds). Unlike a line's number it is the same in every file that holds the line, and grows from file to file.
    """
    return latest * PER_STAMP + min(number, PER_STAMP - 1)


def is_shdr(head: str) -> bool:
    """Whether the first lines look like a log."""
    lines = [line for line in head.splitlines()[:20] if line.strip() and not line.startswith("*")]
    return bool(lines) and all(LINE.match(line) for line in lines[:3])


def split_line(text: str) -> list[dict[str, str]]:
    """The observations of one line as cells; one without cells where the line cannot be understood."""
    stamp, *fields = text.split("|")
    time = stamp.partition("@")[0].strip()
    if len(fields) >= 6 and fields[1].strip().lower() in LEVELS:
        # A condition: level, native code, native severity, qualifier, text; the text itself may hold bars.
        item, level, code, severity, qualifier, *rest = (field.strip() for field in fields)
        return [
            {
                **dict(zip(OBSERVATION_COLUMNS, (time, item, level), strict=True)),
                "Code": code,
                "Severity": severity,
                "Qualifier": qualifier,
                "Text": "|".join(rest),
            }
        ]
    if len(fields) < 2 or len(fields) % 2:
        return [{}]
    pairs = zip(fields[::2], fields[1::2], strict=True)
    return [dict(zip(OBSERVATION_COLUMNS, (time, i.strip(), v.strip()), strict=True)) for i, v in pairs]


def _micros(text: str) -> int:
    """The stamp in microseconds since 1970, 0 where it is none: the reader of the row says so."""
    try:
        stamp = dt.datetime.fromisoformat(text)
    except ValueError:
        return 0
    return (stamp.replace(tzinfo=stamp.tzinfo or dt.UTC) - EPOCH) // dt.timedelta(microseconds=1)
