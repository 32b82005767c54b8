"""Scopes: which machines, shifts and stretch of time a summary's definition means right now."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Q

from production.figures import Records
from production.models import Machine, Shift, Summary
from production.windows import Period, resolve_window


@dataclass(frozen=True)
class SummarySpec:
    """What to read: the values of a `Summary`, possibly with another period or line chosen on the page.

    Empty `lines` and `machines` mean every machine; both given mean their union. `from_at`/`to_at` are aware and count
    only with window "custom".
    """

    title: str
    window: str
    from_at: dt.datetime | None = None
    to_at: dt.datetime | None = None
    lines: tuple[int, ...] = ()
    machines: tuple[int, ...] = ()
    metrics: tuple[str, ...] = ()
    group_by: str = "machine"
    compare_to: str = "previous"


@dataclass(frozen=True)
class Scope:
    """The machines a spec means, and their shifts. The zone is that of the site that was entered first."""

    machines: list[Machine]
    shifts: list[Shift]
    zone: str
    site_id: int | None
    names: tuple[str, ...]

    @property
    def machine_ids(self) -> list[int]:
        """The machines' ids."""
        return [machine.pk for machine in self.machines]

    @property
    def own_shifts(self) -> list[Shift]:
        """The shifts of the site whose clock is shown."""
        return [shift for shift in self.shifts if shift.site_id == self.site_id]

    @property
    def records(self) -> dict[int, Records]:
        """What each machine reports at all."""
        covered = {machine.pk: getattr(machine, "coverage", None) for machine in self.machines}
        return {
            pk: Records(one.records_good, one.records_scrap, one.records_rework) for pk, one in covered.items() if one
        }


def spec_of(
    summary: Summary,
    *,
    window: str = "",
    from_at: dt.datetime | None = None,
    to_at: dt.datetime | None = None,
    line_id: int | None = None,
) -> SummarySpec:
    """What the summary asks for; a window or a line given here (chosen on the page) takes the place of its own."""
    own_scope = line_id is None
    return SummarySpec(
        title=summary.name,
        window=window or summary.window,
        from_at=from_at if window else summary.from_at,
        to_at=to_at if window else summary.to_at,
        lines=tuple(summary.lines.values_list("pk", flat=True)) if line_id is None else (line_id,),
        machines=tuple(summary.machines.values_list("pk", flat=True)) if own_scope else (),
        metrics=tuple(summary.metrics),
        group_by=summary.group_by,
        compare_to=summary.compare_to,
    )


def read_scope(spec: SummarySpec) -> Scope:
    """The machines of the spec in the order of their codes, with lines, sites and coverage; two queries."""
    chosen = Q(line__in=spec.lines) | Q(pk__in=spec.machines) if spec.lines or spec.machines else Q()
    machines = list(Machine.objects.filter(chosen).select_related("line__site", "coverage").order_by("code"))
    sites = sorted({machine.line.site_id: machine.line.site for machine in machines}.items())
    shifts = list(Shift.objects.filter(site__in=[site_id for site_id, _ in sites]))
    lines = {machine.line_id: machine.line.name for machine in machines if machine.line_id in spec.lines}
    names = [*lines.values(), *(machine.name for machine in machines if machine.pk in spec.machines)]
    site_id, zone = (sites[0][0], sites[0][1].zone) if sites else (None, "UTC")
    return Scope(machines, shifts, zone, site_id, tuple(names))


def find_period(spec: SummarySpec, scope: Scope, now: dt.datetime) -> Period:
    """The period that the spec's window means at `now`."""
    return resolve_window(
        window=spec.window, shifts=scope.own_shifts, zone=scope.zone, now=now, from_at=spec.from_at, to_at=spec.to_at
    )
