"""Cautions: what a reader must know about the figures before believing them, and what the words mean here."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from production import kpis
from production.calendar import shift_slices
from production.coverage import STILL_EXPECTED
from production.figures import Figures
from production.formats import format_count, format_duration, format_moment, format_ratio, format_share
from production.kpis import Elements
from production.models import GroupBy, Machine, Shift
from production.windows import Period

# Shift time without any event, after which figures up to now are called stale; without shifts, plain time.
STALE_S = 3600.0
STALE_WITHOUT_SHIFTS_S = 86_400.0
UNKNOWN_SHARE = 0.05
PROVISIONAL = "The last quarter hour is not over: a state that still lasts is counted up to now."


@dataclass(frozen=True)
class Warned:
    """Something the reader must know about the figures: a stable code and a sentence."""

    code: str
    text: str


def find_warnings(
    *,
    period: Period,
    totals: Figures,
    groups: Sequence[Figures],
    machines: Sequence[Machine],
    shifts: Sequence[Shift],
    newest_event_at: dt.datetime | None,
    provisional: bool,
    now: dt.datetime,
) -> tuple[Warned, ...]:
    """The warnings, those first that change what the figures mean most.

    Codes: no_events, no_shift, unscheduled, stale, unknown_share, uncycled, not_recorded, over_100, several_zones,
    provisional.
    """
    if nothing_reported(totals.elements):
        return (Warned("no_events", _no_events(period, newest_event_at)), *_about_shifts(period, shifts, machines))
    return (
        *_about_shifts(period, shifts, machines),
        *_about_contact(period, totals, shifts, newest_event_at, now),
        *_about_pieces(totals, groups, machines),
        *_about_zones(period, machines),
        *([Warned("provisional", PROVISIONAL)] if provisional else []),
    )


def nothing_reported(elements: Elements) -> bool:
    """Whether there is nothing in the figures but time without contact."""
    return elements == Elements(unknown_s=elements.unknown_s)


def define_terms(*, machines: Sequence[Machine], group_by: str) -> tuple[str, ...]:
    """What the figures mean here, in plain words, with every denominator."""
    thresholds = sorted({machine.micro_stop_s for machine in machines}) or [300]
    span = " to ".join(format_duration(seconds) for seconds in (thresholds[0], thresholds[-1])[: len(thresholds)])
    terms = [
        "Planned busy time is shift time minus planned stops; time outside every shift is never part of it.",
        "Availability = producing time / planned busy time. Set-up, down time, idle time and time without contact "
        "count as availability losses.",
        f"A stop shorter than {span} is a micro-stop: a performance loss, counted and totalled, not down time.",
        "Performance = ideal cycle x pieces produced / producing time. It is never capped at 100 %.",
        "Quality = good pieces / pieces produced, weighted by ideal cycle; rework does not count as good.",
        "OEE = availability x performance x quality = ideal cycle x good pieces / planned busy time.",
        "Scrap ratio = scrap / pieces produced (good + scrap + rework).",
        "Ratios of several machines or days come from sums, never from means of percentages.",
        "Pieces are counted at every machine, so a part that passes three machines counts three times.",
        "Scrap is booked where it is found, which need not be where it was made.",
        "Time without contact is unknown: neither running nor down.",
    ]
    if group_by == GroupBy.LINE:
        terms.append("A line's figures are those of its counting point; without one, the sums over its machines.")
    return tuple(terms)


def _no_events(period: Period, newest_event_at: dt.datetime | None) -> str:
    if newest_event_at is None:
        return "No event has come from these machines yet. Check the sources under Data."
    newest = format_moment(newest_event_at, zone=period.zone)
    return f"Nothing was reported in this period. The newest event is of {newest}: choose a period that holds it."


def _about_shifts(period: Period, shifts: Sequence[Shift], machines: Sequence[Machine]) -> Iterator[Warned]:
    if period.fallback:
        yield Warned("no_shift", period.fallback)
    if machines and not shifts:
        yield Warned(
            "unscheduled",
            "No shifts are defined for this site, so availability, performance and OEE have no planned time to be "
            "measured against. Times and pieces are shown all the same. Define the shifts to get the ratios.",
        )


def _about_contact(
    period: Period, totals: Figures, shifts: Sequence[Shift], newest: dt.datetime | None, now: dt.datetime
) -> Iterator[Warned]:
    if newest is not None and period.to_at == now and _is_stale(newest, shifts, period.zone, now):
        age = format_duration((now - newest).total_seconds())
        yield Warned("stale", f"The newest event is {age} old ({format_moment(newest, zone=period.zone)}).")
    share = kpis.unknown_share(totals.elements)
    if share.value is not None and share.value > UNKNOWN_SHARE:
        lost = format_duration(totals.elements.unknown_s)
        yield Warned(
            "unknown_share",
            f"{format_ratio(share)} of planned busy time ({lost}) was without contact; availability and OEE count it "
            "as not producing.",
        )


def _is_stale(newest: dt.datetime, shifts: Sequence[Shift], zone: str, now: dt.datetime) -> bool:
    age = (now - newest).total_seconds()
    if not shifts or now - newest > STILL_EXPECTED:
        return age > STALE_WITHOUT_SHIFTS_S
    slices = shift_slices(shifts=shifts, zone=zone, from_at=min(newest, now), to_at=now)
    return sum(part.seconds for part in slices if part.shift_id) > STALE_S


def _about_pieces(totals: Figures, groups: Sequence[Figures], machines: Sequence[Machine]) -> Iterator[Warned]:
    if totals.elements.uncycled > 0:
        yield Warned(
            "uncycled",
            f"{format_count(totals.elements.uncycled)} pieces have no ideal cycle, so performance and OEE cannot be "
            "computed. Enter the ideal cycles of the products.",
        )
    silent = [m.name for m in machines if hasattr(m, "coverage") and not m.coverage.records_good]
    if silent:
        yield Warned(
            "not_recorded",
            f"Pieces are not recorded at {', '.join(silent)}, so there is no OEE wherever these machines take part. "
            "Connect their counts, or leave them out of the summary.",
        )
    missing = [name for name in totals.not_recorded if name != "good"]
    if missing and not silent:
        yield Warned("not_recorded", f"Not recorded here: {', '.join(missing)}. Quality counts what is recorded.")
    over = [figures for figures in (totals, *groups) if figures.performance.flagged]
    if over:
        worst = max(over, key=lambda figures: figures.performance.value or 0.0)
        yield Warned(
            "over_100",
            f"Performance of {worst.name} is {format_share(worst.performance.value or 0.0)}: an ideal cycle is too "
            "long, or a count is wrong.",
        )


def _about_zones(period: Period, machines: Sequence[Machine]) -> Iterator[Warned]:
    zones = sorted({machine.line.site.zone for machine in machines})
    if len(zones) > 1:
        yield Warned(
            "several_zones", f"The machines are in {', '.join(zones)}; days and hours are those of {period.zone}."
        )
