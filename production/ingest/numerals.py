"""Numerals: how a file writes its numbers, with a decimal point or comma; and one cell read so, or refused."""

import re
from dataclasses import dataclass
from typing import Literal

Decimal = Literal[".", ","]
# Thousands may be grouped by the other sign or a blank, in threes all along: anything else is a slip or another custom.
_BLANK = "[ \u00a0\u202f']"
PATTERNS = {
    ".": re.compile(rf"[+-]?(?:\d+|\d{{1,3}}(?:,\d{{3}})+|\d{{1,3}}(?:{_BLANK}\d{{3}})+)?(?:\.\d*)?(?:[eE][+-]?\d+)?"),
    ",": re.compile(rf"[+-]?(?:\d+|\d{{1,3}}(?:\.\d{{3}})+|\d{{1,3}}(?:{_BLANK}\d{{3}})+)?(?:,\d*)?(?:[eE][+-]?\d+)?"),
}
# One sign with three digits behind it: 1,234 is a thousand and more, or 1 and a bit.
UNDECIDED = re.compile(r"[+-]?\d{1,3}[.,]\d{3}")


@dataclass
class NumberColumn:
    """Looks at cells one by one, and keeps the ways in which all of them can be read as numbers."""

    point: bool = True
    comma: bool = True
    # Cells that tell: they hold a sign that means a fraction in one way of writing alone.
    point_because: str = ""
    comma_because: str = ""
    undecided: str = ""
    seen: int = 0

    def look_at(self, cell: str, line: int) -> None:
        """Take one filled cell into account."""
        if not self.is_number:
            return
        self.seen += 1
        as_point = read_number(cell=cell, decimal=".") is not None
        as_comma = read_number(cell=cell, decimal=",") is not None
        if as_point and not as_comma:
            self.point_because = self.point_because or f"{cell} in line {line}"
        elif as_comma and not as_point:
            self.comma_because = self.comma_because or f"{cell} in line {line}"
        elif UNDECIDED.fullmatch(cell):
            self.undecided = self.undecided or f"{cell} in line {line}"
        self.point &= as_point
        self.comma &= as_comma

    @property
    def is_number(self) -> bool:
        """Whether every cell so far can be read as a number in one way."""
        return self.point or self.comma


def read_number(*, cell: str, decimal: Decimal) -> float | None:
    """The number in `cell`, None where it is none; `nan`, `inf` and `1_000` are none."""
    if not any(character.isdigit() for character in cell) or not PATTERNS[decimal].fullmatch(cell):
        return None
    grouping = "," if decimal == "." else "."
    plain = re.sub(_BLANK, "", cell.replace(grouping, "")).replace(",", ".")
    value = float(plain)
    return value if abs(value) < 1e300 else None
