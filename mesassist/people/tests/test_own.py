"""One's own account: second factors, sessions, password and address."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail
from django.urls import reverse

from mesassist.people.tests.factors import code_of, set_up_app
from mesassist.tenants.gates import THROUGH_TENANT
from mesassist.tenants.models import Role

PAGES = ("account", "account_email", "mfa_index", "usersessions_list", "account_change_password")


class TestPages:
    @pytest.mark.parametrize("name", PAGES)
    def test_they_open_to_whoever_signed_in_and_carry_nothing_inline(self, signed_in, ana, name):
        text = signed_in("ana").get(reverse(name)).content.decode()
        assert "<h1>" in text
        assert not re.search(r"\s(style|on[a-z]+)=|<style", text)
        assert all("src=" in tag.split(">")[0] or "application/json" in tag for tag in text.split("<script")[1:])

    @pytest.mark.parametrize("name", PAGES)
    def test_they_ask_the_anonymous_to_sign_in(self, client, db, name):
        assert client.get(reverse(name)).url == f"/sign-in/?next={reverse(name)}"


class TestSecondFactor:
    def test_it_is_set_up_with_a_code_and_gives_recovery_codes(self, signed_in, ana):
        client = signed_in("ana")
        page = reverse("mfa_activate_totp")
        assert "data:image/svg+xml" in client.get(page).content.decode()
        secret = client.session["mfa.totp.secret"]
        answer = client.post(page, {"code": code_of(secret)}, follow=True)
        assert len(re.findall(r'<li class="mono">\d{8}</li>', answer.content.decode())) == 10
        assert secret not in str(list(Authenticator.objects.values()))

    def test_it_is_asked_for_at_signing_in(self, signed_in, ana):
        secret = set_up_app(ana)
        client = signed_in("ana")
        assert client.answer.url == reverse("mfa_authenticate")
        assert client.get("/t/alfa/").status_code == 302
        assert client.post(client.answer.url, {"code": "000000"}).status_code == 200
        assert client.get("/t/alfa/").status_code == 302
        assert client.post(client.answer.url, {"code": code_of(secret)}).url == "/"
        assert client.get("/t/alfa/").status_code == 200

    def test_a_code_works_once(self, signed_in, ana):
        code = code_of(set_up_app(ana))
        for expected in (302, 200):
            client = signed_in("ana")
            assert client.post(client.answer.url, {"code": code}).status_code == expected

    def test_guessing_codes_ends_after_five(self, signed_in, ana):
        secret = set_up_app(ana)
        client = signed_in("ana")
        for _ in range(5):
            client.post(client.answer.url, {"code": "000000"})
        answer = client.post(client.answer.url, {"code": code_of(secret)})
        assert "Too many attempts" in answer.content.decode()

    def test_a_recovery_code_stands_in_once(self, signed_in, ana):
        from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes

        set_up_app(ana)
        code = RecoveryCodes.activate(ana).generate_codes()[0]
        for expected in (302, 200):
            client = signed_in("ana")
            assert client.post(client.answer.url, {"code": code}).status_code == expected

    @pytest.mark.parametrize("name", ["mfa_activate_totp", "mfa_add_webauthn", "mfa_generate_recovery_codes"])
    def test_changing_it_needs_a_fresh_proof(self, signed_in, ana, name):
        client = signed_in("ana")
        session = client.session
        session["account_authentication_methods"][0]["at"] -= 901
        session.save()
        assert client.get(reverse(name)).url.startswith("/account/confirm/")


class TestTenantsPolicy:
    @pytest.fixture
    def asked(self, alfa):
        alfa.requires_second_factor = True
        alfa.save()

    def test_without_one_a_member_is_led_to_set_it_up(self, signed_in, ana, asked):
        client = signed_in("ana")
        assert client.get("/t/alfa/").url == reverse("mfa_index")
        assert "Alfa Works asks its members for a second factor." in client.get("/account/factors/").content.decode()

    def test_neither_fragment_nor_api_goes_round_it(self, signed_in, ana, asked):
        client = signed_in("ana")
        fragment = client.get("/t/alfa/", headers={"HX-Request": "true"})
        assert fragment.headers["HX-Redirect"] == reverse("mfa_index")
        answer = client.get("/api/v1/machines/", headers={"X-Tenant": "alfa"})
        assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")

    def test_with_one_the_plant_opens(self, client_of, ana, asked):
        set_up_app(ana)
        assert client_of(ana).get("/t/alfa/").status_code == 200

    def test_another_plant_is_not_touched(self, client_of, carla, asked):
        assert client_of(carla).get("/t/beta/").status_code == 200

    def test_a_stranger_learns_nothing_of_it(self, client_of, carla, asked):
        assert client_of(carla).get("/t/alfa/").status_code == 404

    def test_a_tenant_admin_switches_it_on(self, client_of, tessa, alfa):
        client_of(tessa).post(reverse("people:policy", args=["alfa"]), {"requires_second_factor": "on"})
        alfa.refresh_from_db()
        assert alfa.requires_second_factor


class TestSessions:
    def test_each_is_listed_with_its_browser_and_address(self, signed_in, ana):
        agent = "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0"
        signed_in("ana", ip="10.1.2.3", HTTP_USER_AGENT=agent)
        text = signed_in("ana").get(reverse("usersessions_list")).content.decode()
        assert ("Firefox on Windows" in text, "from 10.1.2.3" in text, text.count("this one")) == (True, True, 1)

    def test_an_ended_one_opens_nothing_with_its_next_request(self, signed_in, ana):
        lost, own = signed_in("ana"), signed_in("ana")
        (row,) = ana.usersession_set.filter(session_key=lost.session.session_key)
        own.post(reverse("session-end", args=[row.pk]))
        assert (lost.get("/t/alfa/").status_code, own.get("/t/alfa/").status_code) == (302, 200)

    def test_all_others_end_at_once(self, signed_in, ana):
        others, own = [signed_in("ana") for _ in range(2)], signed_in("ana")
        own.post(reverse("sessions-end-others"))
        assert [one.get("/t/alfa/").status_code for one in [*others, own]] == [302, 302, 200]

    def test_nobody_ends_anothers(self, signed_in, ana, boris):
        hers, his = signed_in("ana"), signed_in("boris")
        (row,) = ana.usersession_set.all()
        assert his.post(reverse("session-end", args=[row.pk])).status_code == 404
        assert hers.get("/t/alfa/").status_code == 200

    def test_another_password_ends_all_others(self, signed_in, ana):
        other, own = signed_in("ana"), signed_in("ana")
        new = {"oldpassword": "demo", "password1": "a sentence of my own", "password2": "a sentence of my own"}
        assert own.post(reverse("account_change_password"), new).status_code == 302
        assert (other.get("/t/alfa/").status_code, own.get("/t/alfa/").status_code) == (302, 200)


class TestAddress:
    def test_a_new_one_counts_once_the_link_was_opened(self, signed_in, ana):
        client = signed_in("ana")
        client.post(reverse("account_email"), {"email": "ana@new.example", "action_add": ""})
        assert not EmailAddress.objects.filter(email="ana@new.example", verified=True).exists()
        link = re.search(r"http://testserver(/email/confirm/\S+)", mail.outbox[0].body).group(1)
        client.post(link)
        assert EmailAddress.objects.filter(email="ana@new.example", verified=True).exists()


class TestCompanySignIn:
    def through(self, client, tenant):
        session = client.session
        session[THROUGH_TENANT] = tenant.pk
        session.save()

    @pytest.mark.parametrize(
        "name", ["account_email", "account_change_password", "mfa_index", "mfa_activate_totp", "mfa_add_webauthn"]
    )
    def test_it_changes_neither_password_nor_address_nor_factor(self, signed_in, ana, alfa, name):
        client = signed_in("ana")
        self.through(client, alfa)
        assert client.get(reverse(name)).status_code == 403

    @pytest.mark.parametrize("name", ["account", "usersessions_list"])
    def test_it_sees_the_account_and_its_sessions(self, signed_in, ana, alfa, name):
        client = signed_in("ana")
        self.through(client, alfa)
        assert client.get(reverse(name)).status_code == 200

    def test_it_opens_no_other_plant(self, signed_in, ana, alfa, beta, member):
        from mesassist.tenants.models import Membership
        from mesassist.tenants.scope import tenant_scope

        with tenant_scope(beta):
            Membership.objects.create(user=ana, tenant=beta, role=Role.MANAGER)
        client = signed_in("ana")
        self.through(client, alfa)
        assert (client.get("/t/alfa/").status_code, client.get("/t/beta/").status_code) == (200, 403)
        answer = client.get("/api/v1/machines/", headers={"X-Tenant": "beta"})
        assert (answer.status_code, answer.json()["code"]) == (403, "other_sign_in")
