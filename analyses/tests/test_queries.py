"""Queries: what may be seen of the analyses, and one as the object of the contract."""

import datetime as dt

import pytest
from django.http import Http404

from analyses import runs
from analyses.models import Analysis, AssistantSettings
from analyses.queries import active_assistant, changed_since, describe, find_analyses, get_analysis, is_hidden
from mesassist.tenants.scope import tenant_scope
from production.ingest.store import store_events
from production.rollups import fold_dirty


@pytest.fixture
def answered(ask, clock):
    analysis = ask(question="Why is Press 2 low?")
    runs.execute(analysis_id=analysis.pk, now_fn=clock)
    analysis.refresh_from_db()
    return analysis


class TestGetAnalysis:
    def test_it_is_there(self, answered):
        assert get_analysis(answered.pk) == answered

    @pytest.mark.parametrize("wrong", ["not-an-id", "00000000-0000-0000-0000-000000000000"])
    def test_an_unknown_one_is_not(self, answered, wrong):
        with pytest.raises(Http404, match="No such analysis"):
            get_analysis(wrong)

    def test_nothing_is_there_where_the_assistant_is_hidden(self, answered):
        AssistantSettings.objects.update(hidden=True)
        assert is_hidden()
        with pytest.raises(Http404, match="No such analysis"):
            get_analysis(answered.pk)
        with pytest.raises(Http404):
            find_analyses()


class TestAnotherTenant:
    def test_it_sees_nothing(self, beta, transactional_db):
        with tenant_scope(beta):
            assert list(find_analyses()) == []
            assert not active_assistant().configured


class TestFindAnalyses:
    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({}, True),
            ({"status": "done"}, True),
            ({"status": "failed"}, False),
            ({"model": "offline"}, True),
            ({"model": "gpt"}, False),
            ({"trigger": "button"}, True),
            ({"trigger": "chat"}, False),
            ({"search": "press 2 LOW"}, True),
            ({"search": "conveyor"}, False),
            ({"created_after": dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)}, True),
            ({"created_after": dt.datetime(2026, 3, 2, 8, 31, tzinfo=dt.UTC)}, False),
            ({"created_before": dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)}, False),
        ],
    )
    def test_each_filter(self, answered, wanted, found):
        assert list(find_analyses(**wanted)) == ([answered] if found else [])


class TestDescribe:
    def test_it_is_the_object_of_the_contract(self, answered):
        told = describe(answered)
        assert set(told) == {
            "id",
            "status",
            "trigger",
            "summary",
            "question",
            "model_requested",
            "model_answered",
            "answer",
            "findings",
            "numbers",
            "finish_reason",
            "truncated",
            "usage",
            "cost",
            "temperature",
            "data",
            "left_out",
            "attempts",
            "provider_request_id",
            "error",
            "requested_by",
            "created_at",
            "started_at",
            "finished_at",
        }
        assert (told["status"], told["requested_by"], told["error"], told["cost"]) == ("done", "ana", None, None)
        assert told["usage"] == {
            "prompt_tokens": answered.prompt_tokens,
            "cached_tokens": 0,
            "completion_tokens": answered.completion_tokens,
            "reasoning_tokens": 0,
            "total_tokens": answered.prompt_tokens + answered.completion_tokens,
            "estimated": False,
        }
        assert told["data"]["sha256"] == answered.data_sha256
        assert told["provider_request_id"].startswith("req_")

    def test_what_is_not_known_yet_is_null_and_not_zero(self, ask):
        told = describe(ask())
        assert {
            name: told[name] for name in ("usage", "cost", "numbers", "error", "finish_reason", "model_answered")
        } == {
            "usage": None,
            "cost": None,
            "numbers": None,
            "error": None,
            "finish_reason": None,
            "model_answered": None,
        }


class TestChangedSince:
    def test_late_events_of_the_period_are_told(self, answered, clock):
        assert not changed_since(answered)
        clock.by(minutes=30)
        late = {
            "event_id": "late",
            "machine": "M2",
            "at": "2026-03-02T06:00:00+00:00",
            "kind": "count",
            "good": 5,
            "product": "P1",
        }
        store_events(events=[late], source="erp-7", now=clock())
        fold_dirty(now=clock())
        assert changed_since(answered)

    def test_an_analysis_without_figures_has_none_that_could_change(self):
        assert not changed_since(Analysis())
