"""Faults one by one, on a portal of real processes: what people see while it breaks, and that it mends itself."""

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest

from mesassist.tests.nemesis.faults import Nemesis
from mesassist.tests.nemesis.portal import Portal
from mesassist.tests.nemesis.report import percentile
from mesassist.tests.nemesis.stage import MODEL_WORKERS, collect_static, open_stage, seed_plants

pytestmark = pytest.mark.faults

IS_FULL = int(os.environ.get("NEMESIS_RUNS", "0")) >= 1000
LEASE_S = 10.0
SLOTS = 16
# For machines with other things to do; what is measured is printed.
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def portal():
    """Everything runs, answers take some five seconds."""
    with open_stage(lease_s=LEASE_S, threads=SLOTS // 2) as stage:
        plants = seed_plants(stage)
        collect_static(stage)
        stage.start_all()
        yield Portal(stage, plants)


@pytest.fixture
def nemesis(portal):
    return Nemesis(portal.stage, lease_s=LEASE_S)


@pytest.fixture
def aloud(capsys):
    def say(text):
        with capsys.disabled():
            print(f"\n  {text}", end="", flush=True)  # noqa: T201 - figures are for people

    return say


def alone(calls):
    """The most calls that were in flight together."""
    moments = sorted(chain.from_iterable([(call.begun, 1), (call.end, -1)] for call in chain(*calls.values())))
    most = now = 0
    for _, step in moments:
        now += step
        most = max(most, now)
    return most


class TestClicks:
    def test_fifty_at_once_are_one_analysis(self, portal):
        with ThreadPoolExecutor(50) as hands:
            answers = list(hands.map(lambda _: portal.ask(portal.plants[0], "Fifty times?"), range(50)))
        assert {status for status, *_ in answers} <= {200, 202}
        assert len({told["id"] for _, told, _ in answers}) == 1
        (row,) = portal.wait_for_ends("Fifty", within_s=PATIENCE_S)
        assert row.status == "done"
        assert [len(calls) for calls in portal.calls("Fifty").values()] == [1]


class TestRedisAway:
    def test_clicks_are_taken_quickly_and_worked_off_afterwards(self, portal, aloud):
        away_s = 60 if IS_FULL else 12
        valkey = portal.stage.valkey
        usual = sorted(portal.ask(portal.plants[number % 3], f"Usual {number}?")[2] for number in range(9))
        os.kill(valkey.state["pid"], signal.SIGKILL)
        try:
            until, took = time.monotonic() + away_s, []
            while time.monotonic() < until:
                status, _, seconds = portal.ask(portal.plants[len(took) % 3], f"Away {len(took)}?")
                assert status == 202
                took.append(seconds)
                time.sleep(0.3)
        finally:
            valkey.ensure_running()
        rows = portal.wait_for_ends("Away", within_s=PATIENCE_S)
        assert {row.status for row in rows} == {"done"}
        assert len(rows) == len(took)
        slow, median = percentile(sorted(took), 95), percentile(sorted(took), 50)
        aloud(f"Redis away for {away_s} s: {len(took)} clicks, median {median * 1000:.0f} ms, p95 {slow * 1000:.0f} ms")
        # On a machine with other things to do every click is slow; without Redis it is no slower.
        assert slow < 0.3 if IS_FULL else median < percentile(usual, 50) + 0.3


class TestDeploy:
    def test_a_rolling_restart_fails_nothing_and_repeats_at_most_one_call_per_slot(self, portal, nemesis, aloud):
        portal.ask_many(portal.plants[0], "Deploy", 30)
        portal.ask_many(portal.plants[1], "Deploy b", 10)
        for name in (*MODEL_WORKERS, "compute", "beat"):
            nemesis.strike("worker deployed", name, random.Random(1))
        rows = portal.wait_for_ends("Deploy", within_s=PATIENCE_S)
        calls = portal.calls("Deploy")
        repeated = sum(len(of_one) - 1 for of_one in calls.values())
        aloud(f"rolling restart under load: {len(rows)} analyses, {repeated} calls repeated ({SLOTS} slots)")
        assert nemesis.errors == []
        assert {row.status for row in rows} == {"done"}
        assert len(rows) == 40
        assert repeated <= SLOTS


class TestPostgresAway:
    def test_people_get_503_and_no_analysis_is_lost_however_long_it_takes(self, portal, aloud):
        portal.ask_many(portal.plants[0], "Outage", 12)
        postgres = portal.stage.postgres
        key = f"Api-Key {portal.plants[0].key}"
        # A session that nobody has: whether it exists is asked of the database.
        cookie = f"sessionid={'a' * 32}"
        with (
            portal.watching("/api/v1/analyses/", Authorization=key) as api,
            portal.watching("/", Cookie=cookie) as page,
        ):
            os.kill(postgres.state["pid"], signal.SIGQUIT)
            went = time.time()
            time.sleep(LEASE_S + 3)  # beyond every lease: whoever wakes up must have lost its rows
            postgres.ensure_running()
            back = time.time()
            portal.wait(lambda: api.answers[-1][1] == 200, within_s=30, what="the API answers again")
            portal.wait(lambda: page.answers[-1][1] == 302, within_s=30, what="pages answer again")
        recovered = max(when for when, status, *_ in api.answers if status != 200) - back
        aloud(f"PostgreSQL away for {back - went:.0f} s: last 503 {max(recovered, 0):.1f} s after its return")
        assert api.statuses() == {200, 503}
        assert page.statuses() == {302, 503}
        refused = [answer for answer in (*api.answers, *page.answers) if answer[1] == 503]
        assert all(retry_after for *_, retry_after in refused)
        assert recovered < 10
        rows = portal.wait_for_ends("Outage", within_s=PATIENCE_S)
        assert {row.status for row in rows} == {"done"}
        assert all(len(of_one) <= 2 for of_one in portal.calls("Outage").values())


class TestFairness:
    def test_one_plants_queue_does_not_keep_another_waiting(self, portal, aloud):
        many = 200 if IS_FULL else 80
        portal.ask_many(portal.plants[0], "Flood", many)
        portal.ask(portal.plants[1], "Single one?")
        portal.wait(lambda: bool(portal.rows("Single")[0].started), within_s=PATIENCE_S, what="Beta's analysis starts")
        left = sum(row.status == "queued" for row in portal.rows("Flood"))
        (single,) = portal.wait_for_ends("Single", within_s=PATIENCE_S)
        ended = [row for row in portal.rows("Flood") if row.status == "done"]
        mean = sum(row.finished - row.started for row in ended) / len(ended)
        waited = single.started - single.created
        portal.cancel(portal.rows("Flood"))
        portal.wait_for_ends("Flood", within_s=PATIENCE_S)
        aloud(
            f"fairness: Beta's one began after {waited:.1f} s (mean run {mean:.1f} s), {left} of Alfa's {many} waited"
        )
        assert left > many / 4
        assert waited <= mean + 3


class TestHerd:
    def test_an_endpoint_that_is_back_gets_no_more_than_it_can_take(self, portal, aloud):
        many = 300 if IS_FULL else 60
        portal.stage.end("analyst", signal.SIGKILL)
        for plant in portal.plants:
            portal.ask_many(plant, f"Herd {plant.slug}", many // 3)
        portal.stage.start("analyst")
        portal.wait(lambda: len(portal.calls("Herd")) > many / 3, within_s=PATIENCE_S, what="the queue is worked off")
        most = alone(portal.calls("Herd"))
        portal.cancel(portal.rows("Herd"))
        rows = portal.wait_for_ends("Herd", within_s=PATIENCE_S)
        aloud(f"herd of {len(rows)} after an outage: at most {most} calls at once ({SLOTS} slots)")
        assert most <= SLOTS
        assert len(rows) == many
