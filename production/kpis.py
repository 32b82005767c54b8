"""KPIs: the arithmetic of DOMAIN.md 1 on sums of seconds and pieces; pure, no clock, no database.

Ratios come from sums, never from means of percentages: add `Elements` first, divide last.
Sources: ISO 22400-2 for the elements and formulas.
"""

from dataclasses import dataclass, fields

NOT_SCHEDULED = "not scheduled"
NOTHING_RAN = "nothing ran"
CYCLE_MISSING = "ideal cycle missing"
NOTHING_MADE = "nothing produced"
NO_DATA = "no data"
NO_FAILURE = "no failure"


@dataclass(frozen=True)
class Elements:
    """What rollups add up to. Times in seconds, quantities in pieces.

    The times lie inside shift time (`planned_stop_s` too, which is taken out of planned busy time);
    the `unscheduled_*` are what happened outside every shift. Pieces count wherever they were made; the
    ideal seconds and `uncycled` are those of pieces made in shift time, for they are set against it.
    """

    running_s: float = 0.0
    idle_s: float = 0.0
    setup_s: float = 0.0
    planned_stop_s: float = 0.0
    down_s: float = 0.0
    micro_stop_s: float = 0.0
    unknown_s: float = 0.0
    unscheduled_running_s: float = 0.0
    unscheduled_setup_s: float = 0.0
    unscheduled_down_s: float = 0.0
    unscheduled_micro_stop_s: float = 0.0
    good: float = 0.0
    scrap: float = 0.0
    rework: float = 0.0
    ideal_produced_s: float = 0.0
    ideal_good_s: float = 0.0
    uncycled: float = 0.0
    stops: int = 0
    micro_stops: int = 0
    setups: int = 0

    def __add__(self, other: "Elements") -> "Elements":
        return Elements(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    @property
    def planned_busy_s(self) -> float:
        """PBT: shift time minus planned stops."""
        return self.running_s + self.idle_s + self.setup_s + self.down_s + self.micro_stop_s + self.unknown_s

    @property
    def actual_production_s(self) -> float:
        """APT: producing time inside PBT, with the micro-stops (a performance loss), without delays (idle)."""
        return self.running_s + self.micro_stop_s

    @property
    def produced(self) -> float:
        """PQ = GQ + SQ + RQ."""
        return self.good + self.scrap + self.rework

    @property
    def all_running_s(self) -> float:
        """Running time in and outside shifts."""
        return self.running_s + self.unscheduled_running_s

    @property
    def all_setup_s(self) -> float:
        """Set-up time in and outside shifts."""
        return self.setup_s + self.unscheduled_setup_s

    @property
    def all_down_s(self) -> float:
        """Down time (without micro-stops) in and outside shifts."""
        return self.down_s + self.unscheduled_down_s

    @property
    def all_micro_stop_s(self) -> float:
        """Micro-stops in and outside shifts."""
        return self.micro_stop_s + self.unscheduled_micro_stop_s

    @property
    def nothing_known(self) -> bool:
        """Whether the machine was out of contact all its planned busy time."""
        return 0 < self.planned_busy_s <= self.unknown_s


@dataclass(frozen=True)
class Ratio:
    """A ratio (1.0 is 100 %), or None with the reason why there is none. `flagged`: over 100 %, shown, never capped."""

    value: float | None
    why: str = ""

    @property
    def flagged(self) -> bool:
        """Whether the value is impossible and says so."""
        return self.value is not None and self.value > 1.0 + 1e-9


def availability(elements: Elements) -> Ratio:
    """APT / PBT; PBT = 0: not scheduled; without contact all the time: no data, not 0."""
    if elements.nothing_known:
        return Ratio(None, NO_DATA)
    return _divide(elements.actual_production_s, elements.planned_busy_s, NOT_SCHEDULED)


def performance(elements: Elements) -> Ratio:
    """Sum(PRI x PQ) / APT; APT = 0: nothing ran; pieces without an ideal cycle: unknown, not a wrong number."""
    if elements.planned_busy_s == 0:
        return Ratio(None, NOT_SCHEDULED)
    if elements.uncycled > 0:
        return Ratio(None, CYCLE_MISSING)
    return _divide(elements.ideal_produced_s, elements.actual_production_s, NOTHING_RAN)


def quality(elements: Elements) -> Ratio:
    """Time-weighted sum(PRI x GQ) / sum(PRI x PQ), which is GQ / PQ for one product; without cycles GQ / PQ."""
    if elements.uncycled > 0 or elements.ideal_produced_s == 0:
        return _divide(elements.good, elements.produced, NOTHING_MADE)
    return _divide(elements.ideal_good_s, elements.ideal_produced_s, NOTHING_MADE)


def oee(elements: Elements) -> Ratio:
    """Sum(PRI x GQ) / PBT, which is A x P x Q; PBT > 0 and nothing made: 0; neither contact nor pieces: no data."""
    if elements.planned_busy_s == 0:
        return Ratio(None, NOT_SCHEDULED)
    if elements.uncycled > 0:
        return Ratio(None, CYCLE_MISSING)
    if elements.nothing_known and elements.ideal_produced_s == 0:
        return Ratio(None, NO_DATA)
    return Ratio(elements.ideal_good_s / elements.planned_busy_s)


def teep(elements: Elements, *, calendar_s: float) -> Ratio:
    """OEE x PBT / calendar time."""
    if oee(elements).value is None:
        return oee(elements)
    return _divide(elements.ideal_good_s, calendar_s, NO_DATA)


def scrap_ratio(elements: Elements) -> Ratio:
    """SQ / PQ."""
    return _divide(elements.scrap, elements.produced, NOTHING_MADE)


def rework_ratio(elements: Elements) -> Ratio:
    """RQ / PQ."""
    return _divide(elements.rework, elements.produced, NOTHING_MADE)


def unknown_share(elements: Elements) -> Ratio:
    """The part of planned busy time without contact."""
    return _divide(elements.unknown_s, elements.planned_busy_s, NOT_SCHEDULED)


def mean_time_between_failures(elements: Elements) -> Ratio:
    """Running time / unplanned stops, in and outside shifts, in seconds; no failure: none, neither 0 nor infinity."""
    return _divide(elements.all_running_s, elements.stops, NO_FAILURE)


def _divide(part: float, whole: float, why: str) -> Ratio:
    return Ratio(part / whole) if whole > 0 else Ratio(None, why)
