"""Breakers: what opens a circuit, who waits and who fails at once, the one probe, and the way back."""

import datetime as dt
import threading
from contextvars import Context

import pytest
from django.db import connection

from analyses import breakers, failures, leases, runs
from analyses.credentials import put_token
from analyses.gateway import GatewayError
from analyses.models import Analysis, Attempt, Breaker
from mesassist.tenants.scope import tenant_scope
from offline_analyst.process import clear_log, read_log


@pytest.fixture(autouse=True)
def quick(settings):
    settings.ANALYSIS_MAX_ATTEMPTS = 10
    settings.BREAKER_AFTER = 3
    settings.MODEL_IDLE_TIMEOUT_S = 0.6


@pytest.fixture
def fresh(analyst):
    clear_log(analyst)
    return analyst


@pytest.fixture
def choose(assistant):
    """The assistant's model from now on, by SQL, as if it had always been that one."""

    def model(name):
        type(assistant).objects.update(model=name)

    return model


def work(analysis, clock):
    runs.execute(analysis_id=analysis.pk, now_fn=clock)
    analysis.refresh_from_db()
    return analysis


def due(clock):
    """Let everything that waits be due."""
    clock.by(hours=-1, seconds=3601)
    Analysis.objects.filter(status="queued").update(next_attempt_at=clock())


def fail_until_open(ask, clock, choose, model="fault-500"):
    """One analysis that fails until the circuit opens; it waits."""
    choose(model)
    analysis = ask()
    for _ in range(3):
        work(analysis, clock)
        clock.to(analysis.next_attempt_at)
    assert Breaker.objects.get().state == "open"
    return analysis


class TestTransient:
    def test_it_opens_after_failures_in_a_row_and_then_nothing_is_called(self, ask, clock, choose, fresh):
        first = fail_until_open(ask, clock, choose)
        breaker = Breaker.objects.get()
        assert (breaker.code, breaker.failures, breaker.openings) == ("unreachable", 3, 1)
        assert len(read_log(fresh)) == 3
        Breaker.objects.update(retry_at=clock() + dt.timedelta(minutes=1))
        second = work(ask(question="Why?"), clock)
        assert len(read_log(fresh)) == 3
        assert (second.status, second.attempts, second.error_code) == ("queued", 0, "unreachable")
        assert second.next_attempt_at >= clock() + dt.timedelta(minutes=1)
        assert (first.status, first.attempts) == ("queued", 3)

    def test_an_answer_between_begins_the_row_anew(self, ask, clock, choose):
        choose("fault-500")
        analysis = ask()
        for _ in range(2):
            work(analysis, clock)
            clock.to(analysis.next_attempt_at)
        choose("offline-analyst")
        assert work(ask(question="Why?"), clock).status == "done"
        assert (Breaker.objects.get().failures, Breaker.objects.get().state) == (0, "closed")

    def test_one_probe_goes_out_when_the_time_has_come_and_the_others_wait(self, ask, clock, choose, fresh):
        fail_until_open(ask, clock, choose)
        clock.to(Breaker.objects.get().retry_at)
        probe, other = ask(question="One?"), ask(question="Two?")
        taken = leases.claim(analysis_id=probe.pk, now=clock())
        fingerprint = Breaker.objects.get().fingerprint
        assert breakers.ask_leave(analysis=taken, fingerprint=fingerprint, now=clock()) is None
        assert (Breaker.objects.get().state, Breaker.objects.get().probe) == ("half_open", probe.pk)
        calls = len(read_log(fresh))
        assert work(other, clock).status == "queued"
        assert len(read_log(fresh)) == calls

    def test_its_answer_closes_the_circuit_and_few_follow_at_once(self, ask, clock, choose, assistant):
        fail_until_open(ask, clock, choose)
        # The endpoint is mended: the same settings, so the circuit must find out by itself.
        Breaker.objects.update(fingerprint=mended(assistant, choose))
        clock.to(Breaker.objects.get().retry_at)
        assert work(ask(question="One?"), clock).status == "done"
        breaker = Breaker.objects.get()
        assert (breaker.state, breaker.allowance, breaker.openings, breaker.probe) == ("closed", 2, 0, None)
        assert work(ask(question="Two?"), clock).status == "done"
        assert Breaker.objects.get().allowance == 3

    def test_a_probe_that_fails_waits_longer_than_before(self, ask, clock, choose, settings):
        settings.BREAKER_WAIT_S = 8.0
        analysis = fail_until_open(ask, clock, choose)
        first = Breaker.objects.get()
        clock.to(first.retry_at)
        due(clock)
        work(analysis, clock)
        again = Breaker.objects.get()
        assert (again.state, again.openings, again.opened_at) == ("open", 2, first.opened_at)
        assert again.retry_at - clock() >= dt.timedelta(seconds=8)

    def test_the_longest_wait_is_the_settings(self, settings):
        settings.BREAKER_WAIT_S, settings.BREAKER_MOST_S = 5.0, 60.0
        assert all(30.0 <= breakers._pause(openings) <= 60.0 for openings in (4, 10, 1000))

    def test_a_probe_whose_worker_was_lost_is_followed_by_another(self, ask, clock, choose):
        fail_until_open(ask, clock, choose)
        clock.to(Breaker.objects.get().retry_at)
        Breaker.objects.update(state="half_open", probe=ask(question="Lost?").pk, probe_until=clock())
        taken = leases.claim(analysis_id=ask(question="One?").pk, now=clock())
        fingerprint = Breaker.objects.get().fingerprint
        assert breakers.ask_leave(analysis=taken, fingerprint=fingerprint, now=clock()) is None
        assert Breaker.objects.get().probe == taken.pk

    def test_a_probe_that_was_stopped_leaves_the_turn_to_the_next(self, ask, clock, choose):
        fail_until_open(ask, clock, choose)
        probe = ask(question="One?")
        Breaker.objects.update(state="half_open", probe=probe.pk, probe_until=clock() + dt.timedelta(hours=1))
        breakers.let_go(analysis=probe, now=clock())
        assert (Breaker.objects.get().state, Breaker.objects.get().retry_at) == ("open", clock())


