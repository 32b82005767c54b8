"""Time lines: a machine's states as a strip of rectangles that needs no script, no inline style and no colour sight.

Positions are percentages of the strip's width, so that patterns keep their size at any width.
"""

import datetime as dt
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from production.formats import format_clock, format_duration, format_moment
from production.models import State
from production.strips import Segment, Strip

MOST_TICKS = 9
STEPS_H = (1, 2, 3, 4, 6, 12, 24)


@dataclass(frozen=True)
class Stretch:
    """One rectangle: where, which state, and what is said of it."""

    x: str
    width: str
    state: str
    said: str


@dataclass(frozen=True)
class Track:
    """One machine's strip with its totals, `totals` in the order of `State` as written durations."""

    machine: str
    stretches: tuple[Stretch, ...]
    spoken: str
    totals: tuple[str, ...]


@dataclass(frozen=True)
class Tick:
    """A clock time under the strips; `odd` ones go on a narrow screen."""

    x: str
    text: str
    odd: bool


def draw_track(strip: Strip, *, zone: str) -> Track:
    """A strip as rectangles."""
    length = (strip.to_at - strip.from_at).total_seconds()
    seconds = dict.fromkeys(State.values, 0.0)
    stretches = []
    for segment in strip.segments:
        seconds[segment.state] += (segment.end - segment.start).total_seconds()
        stretches.append(_draw(segment, strip.from_at, length, zone))
    spoken = ", ".join(f"{State(state).label} {format_duration(sum_s)}" for state, sum_s in seconds.items() if sum_s)
    totals = tuple(format_duration(sum_s) if sum_s else "–" for sum_s in seconds.values())
    return Track(strip.machine_name, tuple(stretches), spoken or _("nothing known"), totals)


def _draw(segment: Segment, from_at: dt.datetime, length: float, zone: str) -> Stretch:
    start, seconds = (segment.start - from_at).total_seconds(), (segment.end - segment.start).total_seconds()
    said = _("%(state)s, %(from)s to %(to)s, %(time)s") % {
        "state": State(segment.state).label.capitalize(),
        "from": format_moment(segment.start, zone=zone),
        "to": format_clock(segment.end, zone=zone),
        "time": format_duration(seconds),
    }
    said = f"{said}, {segment.reason}" if segment.reason else said
    return Stretch(f"{start / length * 100:.3f}%", f"{seconds / length * 100:.3f}%", segment.state, said)


def draw_axis(strips: Sequence[Strip], *, zone: str) -> tuple[Tick, ...]:
    """Whole local hours under the strips, at most nine of them."""
    if not strips:
        return ()
    from_at, to_at = strips[0].from_at, strips[0].to_at
    length = (to_at - from_at).total_seconds()
    step = next((step for step in STEPS_H if length / 3600 / step <= MOST_TICKS), STEPS_H[-1])
    clock = zoneinfo.ZoneInfo(zone)
    # Hour by hour in UTC: in the night the clocks change, local arithmetic would lose or double an hour.
    hours = int(length // 3600) + 2
    first = from_at.replace(minute=0, second=0, microsecond=0)
    whole = [first + dt.timedelta(hours=hour) for hour in range(hours)]
    shown = [hour for hour in whole if from_at <= hour <= to_at and hour.astimezone(clock).hour % step == 0]
    return tuple(
        Tick(f"{(hour - from_at).total_seconds() / length * 100:.3f}%", format_clock(hour, zone=zone), number % 2 == 1)
        for number, hour in enumerate(shown)
    )
