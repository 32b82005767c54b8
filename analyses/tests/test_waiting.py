"""Waiting: the one sentence that tells people why their analysis has not begun."""

import datetime as dt

import pytest

from analyses.models import Analysis, Breaker
from analyses.switches import set_switch
from analyses.waiting import describe_wait


@pytest.fixture
def sentence(ask, clock):
    analysis = ask()

    def describe(**later):
        return describe_wait(Analysis.objects.get(pk=analysis.pk), now=clock() + dt.timedelta(**later))

    return describe


@pytest.fixture
def broken(in_alfa, assistant, clock):
    """The circuit to the assistant's endpoint."""

    def open_circuit(**more):
        told = {"state": "open", "code": "unreachable", "opened_at": clock(), "retry_at": clock()} | more
        origin = assistant.base_url.removesuffix("/v1")
        return Breaker.objects.create(tenant=in_alfa, origin=origin, **told)

    return open_circuit


class TestSentence:
    def test_there_is_none_in_the_first_seconds(self, sentence):
        assert sentence(seconds=3) == ""

    def test_of_a_stop_it_gives_the_reason(self, sentence):
        set_switch(stopped=True, reason="Maintenance.")
        assert sentence() == "The platform's staff have stopped the assistant for now. Maintenance."

    def test_of_an_endpoint_that_is_away_it_says_since_when_and_when_next(self, sentence, broken, clock):
        broken(retry_at=clock() + dt.timedelta(minutes=5))
        assert sentence() == "The endpoint does not answer since 08:30; next try at 08:35."

    def test_of_a_rate_limit_it_says_until_when(self, sentence, broken):
        broken(code="rate_limited")
        assert sentence() == "The model service takes no more requests; next try at 08:30."

    def test_of_what_only_people_can_mend_it_says_what(self, sentence, broken):
        broken(code="credentials", retry_at=None, message="The endpoint did not accept the token.")
        assert sentence() == "Since 08:30 nothing is asked: The endpoint did not accept the token."

    def test_of_a_probe_it_says_that_one_is_out(self, sentence, broken):
        broken(state="half_open")
        assert "one call finds out now" in sentence()

    def test_of_a_queue_it_says_how_many_come_first(self, ask, sentence, clock):
        Analysis.objects.update(created_at=clock() + dt.timedelta(seconds=1))
        ask(question="Earlier?")
        assert sentence(seconds=30) == "1 analysis of this plant comes first"

    def test_of_no_workers_it_says_that_it_begins_by_itself(self, sentence):
        text = "All workers are busy or away; it begins by itself as soon as one is there"
        assert sentence(seconds=30) == text

    def test_what_runs_waits_for_nothing(self, ask, clock):
        analysis = ask()
        analysis.status = "running"
        assert describe_wait(analysis, now=clock()) == ""


class TestCard:
    def test_it_shows_the_sentence(self, ask, broken, client_of, vic, clock):
        analysis = ask()
        broken(retry_at=clock() + dt.timedelta(minutes=5))
        page = client_of(vic).get(f"/t/alfa/analyses/{analysis.pk}/card/").content.decode()
        assert "The endpoint does not answer since 09:30; next try at 09:35." in page