def mended(assistant, choose):
    choose("offline-analyst")
    assistant.refresh_from_db()
    return breakers.fingerprint_of(assistant)


class TestSettings:
    @pytest.mark.parametrize(
        ("model", "code"),
        [("fault-401", "credentials"), ("fault-403", "credentials"), ("fault-quota", "quota_exhausted")],
    )
    def test_what_only_people_can_mend_fails_at_once_without_a_call(self, ask, clock, choose, fresh, model, code):
        choose(model)
        assert work(ask(), clock).error_code == code
        assert (Breaker.objects.get().state, Breaker.objects.get().retry_at) == ("open", None)
        assert len(read_log(fresh)) == 1
        clock.by(hours=5)
        second = work(ask(question="Why?"), clock)
        assert (second.status, second.error_code, len(read_log(fresh))) == ("failed", code, 1)
        assert Attempt.objects.filter(analysis=second).count() == 0

    def test_a_new_token_is_tried_at_once(self, ask, clock, choose, assistant, fresh):
        choose("fault-401")
        work(ask(), clock)
        assistant.refresh_from_db()
        put_token(assistant=assistant, token="sk-alfa-new-0123456789")
        assistant.save()
        work(ask(question="Why?"), clock)
        assert len(read_log(fresh)) == 2

    def test_a_late_failure_of_the_old_token_does_not_stop_the_new_one(self, ask, clock, choose, assistant, fresh):
        analysis = ask()
        error = GatewayError(failures.CREDENTIALS, http_status=401)
        breakers.note_failure(analysis=analysis, error=error, fingerprint="old", limit=8, now=clock())
        assert work(analysis, clock).status == "done"

    def test_an_unreadable_token_of_ours_opens_nothing(self, ask, clock):
        error = GatewayError(failures.CREDENTIALS)
        breakers.note_failure(analysis=ask(), error=error, fingerprint="f", limit=8, now=clock())
        assert Breaker.objects.get().state == "closed"


