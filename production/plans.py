"""Plans: what folding machines needs to know besides their events, read once for all machines of a batch."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from production.buckets import Cell, cut_cells
from production.calendar import shift_slices
from production.dailies import cut_days
from production.models import IdealCycle, Machine, Shift
from production.ranks import Ranks, read_ranks

Stretch = tuple[dt.datetime, dt.datetime]


@dataclass
class Calendar:
    """A site's shifts and clock; the machines of a batch mostly share their stretch, so what was cut is kept."""

    zone: str
    shifts: list[Shift] = field(default_factory=list)
    cells: dict[Stretch, list[Cell]] = field(default_factory=dict)
    days: dict[Stretch, list[dt.datetime]] = field(default_factory=dict)

    def cut_cells(self, stretch: Stretch) -> list[Cell]:
        """The cells of a stretch of whole quarter hours."""
        if stretch not in self.cells:
            slices = shift_slices(shifts=self.shifts, zone=self.zone, from_at=stretch[0], to_at=stretch[1])
            self.cells[stretch] = cut_cells(slices)
        return self.cells[stretch]

    def cut_days(self, stretch: Stretch) -> list[dt.datetime]:
        """The edges of the days that the stretch touches."""
        if stretch not in self.days:
            self.days[stretch] = cut_days(shifts=self.shifts, zone=self.zone, from_at=stretch[0], to_at=stretch[1])
        return self.days[stretch]


@dataclass(frozen=True)
class Plan:
    """What the fold of a machine needs to know besides its events."""

    machine: Machine
    calendar: Calendar
    cycles: dict[int | None, float]
    ranks: Ranks


def read_plans(*, machine_ids: Iterable[int]) -> dict[int, Plan]:
    """The machines' plans in four queries, in the order of their ids.

    Read it in the fold's transaction, after the marks: who edits a shift marks what it alters, and a mark must not be
    settled with the shift as it was.
    """
    machines = list(Machine.objects.select_related("line__site").filter(pk__in=list(machine_ids)).order_by("pk"))
    ranks = read_ranks()
    cycles: dict[int, dict[int | None, float]] = defaultdict(dict)
    found = IdealCycle.objects.filter(machine__in=machines).values_list("machine_id", "product_id", "seconds")
    for machine_id, product_id, seconds in found:
        cycles[machine_id][product_id] = seconds
    calendars = {one.line.site_id: Calendar(one.line.site.zone) for one in machines}
    for shift in Shift.objects.filter(site__in=list(calendars)):
        calendars[shift.site_id].shifts.append(shift)
    return {one.pk: Plan(one, calendars[one.line.site_id], cycles[one.pk], ranks) for one in machines}
