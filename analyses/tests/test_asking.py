"""Asking: what becomes a queued row, what is refused and why, and that twice is once."""

import datetime as dt
import threading

import pytest
from django.db import connection

from analyses import runs
from analyses.asking import load_spec, store_spec
from analyses.models import Analysis, AssistantSettings, Spend
from mesassist.tenants.scope import tenant_scope
from production.models import Summary
from production.summaries import SummarySpec


@pytest.fixture
def empty(in_alfa):
    """A summary of a day on which nothing had happened yet."""
    return Summary.objects.create(
        tenant=in_alfa,
        name="Empty",
        window="custom",
        from_at=dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
        to_at=dt.datetime(2025, 1, 2, tzinfo=dt.UTC),
    )


class TestRequest:
    def test_it_is_queued_with_everything_that_will_be_sent(self, ask, ana, assistant, clock):
        analysis = ask()
        assert (analysis.status, analysis.trigger, analysis.requested_by) == ("queued", "button", ana)
        assert analysis.question == assistant.query
        assert (analysis.endpoint, analysis.model_requested) == (assistant.base_url, "offline-analyst")
        assert set(analysis.request) == {
            "model",
            "messages",
            "temperature",
            "max_completion_tokens",
            "stream",
            "stream_options",
        }
        assert analysis.request["messages"][1]["content"].endswith(f"\nQuestion:\n{assistant.query}")
        assert analysis.reserved_tokens == analysis.prompt_tokens_estimated + assistant.max_answer_tokens
        assert Spend.objects.get().reserved_tokens == analysis.reserved_tokens
        assert analysis.created_at == clock()
        assert not analysis.was_there

    def test_the_facts_that_are_sent_are_those_that_are_kept(self, ask):
        analysis = ask()
        sent = analysis.request["messages"][1]["content"]
        assert analysis.data["facts"]
        for fact in analysis.data["facts"]:
            assert f"\n{fact['id']}: {fact['text']}\n" in sent

    def test_a_question_alone_is_asked_about_the_main_summary(self, ask):
        analysis = ask(summary=None, question="Why is Press 2 low?  \n")
        assert analysis.summary is None
        assert analysis.data["facts"]
        assert analysis.request["messages"][1]["content"].endswith("\nQuestion:\nWhy is Press 2 low?  \n")


class TestRefusals:
    def test_hidden(self, ask, assistant):
        AssistantSettings.objects.update(hidden=True)
        with pytest.raises(runs.AssistantHidden):
            ask()

    @pytest.mark.parametrize("missing", ["model", "base_url"])
    def test_not_configured(self, ask, assistant, missing):
        AssistantSettings.objects.update(**{missing: ""})
        with pytest.raises(runs.NotConfigured) as caught:
            ask()
        assert caught.value.code == "assistant_not_configured"
        assert "Assistant" in caught.value.next_step

    @pytest.mark.parametrize("wish", [{"summary": None}, {"summary": None, "question": " \n"}, {"question": "  "}])
    def test_no_question(self, ask, wish):
        with pytest.raises(runs.EmptyQuestion):
            ask(**wish)

    def test_nothing_to_analyse(self, ask, empty):
        with pytest.raises(runs.NothingToAnalyse) as caught:
            ask(summary=empty)
        assert caught.value.message.startswith("Nothing was reported in this period.")
        assert not Analysis.objects.exists()
        assert not Spend.objects.exists()

    def test_a_question_that_is_too_long(self, ask, assistant):
        AssistantSettings.objects.update(max_prompt_tokens=600)
        with pytest.raises(runs.QuestionTooLong):
            ask(question="why " * 3000)

    def test_the_day_is_spent(self, ask, assistant):
        analysis = ask()
        AssistantSettings.objects.update(daily_token_limit=analysis.reserved_tokens + 10)
        with pytest.raises(runs.BudgetSpent) as caught:
            ask(question="Another one?")
        assert f"{analysis.reserved_tokens:,} held" in caught.value.message
        assert Analysis.objects.count() == 1
        assert Spend.objects.get().reserved_tokens == analysis.reserved_tokens


class TestTwice:
    def test_the_same_click_gives_the_same_row(self, ask):
        first, second = ask(), ask()
        assert second == first
        assert (first.was_there, second.was_there) == (False, True)
        assert Spend.objects.get().reserved_tokens == first.reserved_tokens

    def test_another_key_of_the_same_person_changes_nothing_while_it_is_open(self, ask):
        assert ask(idempotency_key="k1") == ask(idempotency_key="k2")

    def test_a_programs_other_key_is_another_wish_and_is_remembered(self, ask, clock):
        first, second = (ask(idempotency_key=key, trigger="api") for key in ("k1", "k2"))
        assert first != second
        runs.cancel(analysis=second, now=clock())
        assert ask(idempotency_key="k2", trigger="api") == second

    @pytest.mark.parametrize("change", ["question", "asked_by", "summary"])
    def test_another_question_person_or_summary_is_another_analysis(self, ask, boris, in_alfa, change):
        ask()
        other = {"question": "Why?", "asked_by": boris}
        if change == "summary":
            other["summary"] = Summary.objects.create(tenant=in_alfa, name="Today", window="today")
        ask(**{change: other[change]})
        assert Analysis.objects.count() == 2

    def test_after_its_end_the_same_click_asks_anew(self, ask, clock):
        first = ask()
        runs.cancel(analysis=first, now=clock())
        assert ask() != first

    def test_an_idempotency_key_finds_its_analysis_also_after_the_end(self, ask, clock):
        first = ask(idempotency_key="k1")
        runs.cancel(analysis=first, now=clock())
        again = ask(idempotency_key="k1")
        assert (again.pk, again.was_there, again.status) == (first.pk, True, "cancelled")

    def test_an_idempotency_key_does_not_change_its_meaning(self, ask):
        ask(idempotency_key="k1")
        with pytest.raises(runs.KeyReused):
            ask(idempotency_key="k1", question="Another one?")


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_ten_clicks_together_make_one_row_and_one_hold(self, ask, alfa):
        ids, start = [], threading.Barrier(10)

        def click():
            with tenant_scope(alfa):
                start.wait(timeout=30)
                ids.append(ask().pk)
            connection.close()

        threads = [threading.Thread(target=click) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert (len(ids), len(set(ids))) == (10, 1)
        assert Spend.objects.get().reserved_tokens == Analysis.objects.get().reserved_tokens


class TestSpec:
    def test_it_comes_back_as_it_was(self):
        spec = SummarySpec(
            title="Plant",
            window="custom",
            from_at=dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
            to_at=dt.datetime(2026, 3, 2, tzinfo=dt.UTC),
            lines=(1, 2),
            metrics=("oee",),
        )
        assert load_spec(store_spec(spec)) == spec
