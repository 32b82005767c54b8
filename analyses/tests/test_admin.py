"""The assistant in the admin: configured without ever showing its token; analyses read, cancelled and asked again."""

import base64
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.urls import reverse

from analyses import runs
from analyses.credentials import open_token
from analyses.forms import AssistantForm
from analyses.models import Analysis, AssistantSettings
from analyses.tests.conftest import TOKEN
from mesassist.tenants.scope import tenant_scope
from mesassist.tenants.tests.approving import approved

SETTINGS = "admin:analyses_assistantsettings"
ANALYSES = reverse("admin:analyses_analysis_changelist")


@pytest.fixture
def desk(client_of, staff):
    return client_of(staff)


def form_of(assistant, **changes):
    values = {name: getattr(assistant, name, "") for name in AssistantForm.Meta.fields} | {"token": ""}
    values = {name: "" if value is None else value for name, value in values.items()}
    return {name: value for name, value in (values | changes).items() if value is not False}


class TestSettings:
    def test_saving_without_a_token_keeps_it(self, desk, assistant):
        page = reverse(f"{SETTINGS}_change", args=[assistant.pk])
        assert desk.post(page, form_of(assistant, temperature="0.9")).status_code == 302
        assistant.refresh_from_db()
        assert (assistant.temperature, open_token(assistant=assistant, purpose="test")) == (0.9, TOKEN)

    def test_a_new_token_is_stored_sealed(self, desk, assistant):
        new = "sk-brand-new-0123456789"
        desk.post(reverse(f"{SETTINGS}_change", args=[assistant.pk]), form_of(assistant, token=new))
        assistant.refresh_from_db()
        assert new not in assistant.token
        assert open_token(assistant=assistant, purpose="test") == new
        assert "set, ends in 6789" in desk.get(reverse(f"{SETTINGS}_change", args=[assistant.pk])).content.decode()

    def test_the_box_removes_it(self, desk, assistant):
        desk.post(reverse(f"{SETTINGS}_change", args=[assistant.pk]), form_of(assistant, clear_token="on"))
        assistant.refresh_from_db()
        assert (assistant.token, assistant.token_hint) == ("", "")

    def test_one_is_made_for_a_tenant_that_has_none(self, desk, beta):
        page = f"{reverse(f'{SETTINGS}_add')}?tenant=beta"
        form = form_of(AssistantSettings(tenant=beta), base_url="http://127.0.0.1:8009/v1", model="m", token=TOKEN)
        with approved("127.0.0.1:8009"):
            assert desk.post(page, form).status_code == 302
        with tenant_scope(beta):
            made = AssistantSettings.objects.get()
            assert (made.tenant, open_token(assistant=made, purpose="test")) == (beta, TOKEN)

    def test_adding_a_second_leads_to_the_first(self, desk, assistant):
        answer = desk.get(f"{reverse(f'{SETTINGS}_add')}?tenant=alfa")
        assert (answer.status_code, answer.url) == (302, reverse(f"{SETTINGS}_change", args=[assistant.pk]))


