"""Mappings: how the columns of a plant's file become events; read from the tenant's rows or from those built in."""

import codecs
import zoneinfo
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from production.ingest.contract import StateName
from production.models import FileMapping

BUILT_IN = Path(__file__).resolve().parents[1] / "mappings"
# The name becomes the events' source, which holds 64 characters.
LONGEST_NAME = 59


class ImportRefused(Exception):
    """The file cannot be imported at all; the message says why and what to do."""


class Strict(BaseModel):
    """A part of a mapping: a misspelt key is an error, not a silent nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Columns(Strict):
    """Which column holds what. Names are compared with white space normalised."""

    machine: str
    start: str
    end: str | None = None
    state: str | None = None
    reason: str | None = None
    order: str | None = None
    order_quantity: str | None = None
    product: str | None = None
    operator: str | None = None
    good: str | None = None
    scrap: str | None = None
    rework: str | None = None
    comment: tuple[str, ...] = ()

    def named(self) -> tuple[str, ...]:
        """Every column that this mapping reads."""
        single = (value for name, value in self if name != "comment" and value)
        return (*single, *self.comment)


class MeantState(Strict):
    """The state a value of the state column stands for, with a reason if the source means one."""

    state: StateName
    reason: str | None = None


class DurationCheck(Strict):
    """A column with hours and minutes (`6:19`) that should equal end - start. Differences are warnings."""

    kind: Literal["duration"]
    column: str


class Placement(Strict):
    """Where machines that the file names for the first time are created; `create` off: such rows are quarantined."""

    create: bool = True
    site: str = "import"
    line: str = "import"


class MappingSpec(Strict):
    """One mapping, version 1.

    `timestamps`: strptime formats, tried in order; `iso` reads ISO 8601. Stamps without an offset are local times of
    the zone that the import names. `duplicates`: `keep` takes each exact copy of a row as a row of its own (a report
    may truly be made twice), `skip` takes the first. `overlaps`: intervals of one machine that overlap are all kept
    as reported; on the time line they count once (`union`), never as a sum.
    """

    version: Literal[1]
    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    title: str = ""
    notes: tuple[str, ...] = ()
    encoding: str = "utf-8-sig"
    columns: Columns
    timestamps: tuple[str, ...] = Field(min_length=1)
    states: dict[str, MeantState] = Field(default_factory=dict)
    default_state: StateName | None = None
    decimal: Literal[".", ","] = "."
    checks: tuple[DurationCheck, ...] = ()
    duplicates: Literal["keep", "skip"] = "keep"
    overlaps: Literal["union"] = "union"
    machines: Placement = Placement()

    @model_validator(mode="after")
    def _fits_together(self) -> "MappingSpec":
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ValueError(f"there is no encoding {self.encoding!r}") from error
        if self.columns.state and not self.states:
            raise ValueError("a state column needs `states`: what each of its values stands for")
        return self

    @property
    def source(self) -> str:
        """The events' source: the mapping, not the file, so that a longer export of the same data adds only what is
        new."""
        return f"file:{self.name}"

    def needs(self) -> tuple[str, ...]:
        """Every column that the file must have, checks included, with white space normalised."""
        return tuple(normalise(name) for name in (*self.columns.named(), *(check.column for check in self.checks)))


def normalise(name: str) -> str:
    """A column name with its white space made single: exports differ in blanks that nobody sees."""
    return " ".join(name.split())


def read_mapping(raw: dict[str, Any]) -> MappingSpec:
    """The mapping in `raw`; raises `ImportRefused` naming the part that is wrong."""
    try:
        return MappingSpec.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the mapping"
        raise ImportRefused(f"The mapping {raw.get('name', '?')!r} is not valid: {place}: {first['msg']}.") from error


def known_mappings() -> dict[str, MappingSpec]:
    """Every mapping of the active tenant by name; a saved one hides a built-in one of the same name."""
    return {spec.name: spec for spec in (*_built_in(), *_saved())}


def choose_mapping(*, name: str | None, header: Sequence[str]) -> MappingSpec:
    """The mapping called `name`, or the one whose columns are all in `header`; raises `ImportRefused` with both
    lists otherwise."""
    known = known_mappings()
    names = ", ".join(sorted(known)) or "none yet"
    found = ", ".join(header)
    if name is not None:
        if name not in known:
            raise ImportRefused(f"There is no mapping {name!r}. There are: {names}.")
        if missing := [column for column in known[name].needs() if column not in header]:
            raise ImportRefused(
                f"The mapping {name!r} needs the columns {', '.join(missing)}, which the file does not have. "
                f"Its header is: {found}."
            )
        return known[name]
    fitting = sorted((s for s in known.values() if set(s.needs()) <= set(header)), key=lambda s: -len(s.needs()))
    if not fitting:
        raise ImportRefused(
            f"No mapping fits this file. Mappings: {names}. Its header is: {found}. Save a mapping for these columns."
        )
    if len(fitting) > 1 and len(fitting[0].needs()) == len(fitting[1].needs()):
        several = ", ".join(sorted(spec.name for spec in fitting))
        raise ImportRefused(f"Several mappings fit this file: {several}. Name one with --mapping.")
    return fitting[0]


def read_zone(name: str) -> zoneinfo.ZoneInfo:
    """The zone with that IANA name; raises `ImportRefused`. An offset is refused: it knows no summer time."""
    if name not in zoneinfo.available_timezones():
        raise ImportRefused(f"{name!r} is not a time zone. Use an IANA name such as Europe/Warsaw or UTC.")
    return zoneinfo.ZoneInfo(name)


def _built_in() -> Iterator[MappingSpec]:
    for path in sorted(BUILT_IN.glob("*.json")):
        yield MappingSpec.model_validate_json(path.read_text(encoding="utf-8"))


def _saved() -> Iterator[MappingSpec]:
    for row in FileMapping.objects.all():
        yield read_mapping({**row.spec, "name": row.name})
