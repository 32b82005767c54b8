"""The assistant's settings over the API: changed by the rules of the page, the token never given back."""

import pytest

from analyses.models import AssistantSettings
from analyses.tests.conftest import TOKEN
from mesassist.tenants.tests.approving import approved


def problem_of(answer):
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


class TestAssistant:
    def test_its_settings_are_given_without_the_token(self, call, assistant):
        answer = call("GET", "assistant/").json()
        assert answer == {
            "model": "offline-analyst",
            "base_url": assistant.base_url,
            "role": assistant.role,
            "query": assistant.query,
            "temperature": 0.2,
            "max_answer_tokens": assistant.max_answer_tokens,
            "max_summary_facts": 60,
            "max_prompt_tokens": 6000,
            "daily_token_limit": None,
            "on_unknown": "retry",
            "language": "en",
            "aliases_enabled": False,
            "alias_kinds": ["MACHINE", "LINE", "SITE", "PRODUCT", "ORDER", "PERSON"],
            "hidden": False,
            "token_set": True,
            "token_hint": TOKEN[-4:],
        }

    def test_one_setting_is_changed_and_the_token_kept(self, call, assistant):
        sealed = assistant.token
        answer = call("PATCH", "assistant/", {"temperature": 0.7, "language": "pl", "daily_token_limit": 5000})
        assert answer.status_code == 200
        assistant.refresh_from_db()
        assert (assistant.temperature, assistant.language, assistant.daily_token_limit) == (0.7, "pl", 5000)
        assert (assistant.token, assistant.model) == (sealed, "offline-analyst")

    def test_a_new_token_goes_in_and_does_not_come_out(self, call, assistant):
        answer = call("PATCH", "assistant/", {"token": "sk-another-9876543210zyxw"})
        assert "sk-another" not in answer.content.decode()
        assert (answer.json()["token_set"], answer.json()["token_hint"]) == (True, "zyxw")

    def test_null_removes_the_token(self, call, assistant):
        answer = call("PATCH", "assistant/", {"token": None})
        assert (answer.json()["token_set"], answer.json()["token_hint"]) == (False, "")

    def test_another_address_drops_the_token(self, call, assistant):
        elsewhere = assistant.base_url.replace("127.0.0.1", "localhost")
        with approved(elsewhere):
            answer = call("PATCH", "assistant/", {"base_url": elsewhere})
        assert answer.status_code == 200
        assert answer.json()["token_set"] is False

    def test_it_can_be_hidden_and_shown_again(self, call, assistant):
        assert call("PATCH", "assistant/", {"hidden": True}).json()["hidden"] is True
        assert call("GET", "analyses/").status_code == 404
        assert call("PATCH", "assistant/", {"hidden": False}).json()["hidden"] is False
        assert call("GET", "analyses/").status_code == 200

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"temperature": 3}, "temperature"),
            ({"temperature": "0.5"}, "temperature"),
            ({"temperature": True}, "temperature"),
            ({"base_url": "file:///etc/passwd"}, "base_url"),
            ({"base_url": "not an address"}, "base_url"),
            ({"base_url": "http://169.254.169.254/v1"}, "base_url"),
            ({"base_url": "https://10.0.0.5/v1"}, "base_url"),
            ({"model": ""}, "model"),
            ({"token": "with spaces in it"}, "token"),
            ({"token": ""}, "token"),
            ({"language": "xx"}, "language"),
            ({"max_answer_tokens": 0}, "max_answer_tokens"),
            ({"token_hint": "abcd"}, "token_hint"),
            ({"tenant": 1}, "tenant"),
        ],
    )
    def test_a_setting_that_cannot_be_is_refused(self, call, assistant, body, field):
        answer = call("PATCH", "assistant/", body)
        assert answer.status_code == 400
        assert [one["field"] for one in answer.json()["errors"]] == [field]
        before = assistant.token
        assistant.refresh_from_db()
        assert (assistant.temperature, assistant.token) == (0.2, before)

    def test_each_tenant_has_its_own(self, call, assistant, api_key, beta):
        answer = call("GET", "assistant/", key=api_key(beta, "configure")).json()
        assert (answer["model"], answer["token_set"]) == ("", False)


class TestEndpoint:
    def test_its_models_are_listed(self, call, assistant):
        answer = call("GET", "assistant/models/").json()
        assert {"model": "offline-analyst"} in answer["results"]
        assert answer["next"] is None

    def test_it_is_tried(self, call, assistant):
        answer = call("POST", "assistant/test/").json()
        assert answer.pop("latency_ms") >= 0
        assert answer == {"ok": True, "model": "offline-analyst"}

    def test_a_trial_that_fails_says_why(self, call, assistant):
        AssistantSettings.objects.update(model="fault-401")
        answer = call("POST", "assistant/test/").json()
        assert (answer["ok"], answer["model"], answer["error"]["code"]) == (False, None, "credentials")
        assert set(answer["error"]) == {"code", "message", "next_step"}

    def test_without_an_endpoint_there_is_nothing_to_try(self, call, alfa):
        assert problem_of(call("POST", "assistant/test/")) == (409, "assistant_not_configured")
        assert problem_of(call("GET", "assistant/models/")) == (409, "assistant_not_configured")

    def test_an_endpoint_that_is_out_of_reach_is_told(self, call, assistant):
        AssistantSettings.objects.update(base_url="http://127.0.0.1:9/v1")
        with approved("127.0.0.1:9"):
            assert problem_of(call("GET", "assistant/models/")) == (502, "unreachable")

    def test_an_endpoint_that_is_not_approved_any_more_is_told(self, call, assistant):
        AssistantSettings.objects.update(base_url="http://127.0.0.1:9/v1")
        assert problem_of(call("GET", "assistant/models/")) == (502, "blocked_destination")
        answer = call("POST", "assistant/test/").json()
        assert (answer["ok"], answer["error"]["code"]) == (False, "blocked_destination")
        assert "approve 127.0.0.1:9" in answer["error"]["next_step"]
