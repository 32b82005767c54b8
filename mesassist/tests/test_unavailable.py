"""Unavailable: pages and doors while the database is away, and when it is back."""

import pytest
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import RequestFactory
from psycopg.errors import DiskFull, ReadOnlySqlTransaction

from mesassist.unavailable import UnavailableMiddleware, is_away


@pytest.fixture
def db_away(transactional_db):
    """The database's port answers nobody."""
    port = connection.settings_dict["PORT"]
    yield lambda: point_at("1")
    point_at(port)


def point_at(port):
    connection.close()
    connection.settings_dict["PORT"] = port


class TestPages:
    def test_they_answer_503_and_when_to_come_back(self, client_of, ana, db_away):
        client = client_of(ana)
        client.raise_request_exception = False
        db_away()
        answer = client.get("/t/alfa/")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "The database does not answer right now" in answer.content.decode()

    def test_they_answer_as_ever_once_it_is_back(self, client_of, ana, db_away):
        client = client_of(ana)
        client.raise_request_exception = False
        port = connection.settings_dict["PORT"]
        db_away()
        assert client.get("/t/alfa/").status_code == 503
        point_at(port)
        assert client.get("/t/alfa/").status_code == 200

    def test_the_api_answers_with_problem_details(self, caller, db_away):
        db_away()
        answer = caller(raise_request_exception=False).get("/api/v1/analyses/", headers={"Authorization": "Api-Key x"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "unavailable"


def raised(cause):
    error = OperationalError("no")
    error.__cause__ = cause
    return error


class TestWhichMistakes:
    def test_a_full_disk_and_a_copy_that_takes_no_writes_are_the_same_to_the_person(self):
        assert is_away(raised(DiskFull("full")))
        readonly = ValueError("no")
        readonly.__cause__ = ReadOnlySqlTransaction("standby")
        assert is_away(readonly)

    def test_mistakes_of_ours_stay_mistakes(self):
        middleware = UnavailableMiddleware(lambda request: HttpResponse())
        assert middleware.process_exception(RequestFactory().get("/"), ValueError("ours")) is None
        assert not is_away(None)
