"""Self-checks of analyses: each planted offender is found by its own check alone."""

import datetime as dt
import uuid

import pytest

from analyses.models import Analysis, Attempt, Spend
from analyses.selfchecks import CHECKS
from production.selfchecks import Asked


def broken(now):
    found = {name: list(check(Asked(now=now))) for name, check in CHECKS.items()}
    return {name: rows for name, rows in found.items() if rows}


@pytest.fixture
def analysis(in_alfa, now):
    """A finished analysis with its one answered call."""
    made = Analysis.objects.create(
        tenant=in_alfa,
        status="done",
        trigger="button",
        endpoint="http://127.0.0.1/v1",
        model_requested="m",
        temperature=0,
        request={},
        next_attempt_at=now,
        expires_at=now + dt.timedelta(hours=1),
        created_at=now,
        finished_at=now,
    )
    attempt(made, now)
    return made


def attempt(analysis, now, number=1, **fields):
    return Attempt.objects.create(
        tenant=analysis.tenant,
        analysis=analysis,
        number=number,
        owner=uuid.uuid4(),
        sent_at=now,
        **{"outcome": "answered", **fields},
    )


class TestAnalyses:
    def test_nothing_is_found_where_all_is_well(self, analysis, now):
        assert broken(now) == {}

    def test_it_finds_what_is_done_without_an_answer(self, analysis, now):
        Attempt.objects.update(outcome="timeout")
        assert broken(now) == {"what is done was answered once": [f"{analysis} is done with 0 answered calls"]}

    def test_it_finds_what_was_answered_twice(self, analysis, now):
        attempt(analysis, now, number=2)
        assert broken(now) == {"what is done was answered once": [f"{analysis} is done with 2 answered calls"]}

    def test_it_finds_what_is_open_though_it_expired(self, analysis, now):
        Analysis.objects.update(status="queued", finished_at=None)
        late = now + dt.timedelta(hours=1, minutes=11)
        assert broken(now + dt.timedelta(hours=1)) == {}
        assert list(broken(late)) == ["what is open has not expired"]

    def test_it_finds_tokens_that_nobody_holds(self, in_alfa, analysis, now):
        Spend.objects.create(tenant=in_alfa, day=now.date(), reserved_tokens=70)
        assert broken(now) == {"what is held belongs to what is open": ["the days hold 70 tokens, the open analyses 0"]}

    def test_it_finds_what_runs_though_its_worker_is_long_silent(self, analysis, now):
        lease = {"owner": uuid.uuid4(), "lease_until": now - dt.timedelta(minutes=9)}
        Analysis.objects.update(status="running", finished_at=None, **lease)
        assert broken(now) == {}
        assert broken(now + dt.timedelta(minutes=2)) == {
            "what runs is worked on": [f"{analysis} is running and its lease ended at 2026-03-02 08:21Z"]
        }

    def test_it_finds_a_day_that_used_other_tokens_than_its_calls_cost(self, in_alfa, analysis, now):
        Analysis.objects.update(reserved_tokens=90)
        Attempt.objects.update(tokens=80)
        assert broken(now)["days used what their calls cost"] == [
            "2026-03-02 used 0 tokens, the calls of its analyses cost 80"
        ]
        Spend.objects.create(tenant=in_alfa, day=now.date(), used_tokens=80)
        assert broken(now) == {}
        Spend.objects.update(used_tokens=81)
        assert list(broken(now)) == ["days used what their calls cost"]

    def test_it_finds_a_call_that_cost_more_than_was_held(self, in_alfa, analysis, now):
        Analysis.objects.update(reserved_tokens=90)
        Attempt.objects.update(tokens=91)
        Spend.objects.create(tenant=in_alfa, day=now.date(), used_tokens=91)
        assert broken(now) == {
            "calls cost no more than was held": [f"{Attempt.objects.get()} cost 91 tokens, 90 were held"]
        }
        # What the endpoint reports is charged as it says.
        Attempt.objects.update(envelope={"usage": {"prompt_tokens": 60, "completion_tokens": 31}})
        assert broken(now) == {}

    def test_it_finds_a_call_that_ended_before_it_was_sent(self, analysis, now):
        Attempt.objects.update(ended_at=now - dt.timedelta(seconds=1))
        assert list(broken(now)) == ["calls end after they were sent"]
