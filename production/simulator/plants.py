"""Plants: what a simulated plant is described by: its place, machines, losses, and what is planted in it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ReasonPlan:
    """A reason of the tenant: code, name, loss class."""

    code: str
    name: str
    loss_class: str


@dataclass(frozen=True)
class Loss:
    """A way to lose time: on average once in `every_s` seconds of running, for `lasts_s` seconds (exponential)."""

    state: str
    reason: str
    every_s: float
    lasts_s: float
    comments: tuple[str, ...] = ()

    @property
    def is_jam(self) -> bool:
        """Short by nature: what a worn machine does more often."""
        return self.lasts_s < 120


@dataclass(frozen=True)
class MachinePlan:
    """A machine: ideal seconds per piece by product; `speed` is the share of the ideal speed it really runs at."""

    code: str
    name: str
    cycles: dict[str, float]
    losses: tuple[Loss, ...]
    speed: float = 0.93
    scrap: float = 0.012
    rework: float = 0.0


@dataclass(frozen=True)
class LinePlan:
    """Machines that work on the same product; a changeover takes `changeover_s` on average."""

    code: str
    name: str
    machines: tuple[MachinePlan, ...]
    changeover_s: float = 1500.0


@dataclass(frozen=True)
class Planted:
    """What an analysis should find: a machine that degrades, a shift with long changeovers, a burst of scrap."""

    degrading: str
    slow_shift: str
    slow_shift_factor: float
    burst_machine: str
    burst_product: str
    burst_reason: str
    burst_share: float


@dataclass(frozen=True)
class PlantPlan:
    """One plant: its place, products, reasons, lines and planted losses.

    `down_now` has a stop under way when the simulated time ends, `jammed_now` a short one.
    """

    site: str
    name: str
    zone: str
    products: dict[str, str]
    reasons: tuple[ReasonPlan, ...]
    lines: tuple[LinePlan, ...]
    planted: Planted
    down_now: str
    down_now_reason: str
    jammed_now: str
    scrap_reason: str
    unit: str = "pcs"
    shifts: tuple[tuple[str, int, int, tuple[int, ...]], ...] = field(
        default=(
            ("Early", 6, 14, (1, 2, 3, 4, 5, 6)),
            ("Late", 14, 22, (1, 2, 3, 4, 5)),
            ("Night", 22, 6, (1, 2, 3, 4, 5)),
        )
    )

    def machines(self) -> tuple[tuple[LinePlan, MachinePlan], ...]:
        """Every machine with its line."""
        return tuple((line, machine) for line in self.lines for machine in line.machines)


PLANNED = (
    ReasonPlan("break", "Break", "planned"),
    ReasonPlan("cleaning", "Weekly cleaning", "planned"),
    ReasonPlan("no-shift", "No shift", "planned"),
)
