"""Fuzz: whatever is sent to the events door is answered below 500, accounted for, and forgotten."""

import random
import resource
import sys

import pytest

from production.models import Event, Quarantined

EVENTS = "/api/v1/events/"
PER_REQUEST = 20


@pytest.fixture
def send(caller, api_key, alfa, small_plant):
    client, key = caller(), api_key(alfa, "ingest")

    def go(body, content_type, encoding):
        headers = {"Authorization": f"Api-Key {key}", "Content-Encoding": encoding}
        return client.post(EVENTS, body, content_type=content_type, headers=headers)

    return go


def throw(send, *, records, seed):
    """Send that many mutated records; gives how often each status came and the sums of all receipts."""
    from production.tests.mutations import mutate_batch

    rng = random.Random(seed)
    statuses, sums = {}, {"received": 0, "accepted": 0, "duplicate": 0, "quarantined": 0}
    for first in range(0, records, PER_REQUEST):
        # Numbers repeat after a while, so that duplicates and conflicts come along too.
        body, content_type, encoding = mutate_batch(rng, first % 20_000, PER_REQUEST)
        answer = send(body, content_type, encoding)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        if answer.status_code == 200:
            told = answer.json()
            assert len(told["problems"]) == told["quarantined"]
            sums = {name: total + told[name] for name, total in sums.items()}
    return statuses, sums


def check(statuses, sums):
    assert max(statuses) < 500, statuses
    assert set(statuses) <= {200, 400}
    assert sums["received"] == sums["accepted"] + sums["duplicate"] + sums["quarantined"]
    assert sums["accepted"] == Event.objects.count()
    assert sums["quarantined"] >= Quarantined.objects.count() > 0


class TestDoor:
    @pytest.mark.parametrize("seed", range(2))
    def test_no_record_makes_it_fail(self, send, seed):
        check(*throw(send, records=2_000, seed=seed))

    @pytest.mark.fuzz
    def test_no_record_of_a_hundred_thousand_makes_it_fail_or_grow(self, send):
        throw(send, records=4_000, seed=100)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        statuses, sums = throw(send, records=100_000, seed=7)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        sys.stdout.write(f"{sums} {statuses}, {grown:.0f} MB more than at first\n")
        assert max(statuses) < 500, statuses
        assert sums["received"] == sums["accepted"] + sums["duplicate"] + sums["quarantined"]
        assert grown < 150
