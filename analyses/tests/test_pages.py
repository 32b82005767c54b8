"""Pages of the analyses room, as whole requests."""

import datetime as dt

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from analyses import runs
from analyses.models import Analysis, AssistantSettings
from analyses.tests.conftest import TOKEN
from production.models import Machine
from production.summaries import main_summary

PAGES = {"panel": 204, "history": 404, "ask": 404}
PAGES_OF_ONE = {"detail": 404, "card": 404}
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def monday(now):
    """Pages read the clock themselves: let it be the cast's Monday morning."""
    with time_machine.travel(now, tick=True):
        yield


def page(name, *args):
    return reverse(f"analyses:{name}", args=["alfa", *args])


def finish(analysis, clock):
    runs.execute(analysis_id=analysis.pk, now_fn=clock)
    analysis.refresh_from_db()
    return analysis


def text_of(response):
    return response.content.decode()


def hide():
    AssistantSettings.objects.update(hidden=True)


class TestPanel:
    def test_it_offers_an_operator_the_button(self, morning, assistant, client_of, ana):
        assert page("analyse") in text_of(client_of(ana).get(page("panel")))

    def test_it_shows_a_viewer_results_but_no_button(self, ask, clock, client_of, vic):
        finish(ask(), clock)
        text = text_of(client_of(vic).get(page("panel")))
        assert "numbers confirmed" in text
        assert page("analyse") not in text

    def test_it_says_who_sets_an_unconfigured_assistant_up(self, morning, client_of, ana, boris):
        assert "A manager chooses endpoint and model under Assistant." in text_of(client_of(ana).get(page("panel")))
        assert page("assistant") in text_of(client_of(boris).get(page("panel")))

    def test_the_latest_analysis_of_these_figures_survives_a_reload(self, ask, clock, client_of, ana):
        analysis = finish(ask(), clock)
        assert f"analysis-{analysis.pk}" in text_of(client_of(ana).get(page("panel")))

    def test_an_analysis_of_another_period_or_of_yesterday_does_not_show(self, ask, clock, client_of, ana):
        analysis = finish(ask(), clock)
        client = client_of(ana)
        assert str(analysis.pk) not in text_of(client.get(page("panel"), {"window": "today"}))
        Analysis.objects.update(created_at=clock() - dt.timedelta(hours=13))
        assert str(analysis.pk) not in text_of(client.get(page("panel")))


class TestAnalyse:
    def test_one_click_asks_about_the_period_on_screen(self, morning, assistant, client_of, ana):
        response = client_of(ana).post(f"{page('analyse')}?window=today")
        analysis = Analysis.objects.get()
        assert (analysis.status, analysis.trigger, analysis.requested_by) == ("queued", "button", ana)
        assert (analysis.spec["window"], analysis.summary) == ("today", main_summary())
        assert page("card", analysis.pk) in text_of(response)
        assert "Waiting for its turn" in text_of(response)

    def test_a_double_click_asks_once(self, morning, assistant, client_of, ana):
        client = client_of(ana)
        for _ in range(2):
            assert client.post(page("analyse"), {"key": "k"}).status_code == 200
        assert Analysis.objects.count() == 1

    @pytest.mark.parametrize(
        ("change", "status", "words"),
        [
            ({"daily_token_limit": 10}, 402, "limit is 10 tokens"),
            ({"model": "", "base_url": ""}, 409, "The assistant has no endpoint or no model yet."),
        ],
    )
    def test_a_refusal_stands_in_its_place_with_the_next_step(
        self, morning, assistant, client_of, ana, change, status, words
    ):
        AssistantSettings.objects.update(**change)
        response = client_of(ana).post(page("analyse"))
        assert (response.status_code, Analysis.objects.count()) == (status, 0)
        assert words in text_of(response)
        assert " manager " in text_of(response)

    def test_nothing_to_analyse_is_said_before_a_model_is_asked(self, small_plant, assistant, client_of, ana):
        response = client_of(ana).post(page("analyse"))
        assert (response.status_code, Analysis.objects.count()) == (422, 0)
        assert "Choose another period" in text_of(response)

    def test_a_form_without_its_token_asks_nothing(self, morning, assistant, ana):
        from django.test import Client

        client = Client(enforce_csrf_checks=True)
        client.force_login(ana)
        assert (client.post(page("analyse")).status_code, Analysis.objects.count()) == (403, 0)


