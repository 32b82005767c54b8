"""Charts: SummaryData as what the browser draws, each chart with its twin in words."""

import datetime as dt
from typing import Any

from django.utils.translation import gettext as _

from dashboards.widgets import RATIO_NAMES
from production.formats import format_duration, format_plural, format_ratio, format_share
from production.summaries import UNCLASSIFIED, Figures, ParetoBar, SummaryData

MOST_BARS = 9


def trend_chart(data: SummaryData) -> dict[str, Any]:
    """What the line chart draws and its tooltips say; ratios as 0..1, None where there is none."""
    return {
        "labels": [point.name for point in data.trend],
        "ticks": [tick_of(point) for point in data.trend],
        "series": [
            {
                "key": key,
                "name": str(name),
                "values": [getattr(point, key).value for point in data.trend],
                "texts": [format_ratio(getattr(point, key)) for point in data.trend],
            }
            for key, name in RATIO_NAMES.items()
        ],
        "known": any(point.oee.value is not None for point in data.trend),
        "spoken": say_trend(data),
    }


def say_trend(data: SummaryData) -> str:
    """The trend in one sentence: its ends, its best and its worst."""
    known = [(point.oee.value, point.name) for point in data.trend if point.oee.value is not None]
    if not known:
        return _("No OEE can be given for this period.")
    if len(known) == 1:
        return _("OEE %(value)s on %(day)s.") % {"value": format_share(known[0][0]), "day": known[0][1]}
    (low, low_day), (high, high_day) = min(known), max(known)
    return _("OEE between %(low)s (%(low_day)s) and %(high)s (%(high_day)s).") % {
        "low": format_share(low),
        "low_day": low_day,
        "high": format_share(high),
        "high_day": high_day,
    }


def tick_of(point: Figures) -> str:
    """A short label under the axis: `2 Mar` of a day, otherwise the point's own name."""
    try:
        day = dt.date.fromisoformat(point.key)
    except ValueError:
        return point.name
    return f"{day.day} {day:%b}"


def pareto_chart(data: SummaryData) -> dict[str, Any]:
    """What the bars draw: the biggest reasons, the rest as one bar, "unclassified" always as a bar of its own."""
    bars = shorten_pareto(data.pareto)
    return {
        "bars": [
            {
                "name": bar.reason,
                "seconds": bar.seconds,
                "text": format_duration(bar.seconds),
                "cumulative": bar.cumulative,
                "unclassified": bar.reason == UNCLASSIFIED,
                "said": say_bar(bar),
            }
            for bar in bars
        ],
        "spoken": say_pareto(data),
    }


def shorten_pareto(bars: tuple[ParetoBar, ...]) -> tuple[ParetoBar, ...]:
    """At most ten bars; those left over become one, and "unclassified" is never among them."""
    if len(bars) <= MOST_BARS + 1:
        return bars
    kept = [bar for number, bar in enumerate(bars) if number < MOST_BARS or bar.reason == UNCLASSIFIED]
    rest = [bar for bar in bars if bar not in kept]
    name = _("%(count)s other reasons") % {"count": len(rest)}
    seconds, stops, share = (sum(getattr(bar, part) for bar in rest) for part in ("seconds", "stops", "share"))
    return (*kept, ParetoBar(name, "", seconds, int(stops), share, 1.0))


def say_bar(bar: ParetoBar) -> str:
    """A bar's tooltip."""
    lines = [bar.reason, f"{format_duration(bar.seconds)}, {format_plural(bar.stops, 'stop')}"]
    return "\n".join([*lines, _("%(share)s of all down time and micro-stops") % {"share": format_share(bar.share)}])


def say_pareto(data: SummaryData) -> str:
    """The Pareto in one sentence."""
    if not data.pareto:
        return _("No down time in this period.")
    top = data.pareto[0]
    return _("Most time went to %(reason)s: %(time)s, %(share)s of all down time and micro-stops.") % {
        "reason": top.reason,
        "time": format_duration(top.seconds),
        "share": format_share(top.share),
    }
