"""Forms: the token goes in and never comes out; another endpoint loses it; wrong addresses are told apart."""

import pytest
from django.forms.models import model_to_dict

from analyses.credentials import open_token
from analyses.forms import AskForm, AssistantForm
from analyses.models import AssistantSettings
from analyses.tests.conftest import TOKEN


@pytest.fixture
def fill(assistant):
    """The form as it is posted back, with something changed."""

    def post(**changed):
        shown = AssistantForm(instance=assistant)
        values = model_to_dict(assistant, fields=list(AssistantForm.Meta.fields))
        posted = {name: "" if value is None else value for name, value in values.items()}
        assert "token" in shown.fields
        return AssistantForm({**posted, **changed}, instance=AssistantSettings.objects.get(pk=assistant.pk))

    return post


def save(form):
    assert form.is_valid(), form.errors
    form.save()


def stored_token():
    return open_token(assistant=AssistantSettings.objects.get(), purpose="test")


class TestToken:
    def test_an_empty_field_keeps_it(self, fill):
        save(fill(token="", model="offline-analyst-slow"))
        assert stored_token() == TOKEN
        assert AssistantSettings.objects.get().model == "offline-analyst-slow"

    def test_a_new_one_replaces_it(self, fill):
        save(fill(token=" sk-new-0123456789abcdef "))
        assert stored_token() == "sk-new-0123456789abcdef"
        assert AssistantSettings.objects.get().token_hint == "cdef"

    def test_the_box_removes_it(self, fill):
        save(fill(clear_token="on"))
        assert stored_token() == ""
        assert AssistantSettings.objects.get().token_hint == ""

    def test_another_endpoint_drops_it(self, fill):
        save(fill(base_url="https://elsewhere.example/v1"))
        assert stored_token() == ""

    def test_another_endpoint_with_its_own_token_takes_that(self, fill):
        save(fill(base_url="https://elsewhere.example/v1", token="sk-other-0123456789"))
        assert stored_token() == "sk-other-0123456789"

    def test_a_last_slash_is_no_other_endpoint(self, fill, assistant):
        save(fill(base_url=f"{assistant.base_url}/"))
        assert stored_token() == TOKEN

    def test_a_new_one_and_the_box_contradict_each_other(self, fill):
        assert "clear_token" in fill(token="sk-new-0123456789abcdef", clear_token="on").errors

    @pytest.mark.parametrize("token", ["two words", "zażółć-gęślą", "x" * 501])
    def test_what_cannot_be_one_is_refused(self, fill, token):
        assert "token" in fill(token=token).errors

    def test_it_is_never_shown(self, assistant):
        html = AssistantForm(instance=assistant).as_p()
        assert TOKEN not in html
        assert assistant.token not in html

    def test_it_is_not_shown_again_after_a_mistake(self, fill):
        form = fill(token="sk-new-0123456789abcdef", temperature="9")
        assert not form.is_valid()
        assert "sk-new" not in form.as_p()

    def test_of_a_short_one_no_hint_is_kept(self, fill):
        save(fill(token="local"))
        assert AssistantSettings.objects.get().token_hint == ""


class TestSettings:
    @pytest.mark.parametrize("url", ["ftp://host/v1", "api.openai.com/v1", "http://me:secret@host/v1", "http://"])
    def test_an_address_that_cannot_be_called_is_refused(self, fill, url):
        assert "base_url" in fill(base_url=url).errors

    def test_a_host_of_the_plants_own_network_needs_an_approval(self, fill, approve):
        form = fill(base_url="http://llm:8000/v1")
        assert form.errors["base_url"] == [
            "The portal may not call llm:8000 without an approval. "
            "Ask platform staff to approve llm:8000, or give a public address that begins with https://."
        ]
        assert form.can_be_proposed
        approve("http://llm:8000", network="10.0.0.5/32")
        assert fill(base_url="http://llm:8000/v1").is_valid()

    def test_an_approval_is_for_one_place_and_one_tenant(self, fill, approve, beta):
        approve("http://llm:8000", network="10.0.0.5/32", tenant=beta)
        approve("http://llm:8000", network="10.0.0.5/32", purpose="registry")
        approve("http://llm:8001", network="10.0.0.5/32")
        assert "base_url" in fill(base_url="http://llm:8000/v1").errors

    def test_what_nobody_can_approve_cannot_be_proposed(self, fill):
        form = fill(base_url="http://169.254.169.254/v1")
        assert form.errors["base_url"] == [
            "The portal never calls 169.254.169.254:80. "
            "Enter the address of the service itself; no approval opens this one."
        ]
        assert not form.can_be_proposed

    def test_an_endpoint_without_a_model_is_refused(self, fill):
        assert fill(model="").errors == {"model": ["Choose a model of this endpoint too."]}

    def test_neither_is_a_choice_too(self, fill):
        assert fill(model="", base_url="").is_valid()

    @pytest.mark.parametrize(
        ("field", "value"),
        [("temperature", "2.1"), ("max_prompt_tokens", "499"), ("max_answer_tokens", "0"), ("language", "xx")],
    )
    def test_a_value_out_of_bounds_is_refused(self, fill, field, value):
        assert field in fill(**{field: value}).errors

    def test_an_empty_limit_is_no_limit(self, fill):
        save(fill(daily_token_limit=""))
        assert AssistantSettings.objects.get().daily_token_limit is None


class TestAskForm:
    def test_it_keeps_the_question_byte_for_byte(self, in_alfa):
        form = AskForm({"question": "  Why?\n\n"})
        assert form.is_valid()
        assert form.cleaned_data == {"question": "  Why?\n\n", "summary": None}

    @pytest.mark.parametrize("question", ["", "  \n", "x" * 8001, "a\x00b"])
    def test_a_blank_or_endless_one_is_refused(self, in_alfa, question):
        assert "question" in AskForm({"question": question}).errors
