"""The command: `python -m mesassist.tests.nemesis --seed 1 --runs 120 --faults 14`; the last line is the figures."""

import argparse
import sys

from mesassist.tests.nemesis.report import as_line, as_table, figures
from mesassist.tests.nemesis.storm import Plan, weather


def main() -> int:
    """Run one storm; 1 when anything was found that must not be."""
    parser = argparse.ArgumentParser(prog="python -m mesassist.tests.nemesis", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=120)
    parser.add_argument("--faults", type=int, default=14)
    parser.add_argument("--gap", type=float, default=4.0, help="mean seconds between faults")
    parser.add_argument("--lease", type=float, default=30.0, help="ANALYSIS_LEASE_S")
    parser.add_argument("--drain", type=float, default=300.0, help="seconds until what is open counts as stuck")
    chosen = parser.parse_args()
    plan = Plan(
        seed=chosen.seed,
        runs=chosen.runs,
        faults=chosen.faults,
        gap_s=chosen.gap,
        lease_s=chosen.lease,
        drain_s=chosen.drain,
    )
    found = figures(weather(plan, say=lambda text: print_line(text, sys.stderr)))
    for offence in found["offences"]:
        print_line(f"  {offence}", sys.stderr)
    print_line(as_table([found]), sys.stderr)
    print_line(as_line(found), sys.stdout)
    return 1 if found["offences"] else 0


def print_line(text: str, stream: object) -> None:
    """One line, at once."""
    stream.write(f"{text}\n")  # type: ignore[attr-defined]
    stream.flush()  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