class TestCard:
    def test_it_goes_on_polling_while_the_answer_grows(self, ask, client_of, vic, clock):
        analysis = ask()
        Analysis.objects.update(answer="OEE was", status="running", owner=analysis.pk, lease_until=clock())
        response = client_of(vic).get(page("card", analysis.pk))
        assert response.status_code == 200
        assert 'hx-trigger="every 1s"' in text_of(response)
        assert "OEE was" in text_of(response)

    def test_it_ends_the_polling_with_the_checked_answer(self, ask, client_of, vic, clock):
        analysis = finish(ask(), clock)
        response = client_of(vic).get(page("card", analysis.pk))
        assert response.status_code == 286
        assert "hx-trigger" not in text_of(response)
        assert f"{analysis.numbers['found']} of {analysis.numbers['found']} numbers confirmed" in text_of(response)
        assert "unknown price" in text_of(response)

    def test_a_failure_says_what_happened_and_what_to_do(self, ask, client_of, vic, clock, assistant):
        AssistantSettings.objects.update(model="fault-401")
        text = text_of(client_of(vic).get(page("card", finish(ask(), clock).pk)))
        assert "The endpoint did not accept the token." in text
        assert "A manager enters a valid token under Assistant" in text

    def test_a_cut_answer_says_that_it_is_cut(self, ask, client_of, vic, clock, assistant):
        AssistantSettings.objects.update(model="fault-length")
        text = text_of(client_of(vic).get(page("card", finish(ask(), clock).pk)))
        assert "The answer was cut off at its length limit" in text

    def test_what_shop_floor_and_model_wrote_stays_text(self, ask, client_of, vic, clock, assistant):
        Machine.objects.update(name=HOSTILE)
        AssistantSettings.objects.update(model="fault-echo")
        analysis = finish(ask(question=HOSTILE, trigger="chat"), clock)
        assert HOSTILE in analysis.answer
        client = client_of(vic)
        for address in (page("card", analysis.pk), page("detail", analysis.pk), page("history")):
            text = text_of(client.get(address))
            assert HOSTILE not in text
            assert "&lt;script&gt;alert(1)" in text


class TestCancelAndRerun:
    def test_an_operator_cancels_what_waits(self, ask, client_of, ana):
        analysis = ask()
        client_of(ana).post(page("cancel", analysis.pk))
        analysis.refresh_from_db()
        assert analysis.status == "cancelled"

    def test_asking_again_reads_the_figures_again(self, ask, client_of, ana, clock):
        first = finish(ask(), clock)
        response = client_of(ana).post(page("rerun", first.pk))
        again = Analysis.objects.exclude(pk=first.pk).get()
        assert (again.spec, again.question) == (first.spec, first.question)
        assert response.url == page("detail", again.pk)

    def test_a_viewer_does_neither(self, ask, client_of, vic):
        analysis = ask()
        client = client_of(vic)
        assert [client.post(page(name, analysis.pk)).status_code for name in ("cancel", "rerun")] == [403, 403]


class TestHistory:
    def test_it_shows_who_asked_what_and_what_it_took(self, ask, clock, client_of, vic):
        analysis = finish(ask(), clock)
        text = text_of(client_of(vic).get(page("history")))
        total = analysis.prompt_tokens + analysis.completion_tokens
        for words in ("Plant", "done", "offline-analyst", f"{total:,}", "unknown price", "ana"):
            assert words in text

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({"search": "why red"}, 1),
            ({"search": "why blue"}, 0),
            ({"trigger": "chat"}, 1),
            ({"status": "queued"}, 2),
            ({"status": "failed"}, 0),
            ({"model": "offline"}, 2),
            ({"status": "made-up"}, 2),
        ],
    )
    def test_filters_in_the_address_narrow_it(self, ask, client_of, vic, wanted, found):
        ask()
        ask(question="Why red pieces?", trigger="chat")
        assert len(client_of(vic).get(page("history"), wanted).context["page"].rows) == found

    def test_it_goes_on_where_the_page_before_ended(self, ask, client_of, vic, monkeypatch):
        monkeypatch.setattr("analyses.history.PAGE", 2)
        made = [ask(question=f"Question {number}", trigger="chat").pk for number in range(3)]
        client = client_of(vic)
        first = client.get(page("history")).context["page"]
        second = client.get(page("history"), {"before": first.older}).context["page"]
        assert [one.pk for one in (*first.rows, *second.rows)] == made[::-1]
        assert second.older == ""

    def test_it_costs_the_same_queries_for_three_as_for_one(self, ask, client_of, vic):
        client, counts = client_of(vic), []
        for number in (1, 2):
            for part in range(number):
                ask(question=f"{number} {part}", trigger="chat")
            with CaptureQueriesContext(connection) as queries:
                assert len(client.get(page("history")).context["page"].rows) == (1, 3)[number - 1]
            counts.append(len(queries))
        assert counts == [8, 8]

    def test_an_empty_one_says_where_to_begin(self, alfa, client_of, vic):
        assert "Open the dashboard and press Analyse" in text_of(client_of(vic).get(page("history")))


