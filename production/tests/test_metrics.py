"""Metrics: figures per tenant for a scraper on this machine or with the token; to everybody else no such page."""

import pytest
from django.urls import reverse
from prometheus_client.parser import text_string_to_metric_families

from production.models import KafkaPartition, KafkaSource, PartitionState, Quarantined

PATH = reverse("metrics")


@pytest.fixture
def figures(morning, in_alfa, now):
    source = KafkaSource.objects.create(tenant=in_alfa, name="line-1", topic="t", bootstrap_servers="b:1", problem="x")
    KafkaPartition.objects.create(
        tenant=in_alfa,
        source=source,
        partition=2,
        committed=70,
        newest=100,
        records=50,
        accepted=40,
        duplicate=7,
        quarantined=3,
        state=PartitionState.WAITING,
        updated_at=now,
    )
    Quarantined.objects.create(
        tenant=in_alfa, source="line-1", position=0, code="invalid_json", detail="d", raw="r", received_at=now
    )
    return now


def read(answer):
    """{(name, the labels' values in the order of their names): value}."""
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


class TestFigures:
    def test_they_are_those_of_the_rows(self, caller, figures):
        told = read(caller().get(PATH))
        place = ("2", "line-1", "alfa")
        assert told["mesassist_kafka_lag", *place] == 30
        assert told["mesassist_kafka_records_total", *place] == 50
        outcomes = {said: told["mesassist_kafka_events_total", said, *place] for said in ("accepted", "duplicate")}
        assert outcomes == {"accepted": 40, "duplicate": 7}
        states = {state: told["mesassist_kafka_state", "2", "line-1", state, "alfa"] for state in PartitionState.values}
        assert states == {state: float(state == "waiting") for state in PartitionState.values}
        assert told["mesassist_kafka_source_problem", "line-1", "alfa"] == 1
        assert told["mesassist_quarantine_waiting", "invalid_json", "alfa"] == 1
        assert told["mesassist_newest_event_seconds", "alfa"] > 0

    def test_they_cost_a_fixed_number_of_queries(self, caller, figures, django_assert_num_queries):
        with django_assert_num_queries(7):
            caller().get(PATH)


class TestDoor:
    @pytest.mark.parametrize(
        ("token", "request_", "status"),
        [
            ("", {"REMOTE_ADDR": "127.0.0.1"}, 200),
            ("", {"REMOTE_ADDR": "::1"}, 200),
            ("", {"REMOTE_ADDR": "10.0.0.7"}, 404),
            ("", {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "10.0.0.7"}, 404),
            ("", {"REMOTE_ADDR": "10.0.0.7", "HTTP_AUTHORIZATION": "Bearer "}, 404),
            ("t0ken", {"REMOTE_ADDR": "10.0.0.7", "HTTP_AUTHORIZATION": "Bearer t0ken"}, 200),
            ("t0ken", {"REMOTE_ADDR": "10.0.0.7", "HTTP_AUTHORIZATION": "Bearer t0kem"}, 404),
        ],
    )
    def test_it_opens_for_this_machine_or_the_token(self, caller, db, settings, token, request_, status):
        settings.METRICS_TOKEN = token
        assert caller().get(PATH, **request_).status_code == status
