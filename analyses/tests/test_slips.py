"""Slips: what would leave is shown before it leaves, and is what then leaves."""

import pytest

from analyses.asking import EmptyQuestion
from analyses.models import Analysis, AssistantSettings, Spend
from analyses.slips import preview_request
from mesassist.tenants.models import Scope
from production.summaries import main_summary


@pytest.fixture
def preview(morning, assistant, ana, clock):
    def write(**more):
        wish = {"summary": main_summary(), "asked_by": ana, "trigger": "button", "now": clock()} | more
        return preview_request(tenant=assistant.tenant, **wish)

    return write


class TestPreview:
    def test_it_is_exactly_what_asking_sends(self, preview, ask):
        slip = preview(question="Why?")
        assert Analysis.objects.count() == Spend.objects.count() == 0
        analysis = ask(question="Why?")
        assert slip.request == analysis.request
        assert slip.tokens_estimated == analysis.prompt_tokens_estimated
        assert (slip.destination, slip.left_out) == (analysis.endpoint, analysis.left_out)

    def test_a_price_that_nobody_knows_is_unknown(self, preview):
        assert preview().cost_estimated is None

    def test_a_known_price_is_that_of_the_longest_answer(self, preview):
        AssistantSettings.objects.update(base_url="https://api.openai.com/v1", model="gpt-4.1-mini")
        slip = preview()
        per_million = {"in": 0.4, "out": 1.6}
        expected = slip.tokens_estimated * per_million["in"] + 2000 * per_million["out"]
        assert slip.cost_estimated.amount_micros == pytest.approx(expected, abs=1)

    def test_names_that_stay_are_listed(self, preview):
        AssistantSettings.objects.update(aliases_enabled=True)
        slip = preview()
        assert "Press 2" in slip.aliases.values()
        assert "Press 2" not in slip.text

    def test_doubtful_figures_open_the_gate_half(self, preview, clock):
        assert preview().gate == "green"
        clock.by(hours=5)
        slip = preview()
        assert (slip.gate, [doubt.code for doubt in slip.doubts]) == ("amber", ["stale"])

    def test_it_refuses_what_asking_refuses(self, preview):
        with pytest.raises(EmptyQuestion):
            preview(question="  ")


class TestApi:
    def test_it_is_the_object_of_the_contract(self, morning, assistant, alfa, api_key, caller, settings):
        key = api_key(alfa, Scope.ANALYSE)
        answer = caller().post(
            "/api/v1/analyses/preview/",
            {"question": "Why?", "from": "2026-03-02T05:00:00Z", "to": "2026-03-02T08:30:00Z"},
            content_type="application/json",
            headers={"Authorization": f"Api-Key {key}"},
        )
        told = answer.json()
        assert answer.status_code == 200
        assert set(told) == {
            *("request", "destination", "tokens_estimated", "cost_estimated", "left_out", "aliases", "gate")
        }
        assert told["destination"] == assistant.base_url
        assert set(told["gate"]) == {"level", "reasons"}

    def test_nothing_to_ask_is_refused(self, morning, assistant, alfa, api_key, caller):
        key = api_key(alfa, Scope.ANALYSE)
        answer = caller().post(
            "/api/v1/analyses/preview/",
            {},
            content_type="application/json",
            headers={"Authorization": f"Api-Key {key}"},
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "empty_question")


class TestPage:
    def test_the_panel_offers_it_and_shows_the_exact_text(self, morning, assistant, client_of, ana):
        shown = client_of(ana).post("/t/alfa/panel/slip/?window=custom&from=2026-03-02T06:00&to=2026-03-02T09:30")
        text = shown.content.decode()
        assert shown.status_code == 200
        assert "What would be sent" in text
        assert assistant.base_url in text
        assert "unknown price" in text
        assert "&lt;&lt;&lt;FACTS" in text

    def test_a_question_that_is_being_written_too(self, morning, assistant, client_of, ana):
        shown = client_of(ana).post("/t/alfa/panel/slip/", {"question": "Why is Press 2 slow?", "summary": ""})
        # The main summary's own window may hold nothing now: then the refusal says so.
        assert "Why is Press 2 slow?" in shown.content.decode() or shown.status_code == 422

    def test_an_empty_question_is_no_request(self, morning, assistant, client_of, ana):
        shown = client_of(ana).post("/t/alfa/panel/slip/", {"question": " "})
        assert (shown.status_code, "Write a question first." in shown.content.decode()) == (422, True)

    def test_a_viewer_may_not(self, morning, assistant, client_of, vic):
        assert client_of(vic).post("/t/alfa/panel/slip/").status_code == 403
