"""Oddities: what was odd in rows that were taken all the same; the first in full, the others counted."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from production.ingest.refusals import storable

KEPT = 1000
LONGEST_RAW = 500


@dataclass(frozen=True)
class Warned:
    """Something odd in a row that was taken all the same; `line` is None where it is about the whole file."""

    line: int | None
    column: str
    code: str
    detail: str
    raw: str = ""


@dataclass
class Oddities:
    """What one import warns of. A long file may have a warning per row: memory must not grow with it."""

    first: list[Warned] = field(default_factory=list)
    more: Counter[str] = field(default_factory=Counter)

    def note(self, line: int | None, column: str, code: str, detail: str, raw: str = "") -> None:
        """Keep a warning, or count it."""
        if len(self.first) < KEPT or line is None:
            self.first.append(Warned(line, column, code, detail, storable(raw[:LONGEST_RAW])))
        else:
            self.more[code] += 1

    def in_order(self) -> tuple[Warned, ...]:
        """Those kept in full, by line; what is about the whole file comes first."""
        return tuple(sorted(self.first, key=lambda warned: warned.line or 0))

    def as_rows(self) -> Iterator[dict[str, object]]:
        """What `ImportRun.warnings` holds."""
        for warned in self.in_order():
            yield {
                "line": warned.line,
                "column": warned.column,
                "code": warned.code,
                "detail": warned.detail,
                "raw": warned.raw,
            }
        for code, count in self.more.items():
            yield {"line": None, "column": "", "code": code, "detail": f"{count} more of this kind", "raw": ""}
