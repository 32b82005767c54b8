"""Consumers killed, coming and going, and cut off from the database: each event lands once, and nothing is invented."""

import random
import time
from contextlib import ExitStack
from itertools import chain

import pytest

from production.models import Line, Machine, PartitionState, Quarantined
from production.tests.kafka.checks import assert_rollups_are_those_of_the_events, stored_ids
from production.tests.kafka.consumers import ConsumerProcess, consuming, wait_until
from production.tests.kafka.records import make_events

pytestmark = pytest.mark.django_db(transaction=True)
MACHINES = [f"P{number:02}" for number in range(20)]
# A killed consumer comes to life again within a few seconds; this is for a machine with other things to do.
PROGRESS_SECONDS = 120


@pytest.fixture
def big_topic(make_topic, small_plant, in_alfa):
    """Alfa's topic in six partitions, read for twenty machines."""
    line = Line.objects.get()
    for code in MACHINES:
        Machine.objects.create(tenant=in_alfa, code=code, name=f"Press {code}", line=line)
    return make_topic(in_alfa, partitions=6)


def fill(topic, number):
    """Produce so many events, one in fifty of them twice; gives their ids and the number of records."""
    events = list(make_events(number, machines=MACHINES))
    twice = events[::50]
    topic.send(chain(events, twice))
    return sorted(event["event_id"] for event in events), len(events) + len(twice)


def wait_for_records(topic, number):
    wait_until(lambda: topic.sums()[0] >= number, within_s=PROGRESS_SECONDS, what=f"{number} records")


def assert_all_is_there_once(topic, ids, records):
    """What was produced is what is stored, and every count of every partition adds up."""
    assert stored_ids(topic.name) == ids
    assert not Quarantined.objects.exists()
    read, accepted, duplicate, quarantined = topic.sums()
    # Records between the last commit of an offset and a kill are read again, and known again.
    assert (accepted, quarantined) == (len(ids), 0)
    assert read == accepted + duplicate >= records
    for row in topic.rows:
        assert row.records == row.accepted + row.duplicate + row.quarantined
    assert topic.is_read(topic.ends())
    assert_rollups_are_those_of_the_events()


def kill_while_reading(topic, *, events, kills, seed):
    """Two consumers read; one of them is killed at a random moment, again and again, and another takes its place."""
    draw = random.Random(seed)
    ids, records = fill(topic, events)
    with ExitStack() as stack:
        consumers = [ConsumerProcess(instance=name) for name in ("one", "two")]
        stack.callback(lambda: [consumer.close() for consumer in consumers])
        for number in range(1, kills + 1):
            # Spread over the whole topic, and then at any moment of a batch.
            wait_for_records(topic, records * number // (kills + 2))
            time.sleep(draw.random() * 0.4)
            slot = draw.randrange(2)
            assert consumers[slot].is_alive
            consumers[slot].kill()
            consumers[slot] = ConsumerProcess(instance=("one", "two")[slot])
        ends = topic.ends()
        wait_until(lambda: topic.is_read(ends), within_s=PROGRESS_SECONDS, what="the end of the topic")
        for consumer in consumers:
            consumer.leave()
    assert_all_is_there_once(topic, ids, records)


class TestKilled:
    def test_five_kills_lose_and_double_nothing(self, big_topic):
        kill_while_reading(big_topic, events=10_000, kills=5, seed=5)

    @pytest.mark.faults
    @pytest.mark.parametrize("seed", [1])
    def test_twenty_kills_in_a_hundred_thousand_events_lose_and_double_nothing(self, big_topic, seed):
        kill_while_reading(big_topic, events=100_000, kills=20, seed=seed)


@pytest.mark.faults
class TestRebalance:
    def test_consumers_that_come_and_go_lose_and_double_nothing(self, big_topic):
        draw = random.Random(7)
        events = list(make_events(40_000, machines=MACHINES))
        with ExitStack() as stack:
            consumers = [ConsumerProcess()]
            stack.callback(lambda: [consumer.close() for consumer in consumers])
            for number in range(10):
                big_topic.send(events[number * 4000 : (number + 1) * 4000])
                consumers.append(ConsumerProcess())
                wait_for_records(big_topic, number * 4000 + 1000)
                time.sleep(draw.random())
                assert consumers.pop(draw.randrange(len(consumers))).leave() < 20
                if len(consumers) > 2:
                    consumers.pop(0).kill()
            ends = big_topic.ends()
            wait_until(lambda: big_topic.is_read(ends), within_s=PROGRESS_SECONDS, what="the end of the topic")
        assert_all_is_there_once(big_topic, sorted(event["event_id"] for event in events), 40_000)

    def test_one_that_leaves_in_order_leaves_nothing_to_be_read_twice(self, big_topic):
        ids, records = fill(big_topic, 30_000)
        for number in range(1, 4):
            with consuming() as consumer:
                wait_for_records(big_topic, records * number // 5)
                consumer.leave()
        with consuming("--once-empty") as consumer:
            assert consumer.reap() == 0
        assert_all_is_there_once(big_topic, ids, records)
        assert big_topic.sums()[0] == records


class TestDatabaseAway:
    @pytest.mark.faults
    def test_records_wait_in_the_broker_and_none_is_blamed(self, big_topic, cable):
        ids, records = fill(big_topic, 20_000)
        with consuming(database_port=cable.port) as consumer:
            wait_for_records(big_topic, 1000)
            cable.cut()
            seen = big_topic.sums()[0]
            # Three looks of the back-off, so that it has tried and failed.
            time.sleep(3)
            assert consumer.is_alive
            assert big_topic.sums()[0] == seen
            cable.mend()
            ends = big_topic.ends()
            wait_until(lambda: big_topic.is_read(ends), within_s=PROGRESS_SECONDS, what="the end of the topic")
            wait_until(lambda: big_topic.states() == {PartitionState.READING}, what="reading as before")
            consumer.leave()
        assert_all_is_there_once(big_topic, ids, records)

    def test_a_consumer_that_starts_without_a_database_waits_for_it(self, topic, cable):
        topic.send(make_events(100))
        cable.cut()
        with consuming(database_port=cable.port) as consumer:
            time.sleep(3)
            assert consumer.is_alive
            cable.mend()
            wait_until(lambda: topic.sums() == (100, 100, 0, 0), what="the events")
            consumer.leave()