class TestDetail:
    def test_it_shows_everything_that_is_kept(self, ask, clock, client_of, vic):
        analysis = finish(ask(), clock)
        text = text_of(client_of(vic).get(page("detail", analysis.pk)))
        fact = analysis.data["facts"][0]
        for words in (
            analysis.request_sha256,
            fact["text"],
            "&lt;&lt;&lt;FACTS",
            analysis.provider_request_id,
            "answered",
        ):
            assert words in text

    def test_it_says_when_figures_have_changed_since(self, ask, clock, client_of, vic):
        from production.models import Rollup

        analysis = finish(ask(), clock)
        Rollup.objects.update(folded_at=clock() + dt.timedelta(minutes=1), provisional=False)
        assert "Figures of this period have changed since" in text_of(client_of(vic).get(page("detail", analysis.pk)))


class TestAsk:
    def test_it_queues_an_analysis_and_shows_its_card(self, morning, assistant, client_of, ana):
        client = client_of(ana)
        response = client.post(page("ask"), {"question": "Why red?"}, follow=True)
        analysis = Analysis.objects.get()
        assert (analysis.question, analysis.trigger) == ("Why red?", "chat")
        assert page("card", analysis.pk) in text_of(response)

    def test_a_blank_question_is_not_asked(self, morning, assistant, client_of, ana):
        response = client_of(ana).post(page("ask"), {"question": "  "})
        assert (response.status_code, Analysis.objects.count()) == (400, 0)

    def test_it_refuses_when_the_day_is_spent(self, morning, assistant, client_of, ana):
        AssistantSettings.objects.update(daily_token_limit=10)
        response = client_of(ana).post(page("ask"), {"question": "Why red?"})
        assert (response.status_code, Analysis.objects.count()) == (402, 0)
        assert "Why red?" in text_of(response)


class TestSettings:
    def test_a_manager_saves_them_and_the_token_never_comes_back(self, assistant, client_of, boris):
        client = client_of(boris)
        form = client.get(page("assistant")).context["form"]
        values = {name: value for name, value in form.initial.items() if value is not None}
        saved = client.post(
            page("assistant"), values | {"token": "sk-new-9876543210", "temperature": "0.7"}, follow=True
        )
        assistant.refresh_from_db()
        assert (assistant.temperature, assistant.token_hint) == (0.7, "3210")
        text = text_of(saved)
        assert "The settings are saved." in text
        assert "it ends in 3210" in text
        assert not any(secret in text for secret in (TOKEN, "sk-new-9876543210", assistant.token))

    def test_a_mistake_saves_nothing_and_is_marked(self, assistant, client_of, boris):
        response = client_of(boris).post(page("assistant"), {"temperature": "9"})
        assert response.status_code == 422
        assert "Nothing was saved" in text_of(response)

    def test_the_connection_can_be_tried(self, assistant, client_of, boris):
        assert "offline-analyst answered in" in text_of(client_of(boris).post(page("assistant-test")))

    def test_a_failed_try_says_what_to_do(self, assistant, client_of, boris):
        AssistantSettings.objects.update(model="fault-401")
        assert "The endpoint did not accept the token." in text_of(client_of(boris).post(page("assistant-test")))


class TestHidden:
    def test_nothing_of_it_is_left_for_anybody(self, ask, clock, client_of, boris):
        analysis = finish(ask(), clock)
        hide()
        client = client_of(boris)
        seen = {name: client.get(page(name)).status_code for name in PAGES}
        seen |= {name: client.get(page(name, analysis.pk)).status_code for name in PAGES_OF_ONE}
        sent = [client.post(page(name, *rest)).status_code for name, *rest in
                (["analyse"], ["ask"], ["cancel", analysis.pk], ["rerun", analysis.pk])]  # fmt: skip
        assert (seen, sent) == (PAGES | PAGES_OF_ONE, [404, 404, 404, 404])

    def test_no_page_speaks_of_it(self, morning, assistant, client_of, ana):
        board = reverse("dashboards:board", args=["alfa"])
        client = client_of(ana)
        assert page("history") in text_of(client.get(board))
        hide()
        text = text_of(client.get(board))
        assert not any(page(name) in text for name in ("panel", "history", "ask", "assistant"))

    def test_a_manager_can_show_it_again(self, assistant, client_of, boris, ana):
        hide()
        assert client_of(ana).get(page("assistant")).status_code == 403
        client = client_of(boris)
        form = client.get(page("assistant")).context["form"]
        values = {name: value for name, value in form.initial.items() if value is not None and name != "hidden"}
        client.post(page("assistant"), values)
        assert client.get(page("history")).status_code == 200
