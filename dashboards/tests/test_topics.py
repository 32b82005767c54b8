"""Topics page, as whole requests."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from production.models import KafkaPartition, KafkaSource

PAGE = reverse("dashboards:topics", args=["alfa"])


@pytest.fixture
def topic(in_alfa, now):
    source = KafkaSource.objects.create(
        tenant=in_alfa,
        name="presses",
        topic="plant.press",
        bootstrap_servers="broker:9092",
        sasl_username="reader-9",
    )

    def read(number, **how):
        values = {"committed": 90, "newest": 100, "rate": 2.5, "records": 90, "quarantined": 1, "updated_at": now} | how
        KafkaPartition.objects.create(tenant=in_alfa, source=source, partition=number, **values)
        return source

    return read


def readings(client):
    (topic,) = client.get(PAGE).context["topics"]
    return [(one.row.partition, one.lag, one.word, one.sign) for one in topic.readings]


class TestTopics:
    def test_it_adds_up_its_partitions(self, topic, client_of, vic):
        topic(1, committed=100)
        topic(0)
        (read,) = client_of(vic).get(PAGE).context["topics"]
        assert (read.lag, read.rate, read.records, read.quarantined) == (10, 5.0, 180, 2)
        assert readings(client_of(vic)) == [(0, 10, "catching up", "running"), (1, 0, "up to date", "done")]

    @pytest.mark.parametrize(
        ("state", "word", "advice"),
        [
            ("paused", "paused", "Reading goes on by itself; nothing is lost."),
            ("waiting", "waiting", "The schema registry is out of reach."),
            ("stopped", "stopped", "an administrator sets it going again."),
            ("left", "not read", "Ask an administrator whether a consumer is running."),
        ],
    )
    def test_a_state_is_told_with_what_to_do(self, topic, client_of, vic, state, word, advice):
        topic(0, state=state, detail="broker:9092 does not answer")
        text = client_of(vic).get(PAGE).content.decode()
        assert readings(client_of(vic))[0][2] == word
        assert (advice in text, "broker:9092 does not answer" in text) == (True, True)

    def test_silence_is_not_taken_for_reading(self, topic, client_of, vic, now):
        topic(0, updated_at=now - dt.timedelta(minutes=3))
        topic(1, updated_at=now - dt.timedelta(minutes=3), state="stopped")
        assert [one[2] for one in readings(client_of(vic))] == ["silent", "stopped"]
        (read,) = client_of(vic).get(PAGE).context["topics"]
        assert read.rate == 0

    def test_the_part_that_refreshes_is_no_whole_page(self, topic, client_of, vic):
        topic(0)
        assert 'hx-trigger="every 10s"' in client_of(vic).get(PAGE).content.decode()
        part = client_of(vic).get(PAGE, headers={"HX-Request": "true"}).content.decode()
        assert ("presses" in part, "<html" in part) == (True, False)

    def test_what_opens_the_broker_is_not_shown(self, topic, client_of, boris):
        topic(0)
        text = client_of(boris).get(PAGE).content.decode()
        assert [word for word in ("reader-9", "broker:9092") if word in text] == []

    def test_without_topics_it_says_who_binds_them(self, alfa, client_of, vic):
        text = client_of(vic).get(PAGE).content.decode()
        assert "Administrators bind Kafka topics to a plant." in text
        assert 'hx-trigger="every' not in text

    def test_a_topic_that_was_never_read_says_so(self, topic, client_of, vic):
        topic(0)
        KafkaPartition.objects.all().delete()
        assert "Nothing has been read of this topic yet." in client_of(vic).get(PAGE).content.decode()

    def test_another_plants_topics_are_not_there(self, topic, client_of, carla):
        topic(0)
        assert client_of(carla).get(reverse("dashboards:topics", args=["beta"])).context["topics"] == ()

    def test_three_partitions_cost_the_same_queries_as_one(self, topic, client_of, vic):
        client, counts = client_of(vic), []
        for numbers in ([0], [1, 2]):
            for number in numbers:
                topic(number)
            with CaptureQueriesContext(connection) as queries:
                assert client.get(PAGE).status_code == 200
            counts.append(len(queries))
        assert counts == [7, 7]
