"""Reaping: what becomes of analyses whose workers die again and again, in mid-call, or go on for ever."""

import datetime as dt

import pytest

from analyses import leases, records, runs
from analyses.models import Analysis, Attempt, Spend
from analyses.reaping import APART_S

LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def die(analysis, clock, *, in_mid_call=True):
    """A worker takes it, begins the call, and is gone."""
    taken = leases.claim(analysis_id=analysis.pk, now=clock())
    if in_mid_call:
        records.begin_attempt(analysis=taken, now=clock())
    Analysis.objects.update(lease_until=LONG_AGO)
    runs.reap(now=clock())
    analysis.refresh_from_db()
    clock.to(analysis.next_attempt_at)
    return analysis


class TestPoison:
    def test_after_the_last_attempt_it_is_not_tried_again_and_neither_is_the_same_wish(self, ask, clock, boris):
        analysis = ask()
        for _ in range(analysis.max_attempts):
            die(analysis, clock)
        assert (analysis.status, analysis.error_code, analysis.poison) == ("failed", "internal", True)
        assert "is not tried again" in analysis.error_message
        assert list(Attempt.objects.values_list("outcome", flat=True)) == ["lost"] * 3
        with pytest.raises(runs.Poisoned, match="each worker that took it was lost"):
            ask(asked_by=boris)
        assert ask(question="Something else?").status == "queued"
        clock.by(minutes=61)
        assert ask(asked_by=boris).status == "queued"

    def test_who_lost_two_workers_waits_apart_from_its_neighbours(self, ask, clock):
        analysis = ask()
        assert die(analysis, clock).next_attempt_at == clock()
        before = clock()
        waits = die(analysis, clock).next_attempt_at - before
        assert dt.timedelta(0) <= waits <= dt.timedelta(seconds=APART_S)

    def test_the_limit_is_that_of_the_day_it_was_asked(self, ask, clock, settings):
        settings.ANALYSIS_MAX_ATTEMPTS = 1
        analysis = ask()
        settings.ANALYSIS_MAX_ATTEMPTS = 3
        assert die(analysis, clock).status == "failed"


class TestUnknownCalls:
    def test_a_tenant_may_rather_fail_than_pay_twice(self, ask, clock, assistant):
        type(assistant).objects.update(on_unknown="fail")
        analysis = die(ask(), clock)
        assert (analysis.status, analysis.error_code, analysis.poison) == ("failed", "internal", False)
        assert "may be paid and is not repeated" in analysis.error_message
        spend = Spend.objects.get()
        assert (spend.reserved_tokens, spend.used_tokens) == (0, Attempt.objects.get().tokens)
        assert spend.used_tokens >= analysis.prompt_tokens_estimated

    def test_what_was_not_sent_yet_is_repeated_all_the_same(self, ask, clock, assistant):
        type(assistant).objects.update(on_unknown="fail")
        assert die(ask(), clock, in_mid_call=False).status == "queued"


class TestDeadline:
    def test_a_lost_one_without_time_left_ends_as_a_timeout(self, ask, clock):
        analysis = ask()
        leases.claim(analysis_id=analysis.pk, now=clock())
        Analysis.objects.update(lease_until=LONG_AGO)
        clock.to(analysis.expires_at)
        assert runs.reap(now=clock()) == 1
        analysis.refresh_from_db()
        assert (analysis.status, analysis.error_code) == ("failed", "timeout")

    def test_one_that_goes_on_for_ever_is_taken_from_its_worker(self, ask, clock, settings):
        analysis = ask()
        taken = leases.claim(analysis_id=analysis.pk, now=clock())
        records.begin_attempt(analysis=taken, now=clock())
        clock.to(analysis.expires_at + dt.timedelta(seconds=settings.MODEL_DEADLINE_S + 59))
        assert runs.reap(now=clock()) == 0
        clock.by(seconds=2)
        assert runs.reap(now=clock()) == 1
        analysis.refresh_from_db()
        assert (analysis.status, analysis.error_code, Attempt.objects.get().outcome) == ("failed", "timeout", "lost")
        with pytest.raises(leases.LeaseLost):
            leases.renew(analysis=taken, answer="late")

    def test_an_answer_that_is_there_is_finished_even_after_the_deadline(self, ask, clock, assistant, monkeypatch):
        analysis = ask()
        with monkeypatch.context() as crashing:
            crashing.setattr("analyses.records.conclude", lambda **_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                runs.execute(analysis_id=analysis.pk, now_fn=clock)
        Analysis.objects.update(lease_until=LONG_AGO)
        clock.to(analysis.expires_at)
        runs.reap(now=clock())
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        analysis.refresh_from_db()
        assert (analysis.status, Attempt.objects.count()) == ("done", 1)
