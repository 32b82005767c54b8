"""Nemesis: whatever breaks, and however often, no analysis is lost, stuck or doubled, and no call is paid in vain.

CI runs one short storm. The full proof: `NEMESIS_RUNS=1000 NEMESIS_FAULTS=100 NEMESIS_SEEDS=5 make test-faults`.
"""

import os

import pytest

from mesassist.tests.nemesis.faults import KINDS, draw_schedule
from mesassist.tests.nemesis.report import as_table, figures
from mesassist.tests.nemesis.storm import Plan, weather

pytestmark = pytest.mark.faults

RUNS = int(os.environ.get("NEMESIS_RUNS", "120"))
FAULTS = int(os.environ.get("NEMESIS_FAULTS", str(len(KINDS))))
SEEDS = int(os.environ.get("NEMESIS_SEEDS", "1"))
# The stated times hold with the lease of production on a machine that has nothing else to do.
IS_FULL = RUNS >= 1000
LEASE_S = float(os.environ.get("NEMESIS_LEASE_S", "30" if IS_FULL else "10"))
GAP_S = float(os.environ.get("NEMESIS_GAP_S", "4"))


@pytest.fixture(scope="module")
def said():
    """The figures of every storm; printed together at the end."""
    return []


@pytest.fixture
def aloud(capsys):
    """Says something past pytest's own listening: a storm is minutes of silence otherwise."""

    def say(text):
        with capsys.disabled():
            print(f"\n{text}", end="", flush=True)  # noqa: T201 - the figures are what this command is run for

    return say


class TestStorm:
    @pytest.mark.parametrize("seed", range(1, SEEDS + 1))
    def test_nothing_is_lost_stuck_doubled_or_called_in_vain(self, seed, said, aloud):
        plan = Plan(seed=seed, runs=RUNS, faults=FAULTS, gap_s=GAP_S, lease_s=LEASE_S)
        said.append(figures(weather(plan, say=aloud)))
        found = said[-1]
        aloud(as_table(said))
        assert found["offences"] == []
        assert found["faults"] >= FAULTS
        assert found["extra_calls"] <= found["calls_in_flight"]
        assert found["recovery_alone_s"]["n"] > 0
        if IS_FULL:
            assert found["rering_alone_s"]["n"] > 0
            assert found["recovery_alone_s"]["p95"] <= 35
            assert found["rering_alone_s"]["max"] <= 30


class TestSchedule:
    def test_every_kind_strikes_and_the_same_seed_strikes_the_same(self):
        import random

        once, again = (draw_schedule(dice=random.Random(7), faults=100) for _ in range(2))
        assert once == again
        assert {kind for kind, _ in once} == set(KINDS)
        assert len(once) == 100
