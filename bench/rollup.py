"""Rollup: what a batch of 1,000 new events costs at 5 M events, and whether that grows with the length of history.

Prints `rollup` (peer: REFRESH MATERIALIZED VIEW CONCURRENTLY of hours), `rollup_recompute` (peer: folding everything),
`growth_rollup` (limit: the smallest history), and the lines of `summary_data` on the same histories.
"""

import datetime as dt
import time
from collections.abc import Callable

from bench.measure import as_owner, bench_services, compare, measured, print_line, take_turns

EVENTS = 1000
SAMPLES = 5
VIEW = """
CREATE MATERIALIZED VIEW hours AS
SELECT tenant_id, machine_id, date_trunc('hour', at, 'UTC') AS hour, state,
    sum(extract(epoch FROM least(coalesce(until, following), date_trunc('hour', at, 'UTC') + interval '1 hour') - at))
        AS seconds,
    count(*) AS events, sum(good) AS good, sum(scrap) AS scrap
FROM (
    SELECT *, lead(at) OVER (PARTITION BY tenant_id, machine_id, kind ORDER BY at) AS following FROM production_event
) AS told
GROUP BY 1, 2, 3, 4
"""
INDEX = "CREATE UNIQUE INDEX ON hours (tenant_id, machine_id, hour, state)"


def main() -> None:
    """Build the histories and measure on them."""
    with bench_services() as services:
        from bench.history import build_histories
        from bench.plant import make_plant
        from bench.summary_data import measure_summaries

        plant = make_plant()
        until = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0) - dt.timedelta(days=2)
        with build_histories(services=services, plant=plant, until=until) as histories:
            measure_summaries(histories)
            folds = {history.events: _folds(history) for history in histories}
            middle = histories[min(1, len(histories) - 1)]
            with as_owner(services, dbname=middle.database) as owner:
                owner.execute(VIEW)
                owner.execute(INDEX)
                refresh = "REFRESH MATERIALIZED VIEW CONCURRENTLY hours"
                line = compare(
                    bench="rollup",
                    unit="ms",
                    n=EVENTS,
                    ours=folds[middle.events],
                    peer=lambda: owner.execute(refresh) and None,
                    samples=SAMPLES,
                    better="time",
                )
            figures = {"ours": measured([float(str(line["ours"]))]), "peer": measured([middle.folded_s * 1000])}
            print_line(bench="rollup_recompute", unit="ms", n=middle.events, figures=figures, better="time")
            _print_growth(folds)


def _folds(history) -> Callable[[], float]:  # noqa: ANN001 - its module needs Django
    """A candidate: 1,000 new events of all machines come in, and the seconds that folding them takes."""
    from bench.history import STEP, new_events
    from production.ingest.store import store_events
    from production.rollups import fold_dirty

    moments = iter(range(10_000))

    def fold_batch() -> float:
        at = history.until + next(moments) * EVENTS // (2 * len(history.plant.machines)) * STEP
        now = at + EVENTS // (2 * len(history.plant.machines)) * STEP
        with history.active():
            store_events(events=new_events(plant=history.plant, until=at, events=EVENTS), source="plc", now=now)
            begun = time.perf_counter()
            settled = fold_dirty(now=now)
            assert settled >= len(history.plant.machines), settled
            return time.perf_counter() - begun

    return fold_batch


def _print_growth(folds: dict[int, Callable[[], float]]) -> None:
    """The longest history against the shortest, in turns."""
    small, large = min(folds), max(folds)
    costs = take_turns({"ours": folds[large], "limit": folds[small]}, samples=SAMPLES * 2)
    figures = {name: measured([cost * 1000 for cost in found]) for name, found in costs.items()}
    print_line(bench="growth_rollup", unit="ms", n=large, figures=figures, better="time")


if __name__ == "__main__":
    main()
