"""Ringing and reaping: workers hear of a row, hear again when they did not come, and lose it when they die."""

import datetime as dt
import time
from contextvars import Context

import pytest
import redis

from analyses import leases, ringing, runs
from analyses.models import Analysis, Attempt, Spend
from analyses.tasks import reap_stale, ring_waiting, run_analysis
from mesassist.celery import app
from mesassist.tenants.scope import tenant_scope

LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def rung(settings):
    """How many messages wait for the model's workers."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete("model")
        yield lambda: client.llen("model")
        client.delete("model")


@pytest.fixture
def broker_down(monkeypatch):
    """The broker's port answers nobody; the clock that spares it begins anew."""
    monkeypatch.setattr(ringing, "_quiet_until", 0.0)
    before = app.conf.broker_write_url
    app.conf.broker_write_url = "redis://127.0.0.1:1/0"
    app.amqp._producer_pool = None
    yield
    app.conf.broker_write_url = before
    app.amqp._producer_pool = None


@pytest.fixture(autouse=True)
def no_quiet(monkeypatch):
    monkeypatch.setattr(ringing, "_quiet_until", 0.0)


class TestRing:
    def test_it_rings_once_the_row_is_committed(self, ask, rung, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            ask()
            assert rung() == 0
        assert rung() == 1

    def test_a_second_click_does_not_ring(self, ask, rung, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            ask()
            ask()
        assert rung() == 1

    def test_it_rings_again_only_after_a_while(self, ask, rung, clock):
        ask()
        clock.by(seconds=11)
        assert (runs.ring(now=clock()), rung()) == (0, 0)
        clock.by(seconds=2)
        assert (runs.ring(now=clock()), rung()) == (1, 1)
        assert (runs.ring(now=clock()), rung()) == (0, 1)

    def test_it_does_not_ring_for_what_is_not_due_or_not_queued(self, ask, rung, clock):
        ask()
        clock.by(minutes=1)
        Analysis.objects.update(next_attempt_at=clock() + dt.timedelta(seconds=1))
        assert runs.ring(now=clock()) == 0
        runs.cancel(analysis=Analysis.objects.get(), now=clock())
        clock.by(minutes=1)
        assert runs.ring(now=clock()) == 0

    def test_a_broker_that_is_down_does_not_delay_the_click(self, ask, broker_down, django_capture_on_commit_callbacks):
        spans = []
        for number in range(3):
            began = time.monotonic()
            with django_capture_on_commit_callbacks(execute=True):
                analysis = ask(question=f"Why {number}?")
            spans.append(time.monotonic() - began)
            assert analysis.status == "queued"
        assert sorted(spans)[1] < 0.3

    def test_after_a_failed_ring_the_broker_is_spared_for_a_while(self, ask, rung, clock, monkeypatch):
        ask()
        clock.by(minutes=1)
        monkeypatch.setattr(ringing, "_quiet_until", time.monotonic() + 60)
        assert runs.ring(now=clock()) == 0
        monkeypatch.setattr(ringing, "_quiet_until", 0.0)
        assert runs.ring(now=clock()) == 1


class TestReap:
    def test_the_row_of_a_dead_worker_is_queued_again_and_its_call_counted(self, ask, clock):
        analysis = ask()
        claimed = leases.claim(analysis_id=analysis.pk, now=clock())
        Attempt.objects.create(
            tenant=analysis.tenant, analysis=analysis, number=1, owner=claimed.owner, sent_at=clock()
        )
        Analysis.objects.update(lease_until=LONG_AGO, answer="Half an")
        assert runs.reap(now=clock()) == 1
        analysis.refresh_from_db()
        assert (analysis.status, analysis.attempts, analysis.owner) == ("queued", 1, None)
        assert (analysis.next_attempt_at, analysis.rung_at) == (clock(), None)
        assert analysis.error_message == "The worker was lost; attempt 1 of 3 is repeated."
        attempt = Attempt.objects.get()
        assert (attempt.outcome, attempt.tokens) == ("lost", analysis.prompt_tokens_estimated + 2)
        assert Spend.objects.get().used_tokens == attempt.tokens

    def test_a_living_lease_is_left_alone(self, ask, clock):
        leases.claim(analysis_id=ask().pk, now=clock())
        assert runs.reap(now=clock()) == 0

    def test_it_gives_up_after_the_last_attempt(self, ask, clock, settings):
        analysis = ask()
        for _ in range(settings.ANALYSIS_MAX_ATTEMPTS):
            leases.claim(analysis_id=analysis.pk, now=clock())
            Analysis.objects.update(lease_until=LONG_AGO)
            runs.reap(now=clock())
            clock.by(seconds=11)
        analysis.refresh_from_db()
        assert (analysis.status, analysis.error_code, analysis.poison) == ("failed", "internal", True)
        assert analysis.error_message == "Its worker was lost 3 times, so it is not tried again."
        assert Spend.objects.get().reserved_tokens == 0

    def test_a_cancelled_one_whose_worker_died_is_cancelled(self, ask, clock):
        analysis = ask()
        leases.claim(analysis_id=analysis.pk, now=clock())
        runs.cancel(analysis=analysis, now=clock())
        Analysis.objects.update(lease_until=LONG_AGO)
        assert runs.reap(now=clock()) == 1
        analysis.refresh_from_db()
        assert (analysis.status, analysis.error_code) == ("cancelled", "cancelled")

    def test_what_waited_too_long_expires_and_gives_its_tokens_back(self, ask, clock):
        analysis = ask()
        clock.to(analysis.expires_at)
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        assert runs.reap(now=clock()) == 1
        analysis.refresh_from_db()
        assert (analysis.status, analysis.error_code) == ("failed", "expired")
        assert Spend.objects.get().reserved_tokens == 0

    def test_a_worker_that_wakes_up_late_writes_nothing(self, ask, clock):
        analysis = ask()
        frozen = leases.claim(analysis_id=analysis.pk, now=clock())
        Analysis.objects.update(lease_until=LONG_AGO)
        runs.reap(now=clock())
        taken = leases.claim(analysis_id=analysis.pk, now=clock())
        with pytest.raises(leases.LeaseLost):
            leases.renew(analysis=frozen, answer="late")
        with pytest.raises(leases.LeaseLost):
            leases.finish(analysis=frozen, status="done", now=clock(), answer="late")
        leases.renew(analysis=taken, answer="in time")
        analysis.refresh_from_db()
        assert (analysis.status, analysis.answer) == ("running", "in time")


class TestTasks:
    def test_their_names_are_those_of_the_timetable(self):
        named = {entry["task"] for entry in app.conf.beat_schedule.values()}
        assert {ring_waiting.name, reap_stale.name} <= named
        assert run_analysis.name == "analyses.tasks.run_analysis"
        assert app.conf.task_routes[run_analysis.name] == {"queue": "model"}

    def test_a_task_of_another_tenant_finds_nothing_to_do(self, ask, alfa, beta, assistant):
        analysis = ask()
        # A message arrives in no scope; here the test's own scope would stand in the way.
        Context().run(run_analysis, tenant_id=beta.pk, analysis_id=str(analysis.pk))
        analysis.refresh_from_db()
        assert (analysis.status, analysis.attempts) == ("queued", 0)

    def test_a_task_of_its_tenant_does_the_work(self, ask, alfa, now):
        analysis = ask(now=now)
        Analysis.objects.update(expires_at=dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
        Context().run(run_analysis, tenant_id=alfa.pk, analysis_id=str(analysis.pk))
        analysis.refresh_from_db()
        assert analysis.status == "done"

    def test_the_platforms_tasks_serve_every_tenant(self, ask, alfa):
        analysis = ask()
        leases.claim(analysis_id=analysis.pk, now=analysis.created_at)
        Analysis.objects.update(lease_until=LONG_AGO, expires_at=dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
        assert Context().run(reap_stale) == 1
        with tenant_scope(alfa):
            assert Analysis.objects.get().status == "queued"
