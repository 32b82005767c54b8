"""The admin of tenants: people get roles, keys are shown once, a tenant's slug stays."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from mesassist.tenants.models import ApiKey, Membership, Role, Tenant, User

pytestmark = pytest.mark.usefixtures("overview")

KEYS = reverse("admin:tenants_apikey_add")


@pytest.fixture
def desk(client_of, staff):
    return client_of(staff)


@pytest.fixture
def new_key(desk, alfa, boris):
    """Makes a key of Alfa in the admin; gives the answering page."""

    def make(**changes):
        form = {"name": "erp-7", "scopes": ["read", "ingest"], "user": boris.pk, "expiry_0": "", "expiry_1": ""}
        form |= {"source": "", "networks": "10.0.0.0/8, 127.0.0.1", "enabled": "on"}
        return desk.post(f"{KEYS}?tenant=alfa", form | changes)

    return make


def text_of(answer):
    return re.search(r'id="new-key">(mes_[0-9a-f]{64})<', answer.content.decode()).group(1)


@pytest.mark.usefixtures("overview")
class TestKeys:
    def test_a_new_key_is_shown_once_and_works(self, new_key, caller, desk):
        answer = new_key()
        key = text_of(answer)
        assert "no-store" in answer.headers["Cache-Control"]
        assert caller().get("/api/v1/machines/", headers={"Authorization": f"Api-Key {key}"}).status_code == 200
        row = ApiKey.objects.get()
        for page in (reverse("admin:tenants_apikey_changelist"), reverse("admin:tenants_apikey_change", args=[row.pk])):
            assert key not in desk.get(page).content.decode()

    def test_neither_cookie_nor_session_keeps_it(self, new_key, desk):
        key = text_of(new_key())
        assert key not in str(desk.cookies)
        assert key not in str(dict(desk.session))

    def test_it_belongs_to_the_chosen_tenant_with_the_ticked_scopes(self, new_key, alfa, boris):
        new_key()
        row = ApiKey.objects.get()
        assert (row.tenant, row.name, row.scopes, row.user, row.expiry) == (
            alfa,
            "erp-7",
            ["read", "ingest"],
            boris,
            None,
        )

    def test_its_networks_are_kept_in_their_usual_form(self, new_key, staff):
        new_key()
        row = ApiKey.objects.get()
        assert (row.networks, row.made_by) == (["10.0.0.0/8", "127.0.0.1/32"], staff)

    def test_rotating_shows_a_second_key_and_lets_the_first_one_end_in_a_week(self, new_key, desk):
        first = text_of(new_key())
        chosen = {"action": "rotate", "_selected_action": [ApiKey.objects.get().pk]}
        second = text_of(desk.post(reverse("admin:tenants_apikey_changelist"), chosen))
        assert first != second
        ends = ApiKey.objects.get(token_key=first[:15]).expiry
        assert 6 <= (ends - timezone.now()).days <= 7
        assert ApiKey.objects.get(token_key=second[:15]).expiry is None

    def test_an_unknown_scope_is_refused(self, new_key):
        assert "not one of the available choices" in new_key(scopes=["read", "everything"]).content.decode()
        assert ApiKey.objects.count() == 0

    @pytest.mark.parametrize("name", ["manual", "manual:ana", "manually", "inference", "inference:idle"])
    def test_a_name_that_would_lend_authority_is_refused(self, new_key, name):
        assert "are kept for the portal" in new_key(name=name).content.decode()
        assert ApiKey.objects.count() == 0

    def test_a_stranger_cannot_be_responsible(self, new_key, carla):
        assert "not one of the available choices" in new_key(user=carla.pk).content.decode()

    def test_saving_it_again_keeps_its_hash(self, new_key, desk, boris):
        new_key()
        row = ApiKey.objects.get()
        change = {"name": "erp-8", "scopes": ["read"], "user": boris.pk, "expiry_0": "", "expiry_1": ""}
        desk.post(reverse("admin:tenants_apikey_change", args=[row.pk]), change)
        kept = ApiKey.objects.get()
        assert (kept.digest, kept.name, kept.scopes) == (row.digest, "erp-8", ["read"])

    def test_deleting_it_ends_it(self, new_key, desk, caller):
        key = text_of(new_key())
        desk.post(reverse("admin:tenants_apikey_delete", args=[ApiKey.objects.get().pk]), {"post": "yes"})
        assert caller().get("/api/v1/machines/", headers={"Authorization": f"Api-Key {key}"}).status_code == 401


class TestPeople:
    def test_a_person_gets_a_role_in_a_tenant(self, desk, vic, beta):
        page = desk.get(reverse("admin:tenants_user_change", args=[vic.pk]))
        form = {name: value for name, value in page.context["adminform"].form.initial.items() if value}
        joined = vic.date_joined
        form |= {"date_joined_0": f"{joined:%Y-%m-%d}", "date_joined_1": f"{joined:%H:%M:%S}", "is_active": "on"}
        membership = Membership.objects.get(user=vic)
        form |= {
            "memberships-TOTAL_FORMS": 2,
            "memberships-INITIAL_FORMS": 1,
            "memberships-0-id": membership.pk,
            "memberships-0-user": vic.pk,
            "memberships-0-tenant": membership.tenant_id,
            "memberships-0-role": Role.VIEWER.value,
            "memberships-1-user": vic.pk,
            "memberships-1-tenant": beta.pk,
            "memberships-1-role": Role.MANAGER.value,
        }
        assert desk.post(reverse("admin:tenants_user_change", args=[vic.pk]), form).status_code == 302
        assert Membership.objects.get(user=vic, tenant=beta).role == Role.MANAGER

    def test_the_list_names_the_memberships_in_the_same_queries_for_one_and_many(
        self, desk, ana, boris, carla, django_assert_max_num_queries
    ):
        for n in range(20):
            Membership.objects.create(
                user=User.objects.create(username=f"p{n}"), tenant=Tenant.objects.first(), role=10
            )
        with django_assert_max_num_queries(10):
            text = desk.get(reverse("admin:tenants_user_changelist")).content.decode()
        assert "Beta Foundry (manager)" in text


class TestTenants:
    def test_a_new_tenant_needs_a_slug_that_fits_an_address(self, desk):
        page = reverse("admin:tenants_tenant_add")
        assert desk.post(page, {"slug": "9 Lives", "name": "Nine"}).status_code == 200
        assert desk.post(page, {"slug": "nine", "name": "Nine"}).status_code == 302
        assert Tenant.objects.get().slug == "nine"

    def test_its_slug_stays(self, desk, alfa):
        desk.post(reverse("admin:tenants_tenant_change", args=[alfa.pk]), {"slug": "other", "name": "Alfa"})
        alfa.refresh_from_db()
        assert (alfa.slug, alfa.name) == ("alfa", "Alfa")

    def test_it_cannot_be_removed_by_a_button(self, desk, alfa):
        assert desk.post(reverse("admin:tenants_tenant_delete", args=[alfa.pk]), {"post": "yes"}).status_code == 403
