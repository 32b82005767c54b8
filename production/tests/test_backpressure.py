"""Back-pressure: a sender that cannot be served now is told so, and when to come back; nothing is half kept."""

import json
from contextlib import closing, contextmanager

import pytest
from django.db import connection

from production.api.events import IN_FLIGHT
from production.models import Event

EVENTS = "/api/v1/events/"
BATCH = {
    "events": [
        {"event_id": "a1", "machine": "M1", "at": "2026-03-02T06:15:00+01:00", "kind": "count", "good": 1},
        {"event_id": "a2", "machine": "M1", "at": "2026-03-02T06:16:00+01:00", "kind": "count", "good": 1},
    ]
}


@pytest.fixture
def send(caller, api_key, alfa, small_plant):
    key = api_key(alfa, "ingest")

    def go():
        headers = {"Authorization": f"Api-Key {key}"}
        return caller().post(EVENTS, json.dumps(BATCH), content_type="application/json", headers=headers)

    return go


def refusal_of(answer):
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"], answer.headers["Retry-After"]


@contextmanager
def database_out_of_reach():
    connection.close()
    port, connection.settings_dict["PORT"] = connection.settings_dict["PORT"], 1
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["PORT"] = port


@contextmanager
def somebody_holding(table):
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute(f"BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield
        cursor.execute("ROLLBACK")


@pytest.mark.django_db(transaction=True)
class TestDatabase:
    def test_out_of_reach_is_503_and_the_same_batch_is_taken_later(self, send):
        with database_out_of_reach():
            assert refusal_of(send()) == (503, "unavailable", "5")
        assert send().json()["accepted"] == 2

    @pytest.mark.parametrize("table", ["production_eventkey", "production_event", "production_machine"])
    def test_a_lock_that_is_held_too_long_is_503_and_leaves_nothing_half_done(self, send, settings, table):
        settings.INGEST_TIMEOUT_S = 0.2
        with somebody_holding(table):
            assert refusal_of(send()) == (503, "unavailable", "5")
        assert Event.objects.count() == 0
        assert send().json()["accepted"] == 2

    def test_the_patience_ends_with_the_batch(self, send, settings):
        settings.INGEST_TIMEOUT_S = 0.2
        assert send().json()["accepted"] == 2
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
            assert cursor.fetchone() == ("0", "0")


class TestAtOnce:
    def test_one_tenant_cannot_take_all_places(self, send, alfa, beta, settings):
        settings.INGEST_AT_ONCE_PER_TENANT = 1
        with IN_FLIGHT.enter(alfa.pk):
            assert refusal_of(send()) == (429, "too_many_requests", "1")
        with IN_FLIGHT.enter(beta.pk):
            assert send().json()["accepted"] == 2

    def test_a_process_takes_so_many_and_no_more(self, send, beta, settings):
        settings.INGEST_AT_ONCE = 1
        with IN_FLIGHT.enter(beta.pk):
            assert refusal_of(send())[:2] == (429, "too_many_requests")
        assert send().status_code == 200

    def test_a_place_is_given_back_whatever_happens(self, send, settings):
        settings.INGEST_AT_ONCE = 1
        assert send().status_code == 200
        BATCH["events"].append(float("inf"))
        try:
            assert send().status_code == 400
        finally:
            BATCH["events"].pop()
        assert send().json()["duplicate"] == 2
