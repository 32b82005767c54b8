"""Runs: an analysis from the question to its end; each fault with its state, attempts, money and sentences."""

import datetime as dt
import hashlib

import pytest

from analyses import leases, runs
from analyses.gateway import canonical_bytes
from analyses.models import Analysis, Attempt, Spend
from analyses.pulse import STOPPING
from analyses.queries import describe
from analyses.tests.conftest import TOKEN
from analyses.verdicts import VERDICTS
from offline_analyst.faults import FAULTS
from offline_analyst.process import clear_log, read_log


@pytest.fixture(autouse=True)
def quick(settings):
    settings.MODEL_IDLE_TIMEOUT_S = 0.6
    settings.MODEL_DEADLINE_S = 2.5
    settings.ANALYSIS_MAX_ATTEMPTS = 3


@pytest.fixture
def fresh(analyst):
    clear_log(analyst)
    return analyst


def work(analysis, clock):
    """What workers and the beat do, until the analysis is finished."""
    for _ in range(10):
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        analysis.refresh_from_db()
        if analysis.finished_at:
            return analysis
        clock.to(analysis.next_attempt_at)
    raise AssertionError(f"still {analysis.status}")


def spent():
    spend = Spend.objects.get()
    return {"held": spend.reserved_tokens, "used": spend.used_tokens}


