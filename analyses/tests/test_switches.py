"""Switches: the platform's staff stop every assistant or one; nothing begins, what runs is cut off, and it goes on."""

import datetime as dt

import pytest

from analyses import leases, runs
from analyses.models import Analysis, Attempt, KillSwitch, Spend
from analyses.switches import set_switch
from offline_analyst.process import clear_log, read_log


@pytest.fixture
def fresh(analyst):
    clear_log(analyst)
    return analyst


def suspend(assistant):
    type(assistant).objects.update(suspended=True)


def stop_all(_assistant):
    set_switch(stopped=True, reason="Maintenance until noon.")


def go_on(assistant):
    type(assistant).objects.update(suspended=False, hidden=False)
    set_switch(stopped=False)


@pytest.mark.parametrize("stop", [stop_all, suspend])
class TestStopped:
    def test_a_click_is_refused_with_a_sentence(self, ask, assistant, stop):
        stop(assistant)
        with pytest.raises(runs.AssistantStopped, match=r"The platform's staff have (stopped|suspended)"):
            ask()
        assert Spend.objects.count() == 0

    def test_what_waits_does_not_begin_and_goes_on_afterwards(self, ask, assistant, clock, fresh, stop):
        analysis = ask()
        stop(assistant)
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        analysis.refresh_from_db()
        assert (analysis.status, analysis.attempts, read_log(fresh)) == ("queued", 0, [])
        go_on(assistant)
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        analysis.refresh_from_db()
        assert analysis.status == "done"

    def test_what_runs_is_cut_off_and_waits_uncounted(self, ask, assistant, clock, monkeypatch, stop):
        type(assistant).objects.update(model="offline-analyst-slow")
        analysis = ask()
        stop_in_mid_call(monkeypatch, lambda: stop(assistant))
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        analysis.refresh_from_db()
        assert (analysis.status, analysis.attempts, analysis.owner) == ("queued", 0, None)
        assert "The platform's staff have" in analysis.error_message
        attempt = Attempt.objects.get()
        assert attempt.outcome == "stopped"
        assert attempt.tokens >= analysis.prompt_tokens_estimated
        assert Spend.objects.get().used_tokens == attempt.tokens


def stop_in_mid_call(monkeypatch, stop):
    """The wire is real; only the moment is made certain: after the first words were shown."""
    renew = leases.renew

    def renew_then_stop(**seen):
        renew(**seen)
        stop()

    monkeypatch.setattr(leases, "renew", renew_then_stop)


class TestHidden:
    def test_what_runs_is_cancelled(self, ask, assistant, clock, monkeypatch):
        type(assistant).objects.update(model="offline-analyst-slow")
        analysis = ask()
        stop_in_mid_call(monkeypatch, lambda: type(assistant).objects.update(hidden=True))
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        analysis.refresh_from_db()
        assert (analysis.status, analysis.error_message) == ("cancelled", "The assistant was hidden meanwhile.")
        assert Spend.objects.get().reserved_tokens == 0


class TestDoors:
    def test_the_api_says_when_to_come_back(self, morning, assistant, call):
        stop_all(assistant)
        answer = call("POST", "analyses/", {"question": "Why?", "from": "2026-03-02T06:00Z", "to": "2026-03-02T09:00Z"})
        assert (answer.status_code, answer.json()["code"]) == (503, "assistant_stopped")
        assert "Maintenance until noon." in answer.json()["detail"]
        assert answer.headers["Retry-After"] == "60"

    def test_a_full_queue_too(self, ask, assistant, call, clock):
        type(assistant).objects.update(queue_limit=1)
        ask()
        answer = call("POST", "analyses/", {"question": "Why?", "from": "2026-03-02T06:00Z", "to": "2026-03-02T09:00Z"})
        assert (answer.status_code, answer.json()["code"]) == (429, "queue_full")
        assert answer.headers["Retry-After"] == "60"

    def test_staff_switch_in_the_administration(self, client_of, staff):
        client = client_of(staff)
        added = client.post("/admin/analyses/killswitch/add/", {"stopped": "on", "reason": "Maintenance"})
        assert (added.status_code, added.headers["Location"]) == (302, "/admin/analyses/killswitch/")
        assert KillSwitch.objects.get().stopped is True
        client.post("/admin/analyses/killswitch/1/change/", {"reason": ""})
        assert KillSwitch.objects.get().stopped is False


class TestShare:
    def test_beyond_its_share_a_click_leaves_the_ringing_to_the_dispatcher(self, ask, assistant):
        type(assistant).objects.update(at_once=2)
        rung = [ask(question=f"{number}?").rung_at is not None for number in range(4)]
        assert rung == [True, True, False, False]

    def test_a_web_server_whose_clock_is_ahead_does_not_delay_the_analysis(self, ask, clock, monkeypatch):
        behind = clock() - dt.timedelta(minutes=10)
        monkeypatch.setattr("analyses.asking.read_clock", lambda: behind)
        assert ask().next_attempt_at == behind
        assert Analysis.objects.get().created_at == clock()
