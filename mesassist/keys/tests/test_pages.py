"""The pages of API keys: shown once, found again by their first signs, ended only when asked twice."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from conftest import make_member
from mesassist.tenants.models import ApiKey, Role
from mesassist.tenants.scope import tenant_scope

FORM = {"name": "erp-7", "scopes": ["ingest", "read"], "source": "", "networks": "", "ends": "365"}


@pytest.fixture
def ada(alfa):
    """Alfa's tenant admin."""
    return make_member("ada", alfa, Role.TENANT_ADMIN)


@pytest.fixture
def desk(client_of, ada):
    return client_of(ada)


@pytest.fixture
def page():
    def address(name, key=None, tenant="alfa"):
        return reverse(f"keys:{name}", args=[tenant, key.token_key] if key else [tenant])

    return address


def only_key(alfa):
    with tenant_scope(alfa):
        return ApiKey.objects.select_related("user").get()


@pytest.fixture
def made(desk, page, alfa):
    """A key of Alfa's and its text as the page showed it."""
    answer = desk.post(page("key-new"), FORM)
    return only_key(alfa), answer.context["text"]


class TestMaking:
    def test_the_key_is_shown_once_and_works(self, made, desk, page, caller):
        key, text = made
        assert (key.name, key.scopes, key.user.username, key.made_by_id) == (
            "erp-7",
            ["ingest", "read"],
            "ada",
            key.user_id,
        )
        assert 360 < (key.expiry - timezone.now()).days < 366
        assert caller().get("/api/v1/machines/", headers={"Authorization": f"Api-Key {text}"}).status_code == 200
        listed = desk.get(page("keys")).content.decode()
        assert key.token_key in listed
        assert text not in listed

    def test_the_page_with_it_is_kept_by_nobody(self, desk, page, alfa):
        answer = desk.post(page("key-new"), FORM)
        assert answer.status_code == 200
        assert "no-store" in answer.headers["Cache-Control"]
        text = answer.context["text"]
        assert answer.content.decode().count(text) == 1
        assert text not in str(desk.session.items())
        assert text not in str(answer.cookies)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": ""}, "name"),
            ({"name": "manual:me"}, "name"),
            ({"source": "inference"}, "source"),
            ({"scopes": []}, "scopes"),
            ({"scopes": ["everything"]}, "scopes"),
            ({"networks": "10.0.0.0/99"}, "networks"),
            ({"ends": "4000"}, "ends"),
        ],
    )
    def test_what_cannot_be_is_told_at_its_field(self, desk, page, alfa, change, field):
        answer = desk.post(page("key-new"), FORM | change)
        assert (answer.status_code, list(answer.context["form"].errors)) == (400, [field])
        with tenant_scope(alfa):
            assert not ApiKey.objects.exists()

    def test_it_may_be_narrow_and_last(self, desk, page, alfa):
        desk.post(page("key-new"), FORM | {"source": "line-3", "networks": "10.0.0.0/8\n192.168.1.7", "ends": ""})
        key = only_key(alfa)
        assert (key.source, key.networks, key.expiry) == ("line-3", ["10.0.0.0/8", "192.168.1.7/32"], None)


class TestRotating:
    def test_the_second_key_is_shown_and_the_first_one_ends_later(self, made, desk, page, alfa):
        key, text = made
        answer = desk.post(page("key-rotate", key), {"overlap": "7"})
        assert answer.status_code == 200
        assert answer.context["text"] != text
        with tenant_scope(alfa):
            ends = ApiKey.objects.get(token_key=key.token_key).expiry
            assert ApiKey.objects.count() == 2
        assert 6 <= (ends - timezone.now()).days <= 7

    def test_asking_changes_nothing(self, made, desk, page, alfa):
        key, _ = made
        assert desk.get(page("key-rotate", key)).status_code == 200
        assert desk.post(page("key-rotate", key), {"overlap": "9999"}).status_code == 400
        assert only_key(alfa).expiry == key.expiry


class TestEnding:
    def test_it_asks_before_it_revokes(self, made, desk, page, alfa, caller):
        key, text = made
        assert key.token_key in desk.get(page("key-revoke", key)).content.decode()
        assert only_key(alfa) == key
        assert desk.post(page("key-revoke", key)).status_code == 302
        assert caller().get("/api/v1/machines/", headers={"Authorization": f"Api-Key {text}"}).status_code == 401

    def test_a_paused_one_opens_nothing_until_it_is_resumed(self, made, desk, page, caller):
        key, text = made
        said = []
        for _ in range(2):
            desk.post(page("key-pause", key))
            said.append(caller().get("/api/v1/machines/", headers={"Authorization": f"Api-Key {text}"}).status_code)
        assert said == [401, 200]

    def test_looking_at_the_address_pauses_nothing(self, made, desk, page, alfa):
        assert desk.get(page("key-pause", made[0])).status_code == 405
        assert only_key(alfa).enabled


class TestOthers:
    def test_a_manager_is_told_whom_to_ask(self, client_of, boris, page):
        answer = client_of(boris).get(page("keys"))
        assert answer.status_code == 403
        assert "tenant admin" in answer.content.decode()

    @pytest.mark.parametrize("name", ["key-rotate", "key-pause", "key-revoke"])
    def test_another_tenants_admin_finds_no_such_key(self, made, client_of, beta, page, name):
        key, _ = made
        bea = client_of(make_member("bea", beta, Role.TENANT_ADMIN))
        assert bea.post(page(name, key, tenant="beta"), {"overlap": "7"}).status_code == 404
        assert bea.post(page(name, key), {"overlap": "7"}).status_code == 404

    def test_the_list_costs_the_same_for_one_and_for_five(self, made, desk, page, alfa, ada):
        def cost():
            with CaptureQueriesContext(connection) as queries:
                desk.get(page("keys"))
            return len(queries)

        desk.get(page("keys"))
        for_one = cost()
        with tenant_scope(alfa):
            for number in range(4):
                ApiKey.objects.create(ada, tenant=alfa, name=f"k{number}", scopes=["read"], made_by=ada)
        assert cost() == for_one