class TestExecute:
    def test_it_finishes_with_answer_numbers_usage_and_hash(self, ask, clock, fresh):
        analysis = work(ask(), clock)
        assert (analysis.status, analysis.error_code, analysis.finish_reason) == ("done", "", "stop")
        assert analysis.model_answered == "offline-analyst"
        assert "[F1]" in analysis.answer
        assert analysis.numbers["unknown"] == 0
        assert analysis.numbers["found"] > 5
        assert analysis.prompt_tokens == analysis.prompt_tokens_estimated
        assert (analysis.cost_micros, analysis.currency) == (None, "")
        (seen,) = read_log(fresh)
        assert seen["body_sha256"] == analysis.request_sha256
        assert analysis.request_sha256 == hashlib.sha256(canonical_bytes(analysis.request)).hexdigest()
        assert analysis.first_token_at is not None
        assert spent() == {"held": 0, "used": analysis.prompt_tokens + analysis.completion_tokens}

    def test_a_second_delivery_does_nothing(self, ask, clock, fresh):
        analysis = work(ask(), clock)
        before = Analysis.objects.filter(pk=analysis.pk).values().get()
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        assert Analysis.objects.filter(pk=analysis.pk).values().get() == before
        assert len(read_log(fresh)) == 1

    def test_a_delivery_while_another_worker_has_it_does_nothing(self, ask, clock, fresh):
        analysis = ask()
        assert leases.claim(analysis_id=analysis.pk, now=clock()) is not None
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        assert read_log(fresh) == []
        assert Attempt.objects.count() == 0

    def test_it_is_not_begun_before_it_is_due(self, ask, clock, fresh):
        analysis = ask()
        Analysis.objects.update(next_attempt_at=clock() + dt.timedelta(seconds=1))
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        assert read_log(fresh) == []

    def test_the_token_is_nowhere_but_in_the_header(self, ask, clock, assistant, caplog):
        caplog.set_level("DEBUG")
        for model in ("offline-analyst", "fault-401", "fault-echo"):
            type(assistant).objects.update(model=model)
            work(ask(), clock)
        rows = [*Analysis.objects.values(), *Attempt.objects.values(), *Spend.objects.values()]
        assert TOKEN[:10] not in repr(rows) + caplog.text
        assert TOKEN not in repr(type(assistant).objects.values())

    def test_a_token_is_not_sent_to_another_address(self, ask, clock, assistant, fresh):
        analysis = ask()
        type(assistant).objects.update(base_url="http://127.0.0.1:1/v1")
        assert work(analysis, clock).error_code == "credentials"
        assert read_log(fresh) == []

    def test_an_endpoint_that_may_not_be_called_ends_it_at_once_and_says_whom_to_ask(self, ask, clock, assistant):
        type(assistant).objects.update(base_url="http://127.0.0.1:9/v1")
        analysis = work(ask(), clock)
        assert (analysis.status, analysis.error_code, analysis.attempts) == ("failed", "blocked_destination", 1)
        assert analysis.error_message == "The portal may not call 127.0.0.1:9 without an approval."
        assert analysis.error_next_step.startswith("Ask platform staff to approve 127.0.0.1:9, ")

    def test_it_is_cancelled_when_the_assistant_was_hidden_meanwhile(self, ask, clock, assistant, fresh):
        analysis = ask()
        type(assistant).objects.update(hidden=True)
        assert work(analysis, clock).error_code == "cancelled"
        assert read_log(fresh) == []
        assert spent() == {"held": 0, "used": 0}

    def test_an_answer_that_was_stored_before_a_crash_is_not_asked_for_again(self, ask, clock, fresh, monkeypatch):
        analysis = ask()
        with monkeypatch.context() as crashing:
            crashing.setattr("analyses.records.conclude", lambda **_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                runs.execute(analysis_id=analysis.pk, now_fn=clock)
        analysis.refresh_from_db()
        assert analysis.status == "running"
        Analysis.objects.update(lease_until=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        assert runs.reap(now=clock()) == 1
        analysis = work(analysis, clock)
        assert (analysis.status, analysis.attempts) == ("done", 2)
        assert len(read_log(fresh)) == 1
        assert Attempt.objects.get().outcome == "answered"
        assert spent() == {"held": 0, "used": analysis.prompt_tokens + analysis.completion_tokens}


def ends(status, code, *, attempts=1, truncated=False, estimated=False, paid=True):
    return {
        "status": status,
        "code": code,
        "attempts": attempts,
        "requests": attempts,
        "truncated": truncated,
        "estimated": estimated,
        "paid": paid,
    }


UNPAID = {"paid": False, "estimated": None}
ENDS = {
    "fault-401": ends("failed", "credentials", **UNPAID),
    "fault-403": ends("failed", "credentials", **UNPAID),
    "fault-404": ends("failed", "model_not_found", **UNPAID),
    "fault-429-retry-after-1": ends("done", None, attempts=2),
    "fault-quota": ends("failed", "quota_exhausted", **UNPAID),
    "fault-500": ends("failed", "unreachable", attempts=3, **UNPAID),
    "fault-503-twice": ends("done", None, attempts=3),
    "fault-timeout": ends("failed", "timeout", attempts=3, **UNPAID),
    "fault-drip": ends("failed", "timeout", **UNPAID),
    "fault-cut": ends("failed", "incomplete", estimated=True),
    "fault-silent-cut": ends("failed", "incomplete", estimated=True),
    "fault-garbage": ends("failed", "protocol", attempts=2, **UNPAID),
    "fault-html": ends("failed", "protocol", attempts=2, **UNPAID),
    "fault-empty-choices": ends("failed", "protocol", attempts=2, **UNPAID),
    "fault-length": ends("done", None, truncated=True),
    "fault-content-filter": ends("failed", "content_filter"),
    "fault-refusal": ends("failed", "refused"),
    "fault-no-usage": ends("done", None, estimated=True),
    "fault-absurd-usage": ends("done", None, estimated=True),
    "fault-huge": ends("failed", "protocol", estimated=True),
    "fault-redirect": ends("failed", "blocked_destination", **UNPAID),
    "fault-wrong-numbers": ends("done", None),
    "fault-echo": ends("done", None),
    "fault-obey": ends("done", None),
}


class TestEveryFault:
    def test_the_table_is_complete(self):
        assert set(ENDS) == set(FAULTS)

    @pytest.mark.parametrize("fault", ENDS)
    def test_it_ends_as_documented(self, ask, clock, assistant, fresh, fault):
        type(assistant).objects.update(model=fault)
        analysis = work(ask(), clock)
        told = describe(analysis)
        assert {
            "status": told["status"],
            "code": told["error"] and told["error"]["code"],
            "attempts": told["attempts"],
            "requests": len(read_log(fresh)),
            "truncated": told["truncated"],
            "estimated": told["usage"] and told["usage"]["estimated"],
            "paid": spent()["used"] > 0,
        } == ENDS[fault]
        if told["error"]:
            assert told["error"]["message"]
            assert told["error"]["next_step"]
        # Whatever was paid for is kept, nothing stays held, and each attempt says how it ended.
        assert bool(told["answer"]) == ENDS[fault]["paid"]
        assert spent()["held"] == 0
        assert spent()["used"] == sum(Attempt.objects.values_list("tokens", flat=True)) < 5000
        assert "" not in Attempt.objects.values_list("outcome", flat=True)

    def test_wrong_numbers_are_marked(self, ask, clock, assistant):
        type(assistant).objects.update(model="fault-wrong-numbers")
        numbers = work(ask(), clock).numbers
        assert numbers["unknown"] + numbers["contradicted"] > 3
        assert sum(numbers[verdict] for verdict in VERDICTS) == len(numbers["marks"])

    def test_the_wait_that_the_service_asks_for_is_kept(self, ask, clock, assistant):
        type(assistant).objects.update(model="fault-429-retry-after-1")
        analysis = ask()
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        analysis.refresh_from_db()
        assert (analysis.status, analysis.error_code) == ("queued", "rate_limited")
        assert analysis.next_attempt_at >= clock() + dt.timedelta(seconds=1)
        assert analysis.owner is None


class TestCancel:
    def test_a_queued_one_ends_at_once_and_gives_its_tokens_back(self, ask, clock, fresh):
        analysis = runs.cancel(analysis=ask(), now=clock())
        assert (analysis.status, analysis.error_code, analysis.finished_at) == ("cancelled", "cancelled", clock())
        assert spent() == {"held": 0, "used": 0}
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        assert read_log(fresh) == []

    def test_a_running_one_stops_in_mid_answer_and_keeps_what_arrived(self, ask, clock, assistant, monkeypatch):
        type(assistant).objects.update(model="offline-analyst-slow")
        analysis = ask()
        beats = []
        renew = leases.renew

        def cancel_after_two(**seen):
            beats.append(seen["answer"])
            if len(beats) == 3:
                runs.cancel(analysis=analysis, now=clock())
            renew(**seen)

        # The wire is real; only the moment of the click is made certain.
        monkeypatch.setattr(leases, "renew", cancel_after_two)
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        analysis.refresh_from_db()
        assert (analysis.status, analysis.error_code) == ("cancelled", "cancelled")
        assert analysis.answer
        assert analysis.answer.startswith(beats[1])
        assert spent()["held"] == 0
        assert spent()["used"] > analysis.prompt_tokens_estimated

    def test_a_finished_one_stays_as_it_is(self, ask, clock):
        analysis = work(ask(), clock)
        assert runs.cancel(analysis=analysis, now=clock()).status == "done"


class TestStop:
    @pytest.fixture(autouse=True)
    def stay(self):
        yield
        STOPPING.clear()

    def test_a_leaving_worker_takes_nothing_up(self, ask, clock, fresh):
        analysis = ask()
        STOPPING.set()
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        analysis.refresh_from_db()
        assert (analysis.status, analysis.attempts, Attempt.objects.count()) == ("queued", 0, 0)

    def test_in_mid_call_it_hands_its_row_back_uncounted_and_pays_for_what_was_sent(
        self, ask, clock, assistant, monkeypatch
    ):
        type(assistant).objects.update(model="offline-analyst-slow")
        analysis = ask()
        renew = leases.renew

        def leave(**seen):
            renew(**seen)
            STOPPING.set()

        # The wire is real; only the moment of the signal is made certain.
        monkeypatch.setattr(leases, "renew", leave)
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        monkeypatch.undo()
        STOPPING.clear()
        analysis.refresh_from_db()
        assert (analysis.status, analysis.attempts, analysis.owner) == ("queued", 0, None)
        assert Attempt.objects.get().outcome == "stopped"
        assert spent()["used"] >= analysis.prompt_tokens_estimated
        Analysis.objects.update(request=analysis.request | {"model": "offline-analyst"})
        assert work(analysis, clock).status == "done"
        assert list(Attempt.objects.values_list("number", "outcome")) == [(1, "stopped"), (2, "answered")]


class TestRerun:
    def test_it_asks_the_same_again_as_a_new_analysis(self, ask, clock, boris):
        first = work(ask(question="Why is Press 2 low?"), clock)
        clock.by(minutes=1)
        again = runs.rerun(analysis=first, asked_by=boris, trigger="button", now=clock())
        assert again.pk != first.pk
        assert (again.question, again.spec, again.summary_id) == (first.question, first.spec, first.summary_id)
        assert again.requested_by == boris
