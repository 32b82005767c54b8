"""MTConnect: a document of streams (`MTConnectStreams`) as a table with one row per observation."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from production.ingest.mapping import OBSERVATION_COLUMNS, ImportRefused
from production.ingest.table import Row, write_cells

CONTAINERS = frozenset(("Samples", "Events", "Condition"))
DEEPEST = 30
# No element is longer: text without end would otherwise be gathered in memory.
LONGEST_ELEMENT = 4 << 20


@dataclass(frozen=True)
class StreamsTable:
    """A document. `line` counts its observations; `sequence` is the agent's own number, the order of arrival."""

    path: Path
    columns: tuple[str, ...] = (*OBSERVATION_COLUMNS, "Device", "Type")
    encoding: str = "utf-8"
    kind: Literal["mtconnect"] = "mtconnect"

    def rows(self) -> Iterator[Row]:
        """Each observation as the document lists it: by component and item, in order of arrival within an item."""
        try:
            with self.path.open("rb") as file:
                yield from self._read(_Metered(file))
        except OSError as error:
            raise ImportRefused(f"{self.path.name} cannot be opened: {error.strerror}.") from error
        except DefusedXmlException as error:
            raise ImportRefused(
                f"{self.path.name} defines entities of its own: that is not read. Send the document as the agent "
                "gave it."
            ) from error
        except (ParseError, ValueError) as error:
            raise ImportRefused(f"{self.path.name} cannot be read further as XML ({error}).") from error

    def _read(self, file: "_Metered") -> Iterator[Row]:
        path: list[Element] = []
        number = 0
        for event, element in iterparse(file, events=("start", "end"), forbid_dtd=True):
            file.since = 0
            if event == "start":
                if not path:
                    self._check_root(element)
                path.append(element)
                if len(path) > DEEPEST:
                    raise ImportRefused(f"{self.path.name} is nested too deeply to be a document of streams.")
                continue
            path.pop()
            if path and _name(path[-1]) in CONTAINERS:
                number += 1
                cells = _cells(element, path)
                sequence = element.get("sequence", "")
                yield Row(number, cells, write_cells(cells), int(sequence) if sequence.isdigit() else None)
            if path:
                # What was read is let go, so that a long document is never in memory as a whole.
                path[-1].remove(element)

    def _check_root(self, element: Element) -> None:
        if _name(element) != "MTConnectStreams":
            raise ImportRefused(
                f"{self.path.name} is a document of {_name(element)!r}, not of MTConnectStreams. Ask the agent for "
                "`sample` or `current`."
            )


class _Metered:
    """A file that refuses to be read on and on without an element coming of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.since = 0

    def read(self, size: int = -1) -> bytes:
        piece = self.file.read(size)
        self.since += len(piece)
        if self.since > LONGEST_ELEMENT:
            raise ImportRefused("An element is longer than 4 MB: that is no document of streams.")
        return piece


def _cells(element: Element, path: list[Element]) -> dict[str, str]:
    given: dict[str, Any] = element.attrib
    cells = {
        "Time": given.get("timestamp", ""),
        "Item": given.get("name") or given.get("dataItemId", ""),
        "Value": (element.text or "").strip(),
        "Device": next((above.get("name", "") for above in path if _name(above) == "DeviceStream"), ""),
        "Type": _name(element),
    }
    if _name(path[-1]) == "Condition":
        code, severity, qualifier = (given.get(key, "") for key in ("nativeCode", "nativeSeverity", "qualifier"))
        return cells | {
            "Value": _name(element),
            "Code": code,
            "Severity": severity,
            "Qualifier": qualifier,
            "Text": cells["Value"],
        }
    return cells


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
