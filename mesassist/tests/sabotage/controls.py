"""Controls: the map of the walls, read from `controls.toml`: what holds, where, and which test must notice when not."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_name("controls.toml")


@dataclass(frozen=True)
class Control:
    """One control: taking it away is replacing `find`, which occurs once in `file`, by `replace`.

    `tests` are pytest nodes of which at least one must fail then; `remakes` says that the database is part of it.
    """

    name: str
    threat: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]
    remakes: bool = False

    def removed_from(self, text: str) -> str:
        """The file's text without the control; raises `ValueError` where the list is out of date."""
        if text.count(self.find) != 1:
            raise ValueError(f"{self.name}: the text to replace occurs {text.count(self.find)} times in {self.file}.")
        return text.replace(self.find, self.replace)


def read_controls(file: Path = LIST) -> list[Control]:
    """Every control, in the order of the list."""
    rows = tomllib.loads(file.read_text())["control"]
    return [Control(**{**row, "tests": tuple(row["tests"])}) for row in rows]
