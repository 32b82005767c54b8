"""Mappings: how a plant's file becomes events; read from the tenant's rows or from those built in."""

import codecs
import re
import zoneinfo
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from production.ingest.contract import StateName
from production.ingest.stamps import contradict
from production.models import FileMapping

BUILT_IN = Path(__file__).resolve().parents[1] / "mappings"
# The name becomes the events' source, which holds 64 characters.
LONGEST_NAME = 59
# The columns that logs of observations have here, whatever their files look like.
OBSERVATION_COLUMNS = ("Time", "Item", "Value")
Formats = Annotated[tuple[str, ...], Field(min_length=1)]


class ImportRefused(Exception):
    """The file cannot be imported at all; the message says why and what to do."""


class Strict(BaseModel):
    """A part of a mapping: a misspelt key is an error, not a silent nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Layout(Strict):
    """Where in a file the table stands; what is left out is detected. `header`: the lines that name the columns (the
    parts of a name in several lines are joined); data follow them, or begin in line `data_from`."""

    sheet: str | None = None
    encoding: str | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    header: Annotated[tuple[Annotated[int, Field(ge=1, le=50)], ...], Field(min_length=1, max_length=5)] = (1,)
    data_from: int | None = Field(default=None, ge=1, le=1000)

    @model_validator(mode="after")
    def _is_an_encoding(self) -> Self:
        try:
            codecs.lookup(self.encoding or "utf-8")
        except LookupError as error:
            raise ValueError(f"there is no encoding {self.encoding!r}") from error
        return self


class Join(Strict):
    """Another table whose columns are added to each row: a sheet of the same workbook, or `file` beside this one. Rows
    belong together where the column `key` says the same; a row without a partner goes to quarantine."""

    key: str
    file: str | None = Field(default=None, pattern=r"^[^/\\]+$")
    table: Layout = Layout()


class Columns(Strict):
    """Which column holds what. Names are compared with white space normalised.

    With `date`, start and end are times of day on that date.
    """

    machine: str | None = None
    start: str | None = None
    end: str | None = None
    date: str | None = None
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


class Losses(Strict):
    """Columns that hold how long a row's interval stood for a reason: {column: reason}.

    When within the interval is not recorded: the stops are laid at its end, one after another in the columns' order.
    """

    columns: dict[str, str] = Field(min_length=1)
    unit: Literal["seconds", "minutes", "hours"] = "minutes"
    state: StateName = "down"


class Measured(Strict):
    """A column of measured values, or with `is_counter` of absolute counter readings that roll over at `maximum`."""

    column: str
    name: str
    unit: str | None = None
    is_counter: bool = False
    maximum: float | None = None


class Item(Strict):
    """What the values of one item of a log are. `zero_is_unread`: the source shows 0 until it has read the counter."""

    kind: Literal["state", "counter", "measurement", "condition"]
    name: str | None = None
    unit: str | None = None
    maximum: float | None = None
    zero_is_unread: bool = False


class Opening(Strict):
    """When a log's stretch of time begins, told by its file name: `pattern` finds the day, `time` is UTC. What is
    stamped earlier is a snapshot and only says how things stood at that moment."""

    pattern: str
    day: str = "%Y%m%d"
    time: str = Field(default="00:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")

    @model_validator(mode="after")
    def _finds_a_day(self) -> Self:
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            raise ValueError(f"the pattern cannot be read: {error}") from error
        if groups != 1:
            raise ValueError("the pattern needs one group ( ) around the day")
        return self


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
    """One mapping, version 2 (docs/mappings.md); version 1 is upgraded when it is read.

    A table (`columns`) or a log of observations (`items`: {item: what it is}). `timestamps`: strptime formats, tried
    in order, or one of `stamps.SPECIAL`; `formats` are those of single columns. Stamps without an offset are local
    times of the zone that the import names. `machine`: the code where no column holds it. `duplicates`: `keep` takes
    each exact copy of a row as a row of its own (a report may truly be made twice), `skip` takes the first.
    `overlaps`: intervals of one machine that overlap are all kept; on the time line they count once.
    """

    version: Literal[2]
    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    title: str = ""
    notes: tuple[str, ...] = ()
    table: Layout = Layout()
    join: Join | None = None
    machine: str | None = Field(default=None, min_length=1, max_length=64)
    columns: Columns = Columns()
    timestamps: Formats = ("iso",)
    formats: dict[str, Formats] = Field(default_factory=dict)
    states: dict[str, MeantState] = Field(default_factory=dict)
    default_state: StateName | None = None
    losses: Losses | None = None
    measured: tuple[Measured, ...] = ()
    items: dict[str, Item] = Field(default_factory=dict)
    opening: Opening | None = None
    decimal: Literal[".", ","] = "."
    checks: tuple[DurationCheck, ...] = ()
    duplicates: Literal["keep", "skip"] = "keep"
    overlaps: Literal["union"] = "union"
    machines: Placement = Placement()

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, raw: Any) -> Any:
        return upgrade(raw) if isinstance(raw, dict) else raw

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.columns.state and not self.states:
            raise ValueError("a state column needs `states`: what each of its values stands for")
        if not self.columns.machine and not self.machine:
            raise ValueError("name the column that holds the machine, or the machine itself")
        if not self.items and not self.columns.start:
            raise ValueError("name the column that says when")
        if any(item.kind == "state" for item in self.items.values()) and not self.states:
            raise ValueError("an item that tells the state needs `states`: what each of its values stands for")
        if self.losses and not self.columns.end:
            raise ValueError("columns of stops need a row with start and end")
        for formats in (self.timestamps, *self.formats.values()):
            if contradict(formats):
                raise ValueError("two formats read the same text as different days; choose one")
        return self

    @property
    def source(self) -> str:
        """The events' source: the mapping, not the file, so that a longer export of the same data adds only what is
        new."""
        return f"file:{self.name}"

    def needs(self) -> tuple[str, ...]:
        """Every column that the file must have, or its join, checks included, with white space normalised."""
        if self.items and not self.columns.start:
            return OBSERVATION_COLUMNS
        named = [*self.columns.named(), *(check.column for check in self.checks)]
        named += [measured.column for measured in self.measured]
        named += self.losses.columns if self.losses else ()
        return tuple(dict.fromkeys(normalise(name) for name in named))

    def formats_of(self, column: str) -> tuple[str, ...]:
        """How the stamps of a column are written."""
        return self.formats.get(column, self.timestamps)


def upgrade(raw: dict[str, Any]) -> dict[str, Any]:
    """The mapping as version 2: version 1 named an encoding beside the columns and knew one layout."""
    if raw.get("version") != 1:
        return raw
    newer = {key: value for key, value in raw.items() if key != "encoding"}
    table = {"encoding": raw["encoding"]} if raw.get("encoding", "utf-8-sig") != "utf-8-sig" else {}
    return {**newer, "version": 2, **({"table": table} if table else {})}


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


def find_mapping(*, name: str) -> MappingSpec:
    """The mapping called `name`; raises `ImportRefused` with those there are."""
    known = known_mappings()
    if name not in known:
        raise ImportRefused(f"There is no mapping {name!r}. There are: {', '.join(sorted(known)) or 'none yet'}.")
    return known[name]


def check_columns(*, spec: MappingSpec, header: Sequence[str]) -> None:
    """Raise `ImportRefused` where the file lacks a column that the mapping reads."""
    if missing := [column for column in spec.needs() if column not in header]:
        raise ImportRefused(
            f"The mapping {spec.name!r} needs the columns {', '.join(missing)}, which the file does not have. "
            f"Its header is: {', '.join(header)}."
        )


def choose_fitting(*, fitting: Sequence[MappingSpec], header: Sequence[str]) -> MappingSpec:
    """The one of several mappings that reads the most of the file; raises `ImportRefused` where none or two do."""
    best = sorted(fitting, key=lambda spec: -_size(spec))
    if not best:
        names = ", ".join(sorted(known_mappings())) or "none yet"
        found = ", ".join(header)
        raise ImportRefused(
            f"No mapping fits this file. Mappings: {names}. Its header is: {found}. Save a mapping for these columns."
        )
    if len(best) > 1 and _size(best[0]) == _size(best[1]):
        several = ", ".join(sorted(spec.name for spec in best))
        raise ImportRefused(f"Several mappings fit this file: {several}. Name one with --mapping.")
    return best[0]


def _size(spec: MappingSpec) -> int:
    return len(spec.needs()) + len(spec.items)


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
