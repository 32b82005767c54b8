"""Summary data: the figures of 7 days x 20 machines, against the bare daily rows and against the raw events."""

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.measure import compare, measured, print_line, take_turns

if TYPE_CHECKING:
    from bench.history import History

WEEK = dt.timedelta(days=7)
SAMPLES = 9
# What a summary of seven days with its comparison needs of whole days: sums of both weeks, and the losses of one.
DAYS = "SELECT * FROM production_dailyrollup WHERE tenant_id = %s AND starts_at >= %s AND ends_at <= %s"
LOSSES = "SELECT * FROM production_dailyloss WHERE tenant_id = %s AND starts_at >= %s AND ends_at <= %s"
# The same seconds, pieces and stops by machine and day, and the Pareto, straight from the events.
RAW_TIMES = """
SELECT machine_id, (at AT TIME ZONE 'Europe/Warsaw')::date, state, reason_id, sum(extract(epoch FROM following - at)),
    count(*) FILTER (WHERE state <> before)
FROM (
    SELECT *, lead(at) OVER told AS following, lag(state) OVER told AS before FROM production_event
    WHERE tenant_id = %(tenant)s AND kind = 'state' AND at >= %(first)s AND at < %(last)s
    WINDOW told AS (PARTITION BY machine_id ORDER BY at)
) AS states
GROUP BY 1, 2, 3, 4
"""
RAW_PIECES = """
SELECT machine_id, (at AT TIME ZONE 'Europe/Warsaw')::date, product_id, sum(good), sum(scrap), sum(rework)
FROM production_event
WHERE tenant_id = %(tenant)s AND kind = 'count' AND at >= %(first)s AND at < %(last)s
GROUP BY 1, 2, 3
"""


def measure_summaries(histories: "list[History]") -> None:
    """Print `summary_data` at the middle size and `growth_summary` over all of them."""
    middle = histories[min(1, len(histories) - 1)]
    compare(
        bench="summary_data",
        unit="ms",
        n=middle.events,
        ours=_reads(middle),
        peer=_asks(middle, [(RAW_TIMES, 0), (RAW_PIECES, 0), (RAW_TIMES, 1), (RAW_PIECES, 1)]),
        limit=_asks(middle, [(DAYS, 0), (DAYS, 1), (LOSSES, 0)]),
        samples=SAMPLES,
        better="time",
    )
    small, large = histories[0], histories[-1]
    reads = {"ours": _reads(large), "limit": _reads(small)}
    for read in reads.values():
        read()
    costs = take_turns(reads, samples=SAMPLES * 3)
    figures = {name: measured([cost * 1000 for cost in found]) for name, found in costs.items()}
    print_line(bench="growth_summary", unit="ms", n=large.events, figures=figures, better="time")


def _reads(history: "History") -> Callable[[], None]:
    from production.summaries import SummarySpec, read_summary

    spec = SummarySpec(title="Plant", window="last_7_days")

    def read() -> None:
        with history.active():
            data = read_summary(spec=spec, now=history.until)
        assert len(data.groups) == len(history.plant.machines)

    return read


def _asks(history: "History", queries: list[tuple[str, int]]) -> Callable[[], None]:
    """A candidate that sends the queries, each for the week or the week before it, and takes what comes."""
    from django.db import connection

    def ask() -> None:
        with history.active(), connection.cursor() as cursor:
            for query, weeks in queries:
                last = history.until - weeks * WEEK
                bound = {"tenant": history.plant.tenant.pk, "first": last - WEEK, "last": last}
                cursor.execute(query, bound if "%(tenant)s" in query else list(bound.values()))
                cursor.fetchall()

    return ask
