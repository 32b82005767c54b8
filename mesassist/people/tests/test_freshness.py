"""The administration opens to staff who showed lately who they are, on a real portal with a second factor."""

import time

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse

from mesassist.people.tests.factors import set_up_app

LIST = reverse("admin:tenants_tenant_changelist")


@pytest.fixture(autouse=True)
def in_the_demo(settings):
    settings.DEBUG = True


def age(client, seconds):
    """Let the proofs of a session be older."""
    session = client.session
    for record in session["account_authentication_methods"]:
        record["at"] -= seconds
    session.save()


class TestFresh:
    def test_it_opens_right_after_signing_in(self, signed_in, staff):
        assert signed_in("admin").get(LIST).status_code == 200

    def test_it_asks_again_after_half_an_hour(self, signed_in, staff):
        client = signed_in("admin")
        age(client, 1801)
        assert client.get(LIST).url == f"/account/confirm/?next={LIST.replace('/', '%2F')}"

    def test_the_password_opens_it_again_where_one_was(self, signed_in, staff):
        client = signed_in("admin")
        age(client, 1801)
        page = client.get(LIST).url
        assert client.post(page, {"password": "wrong"}).status_code == 200
        assert client.get(LIST).status_code == 302
        assert client.post(page, {"password": "demo"}).url == LIST
        assert client.get(LIST).status_code == 200

    def test_guessing_there_is_limited_too(self, signed_in, staff):
        client = signed_in("admin")
        client.cookies.pop("known")
        answers = [client.post("/account/confirm/", {"password": "wrong"}) for _ in range(6)]
        assert "Too many attempts" in answers[-1].content.decode()
        assert "Too many attempts" not in answers[4].content.decode()

    def test_nothing_is_changed_by_a_session_that_is_not_fresh(self, signed_in, staff, alfa):
        client = signed_in("admin")
        age(client, 1801)
        page = reverse("admin:tenants_tenant_change", args=[alfa.pk])
        answer = client.post(page, {"name": "Taken over", "slug": "alfa"})
        assert answer.url.startswith("/account/confirm/")
        alfa.refresh_from_db()
        assert alfa.name == "Alfa Works"

    def test_a_session_without_any_proof_is_not_fresh(self, client, staff):
        client.force_login(staff)
        assert client.get(LIST).status_code == 302

    def test_another_persons_proof_is_none(self, client, ana, staff):
        client.force_login(staff)
        session = client.session
        session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
        session["account_authentication_methods_user"] = str(ana.pk)
        session.save()
        assert client.get(LIST).status_code == 302

    def test_what_a_company_says_of_a_person_is_none(self, signed_in, staff):
        client = signed_in("admin")
        session = client.session
        session["account_authentication_methods"] = [{"method": "socialaccount", "at": time.time()}]
        session.save()
        assert client.get(LIST).status_code == 302


class TestSecondFactor:
    @pytest.fixture(autouse=True)
    def on_a_real_portal(self, settings):
        settings.DEBUG = False

    def test_without_one_staff_is_led_to_set_it_up(self, signed_in, staff):
        assert signed_in("admin").get(LIST).url == reverse("mfa_index")

    def test_with_one_it_opens(self, signed_in, staff):
        client = signed_in("admin")
        set_up_app(staff)
        assert client.get(LIST).status_code == 200

    def test_recovery_codes_alone_are_none(self, signed_in, staff):
        Authenticator.objects.create(user=staff, type=Authenticator.Type.RECOVERY_CODES, data={})
        assert signed_in("admin").get(LIST).url == reverse("mfa_index")


class TestItsOwnSignIn:
    def test_it_is_the_portals(self, client, staff):
        answer = client.get(f"{reverse('admin:login')}?next={LIST}")
        assert answer.url == f"/sign-in/?next={LIST.replace('/', '%2F')}"

    def test_a_password_handed_in_there_opens_nothing(self, client, staff):
        client.post(reverse("admin:login"), {"username": "admin", "password": "demo"})
        assert "_auth_user_id" not in client.session

    def test_it_is_closed_to_members(self, client_of, ana):
        answer = client_of(ana).get(LIST, follow=True)
        assert answer.status_code == 403
        assert "for the platform" in answer.content.decode()
