"""Live: what the machines of a tenant might be reporting at this moment, as many events a second as one likes."""

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

from production.ingest.contract import CountEvent, MachineEvent, MeasurementEvent, StateEvent
from production.models import IdealCycle, LossClass, Machine, Reason

SOURCE = "simulator-live"
# Short, so that a person who watches sees something happen.
RUNS_S, STANDS_S = 90.0, 25.0
SPEED = 0.92
SCRAP = 0.02


@dataclass(frozen=True)
class Station:
    """A machine with what it makes: `ideal_cycle` in seconds per piece of `product`."""

    code: str
    product: str | None
    ideal_cycle: float
    reasons: tuple[str, ...]


@dataclass
class _Present:
    """What a station is doing; `made` are pieces that are not told yet."""

    station: Station
    running: bool = False
    changes_at: dt.datetime | None = None
    told_at: dt.datetime | None = None
    made: float = 0.0


@dataclass
class LivePlant:
    """Tells events of its stations in turn. `run` makes the ids of one running of the simulator its own."""

    stations: Sequence[Station]
    seed: int
    run: str
    _number: int = 0
    _rng: random.Random = field(init=False)
    _turns: Iterator[_Present] = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._turns = cycle([_Present(station) for station in self.stations])

    def tell(self, *, events: int, now: dt.datetime) -> list[MachineEvent]:
        """The next `events` events, all of this moment (UTC)."""
        return [self._say(present, now) for present in islice(self._turns, events)]

    def fall_silent(self, *, now: dt.datetime) -> list[MachineEvent]:
        """One last word per station: the contact ends, so that nobody takes it for running on."""
        return [StateEvent(**self._key(station, now), state="unknown") for station in self.stations]

    def _say(self, present: _Present, now: dt.datetime) -> MachineEvent:
        pieces = self._pieces(present, now)
        if pieces is not None:
            return pieces
        if present.changes_at is None or now >= present.changes_at:
            return self._change(present, now)
        return MeasurementEvent(
            **self._key(present.station, now), name="power", value=round(self._rng.gauss(4.2, 0.3), 2), unit="kW"
        )

    def _change(self, present: _Present, now: dt.datetime) -> StateEvent:
        """Into the other state; what lasts how long is exponential."""
        present.running = not present.running
        lasts = self._rng.expovariate(1 / (RUNS_S if present.running else STANDS_S))
        present.changes_at, present.told_at = now + dt.timedelta(seconds=lasts), now
        key, product = self._key(present.station, now), present.station.product
        if present.running:
            return StateEvent(**key, state="running", product=product)
        reasons = present.station.reasons
        return StateEvent(**key, state="down", reason=self._rng.choice(reasons) if reasons else None, product=product)

    def _pieces(self, present: _Present, now: dt.datetime) -> CountEvent | None:
        """What was made since the last count, if it is a piece at least: never more than the machine could make."""
        station = present.station
        if not present.running or present.told_at is None:
            return None
        made = present.made + (now - present.told_at).total_seconds() * SPEED / station.ideal_cycle
        whole = int(made)
        if not whole:
            return None
        present.made, present.told_at = made - whole, now
        scrap = sum(self._rng.random() < SCRAP for _ in range(min(whole, 1000)))
        return CountEvent(
            **self._key(station, now), good=float(whole - scrap), scrap=float(scrap), product=station.product
        )

    def _key(self, station: Station, now: dt.datetime) -> dict:
        self._number += 1
        return {"event_id": f"{self.run}-{self._number}", "machine": station.code, "at": now, "source": SOURCE}


def read_stations() -> list[Station]:
    """The machines in use of the active tenant with their quickest products; without a cycle, a piece takes 10 s."""
    reasons = tuple(Reason.objects.filter(loss_class=LossClass.UNPLANNED).values_list("code", flat=True))
    cycles: dict[int, tuple[str | None, float]] = {}
    for machine_id, product, seconds in IdealCycle.objects.order_by("-seconds", "pk").values_list(
        "machine_id", "product__code", "seconds"
    ):
        cycles[machine_id] = (product, seconds)
    return [
        Station(code, *cycles.get(pk, (None, 10.0)), reasons)
        for pk, code in Machine.objects.filter(retired_at=None).order_by("code").values_list("pk", "code")
    ]