class TestRate:
    def test_everybody_waits_as_long_as_the_service_asks_for(self, ask, clock, choose, fresh):
        choose("fault-429-retry-after-1")
        first = work(ask(), clock)
        breaker = Breaker.objects.get()
        assert (first.status, breaker.state, breaker.code) == ("queued", "open", "rate_limited")
        assert breaker.retry_at == clock() + dt.timedelta(seconds=1)
        assert breaker.allowance == 4
        assert work(ask(question="Why?"), clock).attempts == 0
        assert len(read_log(fresh)) == 1
        clock.to(first.next_attempt_at)
        assert work(first, clock).status == "done"
        assert Breaker.objects.get().state == "closed"

    def test_the_longest_wait_that_was_told_counts(self, ask, clock):
        analysis = ask()
        for seconds in (3, 30, 10):
            error = GatewayError(failures.RATE_LIMITED, retryable=True, retry_after=seconds, http_status=429)
            breakers.note_failure(analysis=analysis, error=error, fingerprint="f", limit=8, now=clock())
        assert Breaker.objects.get().retry_at == clock() + dt.timedelta(seconds=30)


class TestTryNow:
    def test_a_manager_lets_one_call_out_at_once(self, ask, clock, choose, assistant, fresh, client_of, boris):
        choose("fault-quota")
        work(ask(), clock)
        page = client_of(boris).get("/t/alfa/assistant/").content.decode()
        assert "The account at the model service has no credit left." in page
        assert "Try now" in page
        assert client_of(boris).post("/t/alfa/assistant/try/").status_code == 302
        assert Breaker.objects.get().retry_at is not None
        Breaker.objects.update(retry_at=clock())
        work(ask(question="Why?"), clock)
        assert len(read_log(fresh)) == 2

    def test_what_waits_is_due_again(self, ask, clock, choose, assistant):
        analysis = fail_until_open(ask, clock, choose)
        assert breakers.try_now(endpoint=assistant.base_url, now=clock()) is True
        analysis.refresh_from_db()
        assert (analysis.next_attempt_at, analysis.rung_at) == (clock(), None)
        Breaker.objects.update(state="closed")
        assert breakers.try_now(endpoint=assistant.base_url, now=clock()) is False

    def test_another_tenant_at_the_same_endpoint_is_let_through(self, ask, clock, choose, assistant, alfa, beta):
        fail_until_open(ask, clock, choose)
        assert breakers.find_breaker(assistant.base_url) is not None

        def look():
            with tenant_scope(beta):
                return breakers.find_breaker(assistant.base_url)

        assert Context().run(look) is None


@pytest.mark.django_db(transaction=True)
class TestManyAtOnce:
    def test_exactly_one_becomes_the_probe(self, ask, clock, alfa, assistant):
        fingerprint = breakers.fingerprint_of(assistant)
        claimed = [leases.claim(analysis_id=ask(question=f"{n}?").pk, now=clock()) for n in range(8)]
        past = clock() - dt.timedelta(seconds=1)
        origin = breakers.origin_of(assistant.base_url)
        Breaker.objects.create(
            tenant=alfa, origin=origin, state="open", retry_at=past, opened_at=past, fingerprint=fingerprint
        )
        start, let_out = threading.Barrier(8), []

        def leave(analysis):
            with tenant_scope(alfa):
                start.wait(timeout=20)
                if breakers.ask_leave(analysis=analysis, fingerprint=fingerprint, now=clock()) is None:
                    let_out.append(analysis.pk)
            connection.close()

        threads = [threading.Thread(target=leave, args=[analysis]) for analysis in claimed]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert let_out == [Breaker.objects.get().probe]
