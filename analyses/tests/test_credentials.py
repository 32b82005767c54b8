"""Credentials: whichever door changes the endpoint, its token does not go along, and its errors tell nothing of it."""

import pytest
from django.forms.models import model_to_dict

from analyses.admin import AssistantAdmin, AssistantAdminForm
from analyses.credentials import open_token
from analyses.forms import AssistantForm
from analyses.gateway import try_endpoint
from analyses.models import AssistantSettings
from analyses.tests.conftest import TOKEN
from analyses.tests.servers import server

# Services behind a gateway word their refusals as they like, and repeat what they were shown.
ECHO = f'{{"error": {{"message": "invalid header: Bearer {TOKEN[:14]}*****{TOKEN[-9:]}", "code": "bad"}}}}'


def stored():
    return AssistantSettings.objects.get()


@pytest.mark.parametrize("form_class", [AssistantForm, AssistantAdminForm], ids=["page and API", "admin"])
class TestEveryDoor:
    def fill(self, form_class, assistant, **changed):
        values = model_to_dict(assistant, fields=list(AssistantForm.Meta.fields))
        posted = {name: "" if value is None else value for name, value in values.items()}
        return form_class(posted | changed, instance=stored())

    def test_another_endpoint_drops_the_token(self, form_class, assistant):
        form = self.fill(form_class, assistant, base_url="https://elsewhere.example/v1")
        assert form.is_valid(), form.errors
        form.save()
        assert (stored().token, stored().token_hint) == ("", "")
        assert open_token(assistant=stored(), purpose="test") == ""

    def test_posting_the_form_again_untouched_keeps_it(self, form_class, assistant):
        form = self.fill(form_class, assistant)
        assert form.is_valid(), form.errors
        form.save()
        assert open_token(assistant=stored(), purpose="test") == TOKEN


def test_the_admin_uses_the_form_that_drops_it():
    assert AssistantAdmin.form is AssistantAdminForm
    assert issubclass(AssistantAdminForm, AssistantForm)


class TestTravel:
    def test_an_endpoint_without_a_token_gets_no_header(self, in_alfa):
        with server(lambda handler, body: handler.send(400, ECHO.encode())) as (url, seen):
            try_endpoint(endpoint=url, token="", model="m")
        assert "authorization" not in seen[0][0]

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500])
    def test_what_an_endpoint_says_about_the_token_is_told_to_nobody(self, in_alfa, status):
        with server(lambda handler, body: handler.send(status, ECHO.encode())) as (url, seen):
            trial = try_endpoint(endpoint=url, token=TOKEN, model="m")
        told = f"{trial.error.message} {trial.error.next_step}"
        assert seen[0][0]["authorization"] == f"Bearer {TOKEN}"
        assert not any(TOKEN[at : at + 8] in told for at in range(len(TOKEN) - 7))