class TestAnalyses:
    @pytest.fixture(autouse=True)
    def that_morning(self, time_machine, now):
        time_machine.move_to(now)

    @pytest.fixture
    def done(self, ask, clock):
        analysis = ask()
        runs.execute(analysis_id=analysis.pk, now_fn=clock)
        assert Analysis.objects.get().status == "done"
        return Analysis.objects.get(pk=analysis.pk)

    def run_action(self, desk, name, *analyses):
        form = {"action": name, "_selected_action": [str(analysis.pk) for analysis in analyses]}
        return desk.post(ANALYSES, form, follow=True).content.decode()

    def test_the_list_shows_model_and_tokens(self, desk, done):
        text = desk.get(ANALYSES).content.decode()
        assert done.model_answered in text
        assert str(done.prompt_tokens + done.completion_tokens) in text

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"status__exact": "done"}, 1),
            ({"status__exact": "failed"}, 0),
            ({"trigger__exact": "button"}, 1),
            ({"model_requested": "gpt"}, 0),
            ({"q": "stands out"}, 1),
            ({"q": "bananas"}, 0),
        ],
    )
    def test_it_is_filtered_and_searched(self, desk, done, query, found):
        assert desk.get(ANALYSES, query).content.decode().count('class="action-select"') == found

    def test_a_list_asks_as_often_for_many_as_for_one(self, desk, ask, django_assert_max_num_queries):
        for number in range(5):
            ask(question=f"{number}?")
            with django_assert_max_num_queries(14):
                desk.get(ANALYSES)

    def test_its_page_is_to_be_read_with_its_attempts(self, desk, done):
        page = reverse("admin:analyses_analysis_change", args=[done.pk])
        text = desk.get(page).content.decode()
        assert "answered" in text
        assert 'name="_save"' not in text
        assert desk.post(page, {"answer": "better"}).status_code == 403

    def test_one_that_waits_is_cancelled(self, desk, ask):
        analysis = ask()
        assert "is cancelled" in self.run_action(desk, "cancel_chosen", analysis)
        analysis.refresh_from_db()
        assert analysis.status == "cancelled"

    def test_one_is_asked_again(self, desk, staff, done):
        assert "is queued" in self.run_action(desk, "ask_again", done)
        fresh = Analysis.objects.exclude(pk=done.pk).get()
        assert (fresh.question, fresh.requested_by, fresh.tenant_id) == (done.question, staff, done.tenant_id)

    def test_a_hidden_assistant_is_not_asked(self, desk, done):
        AssistantSettings.objects.update(hidden=True)
        assert "There is no assistant here." in self.run_action(desk, "ask_again", done)
        assert Analysis.objects.count() == 1

    def test_staff_who_may_only_look_have_no_actions(self, client_of, done, django_user_model):
        from django.contrib.auth.models import Permission

        looker = django_user_model.objects.create_user("looker", is_staff=True)
        looker.user_permissions.add(Permission.objects.get(codename="view_analysis"))
        text = client_of(looker).get(ANALYSES).content.decode()
        assert done.model_requested in text
        assert "ask_again" not in text


class TestToken:
    """Put one in; read every page and every answer; it is nowhere."""

    def test_it_is_in_no_page_and_no_answer(
        self, desk, client_of, caller, api_key, assistant, ask, ana, boris, alfa, clock
    ):
        runs.execute(analysis_id=ask().pk, now_fn=clock)
        key = api_key(alfa, "read", "analyse", "configure", "ingest")
        spellings = {TOKEN, quote(TOKEN, safe=""), base64.b64encode(TOKEN.encode()).decode(), TOKEN[:-4]}
        read = 0
        for path, text in (*read_admin(desk), *read_api(caller(), key), *read_pages(client_of(ana), client_of(boris))):
            read += 1
            found = {spelling for spelling in spellings if spelling in text}
            assert not found, f"{path} shows the token"
        assert read > 40


def read_admin(desk):
    for row, row_admin in admin.site._registry.items():
        name = f"admin:{row._meta.app_label}_{row._meta.model_name}"
        yield name, desk.get(reverse(f"{name}_changelist")).content.decode()
        for pk in row._base_manager.values_list("pk", flat=True)[:3]:
            for page in ("change", "history", "delete"):
                yield f"{name} {page}", desk.get(reverse(f"{name}_{page}", args=[pk])).content.decode()
        assert row_admin is not None


def read_api(client, key):
    headers = {"Authorization": f"Api-Key {key}"}
    pk = Analysis.objects.get().pk
    paths = [
        "assistant/",
        "assistant/models/",
        "analyses/",
        f"analyses/{pk}/",
        f"analyses/{pk}/slip/",
        "schema/",
        "docs/",
    ]
    for path in paths:
        answer = client.get(f"/api/v1/{path}", headers=headers)
        assert answer.status_code == 200
        yield path, answer.content.decode()
    yield "test/", client.post("/api/v1/assistant/test/", headers=headers).content.decode()
    change = {"temperature": 0.3, "token": TOKEN}
    answer = client.patch("/api/v1/assistant/", change, content_type="application/json", headers=headers)
    assert answer.status_code == 200
    yield "assistant/ after a change", answer.content.decode()


def read_pages(*clients):
    pk = Analysis.objects.get().pk
    for client in clients:
        for path in ("", "analyses/", f"analyses/{pk}/", "assistant/", "ask/", "summaries/", "data/"):
            yield path, client.get(f"/t/alfa/{path}").content.decode()
