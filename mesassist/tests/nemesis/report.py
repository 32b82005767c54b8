"""Report: the figures of the storms as a table that people read, and as one JSON line that programs read."""

import json
from statistics import quantiles
from typing import Any

from mesassist.tests.nemesis.storm import Outcome


def percentile(values: list[float], share: int) -> float:
    """The percentile of sorted values; 0 of none."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return quantiles(values, n=100, method="inclusive")[share - 1]


def figures(outcome: Outcome) -> dict[str, Any]:
    """What one storm showed."""
    verdict = outcome.verdict
    return {
        "seed": outcome.plan.seed,
        "runs": outcome.plan.runs,
        "faults": sum(outcome.struck.values()),
        "kinds": dict(sorted(outcome.struck.items())),
        "ended": dict(verdict.ended.most_common()),
        "lost": len(verdict.lost),
        "stuck": len(verdict.stuck),
        "doubled": len(verdict.doubled),
        "calls": verdict.calls,
        "extra_calls": verdict.extra,
        "calls_in_flight": verdict.in_flight,
        "called_without_need": len(verdict.unexplained),
        "overlaps_frozen": verdict.overlaps[0],
        "overlaps": verdict.overlaps[1],
        "recovery_s": spread(verdict.recoveries),
        "recovery_alone_s": spread(verdict.quiet_recoveries),
        "rering_s": spread(verdict.rerings),
        "rering_alone_s": spread(verdict.quiet_rerings),
        "click_s": spread(outcome.clicks_s),
        "answers": {str(status): count for status, count in sorted(outcome.answers.items())},
        "died": dict(outcome.died),
        "took_s": round(outcome.took_s),
        "offences": verdict.offences,
    }


def spread(values: list[float]) -> dict[str, float]:
    """Number, median, 95th percentile and the longest, in seconds."""
    shares = {"p50": percentile(values, 50), "p95": percentile(values, 95), "max": values[-1] if values else 0.0}
    return {"n": len(values), **{name: round(value, 2) for name, value in shares.items()}}


def as_table(found: list[dict[str, Any]]) -> str:
    """The storms beside each other, a line per figure."""
    rows: dict[str, list[str]] = {name.replace("_", " "): [str(one[name]) for one in found] for name in COUNTS}
    for name, label in SPREADS.items():
        rows[label] = ["{p50:.1f} {p95:.1f} {max:.1f} ({n})".format(**one[name]) for one in found]
    for group in ("ended", "kinds", "answers", "died"):
        for kind in sorted({kind for one in found for kind in one[group]}):
            rows[f"{group}: {kind}"] = [str(one[group].get(kind, 0)) for one in found]
    wide = max(len(label) for label in rows)
    return "\n".join(f"{label:<{wide}}" + "".join(f"{cell:>20}" for cell in cells) for label, cells in rows.items())


COUNTS = (
    "seed",
    "runs",
    "faults",
    "lost",
    "stuck",
    "doubled",
    "calls",
    "extra_calls",
    "calls_in_flight",
    "called_without_need",
    "overlaps",
    "overlaps_frozen",
    "took_s",
)
SPREADS = {
    "recovery_alone_s": "kill -9 alone: running again, s: p50 p95 max (n)",
    "recovery_s": "kill -9 in the storm, s",
    "rering_alone_s": "redis wiped alone: rung again, s",
    "rering_s": "redis gone in the storm, s",
    "click_s": "click until accepted, s",
}


def as_line(found: dict[str, Any]) -> str:
    """One JSON object."""
    return json.dumps(found)
