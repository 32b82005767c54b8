"""The way in, as whole requests: right and wrong passwords, limits, and where one is led afterwards."""

import time

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import override_settings
from django.urls import reverse

from mesassist.people import cache as steady

SIGN_IN = reverse("sign-in")


def attempt(client, name="ana", password="wrong"):
    return client.post(SIGN_IN, {"username": name, "password": password})


def said(answer):
    return [str(error) for error in answer.context["form"].non_field_errors()]


class TestSignIn:
    @pytest.mark.parametrize("name", ["ana", "ana@alfa.example", "ANA@alfa.example"])
    def test_it_takes_the_user_name_or_the_address(self, client, ana, name):
        EmailAddress.objects.create(user=ana, email="ana@alfa.example", verified=True, primary=True)
        assert attempt(client, name, "demo").url == "/"

    def test_an_address_that_two_accounts_claim_without_proof_opens_neither(self, client, ana, boris):
        for person in (ana, boris):
            person.email = "shared@alfa.example"
            person.save()
        assert attempt(client, "shared@alfa.example", "demo").status_code == 200

    def test_whoever_confirmed_the_address_is_who_it_means(self, client, ana, carla):
        ana.email = carla.email = "carla@beta.example"
        ana.save()
        carla.save()
        EmailAddress.objects.create(user=carla, email="carla@beta.example", verified=True)
        attempt(client, "carla@beta.example", "demo")
        assert client.session["_auth_user_id"] == str(carla.pk)

    def test_the_session_gets_another_key(self, client, ana):
        client.get(SIGN_IN)
        session = client.session
        session["before"] = 1
        session.save()
        before = session.session_key
        client.cookies["sessionid"] = before
        attempt(client, "ana", "demo")
        assert client.cookies["sessionid"].value != before

    def test_a_deactivated_account_hears_the_same_as_a_wrong_password(self, client, ana):
        ana.is_active = False
        ana.save()
        assert said(attempt(client, "ana", "demo")) == said(attempt(client, "ana", "wrong")) != []

    @pytest.mark.parametrize("target", ["https://example.com/", "//example.com", "http://localhost:1/", "javascript:1"])
    def test_it_leads_nowhere_but_here(self, client, ana, target):
        answer = client.post(f"{SIGN_IN}?next={target}", {"username": "ana", "password": "demo", "next": target})
        assert answer.url == "/"

    def test_it_leads_where_one_wanted_to_go(self, client, ana):
        answer = client.post(SIGN_IN, {"username": "ana", "password": "demo", "next": "/t/alfa/summaries/"})
        assert answer.url == "/t/alfa/summaries/"


class TestLimits:
    def test_guessing_one_account_from_one_address_ends_after_five(self, signed_in, ana):
        client = signed_in("nobody-yet", ip="10.0.0.1")
        statuses = [attempt(client).status_code for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2

    def test_the_right_password_helps_no_more_then(self, caller, ana):
        client = caller(REMOTE_ADDR="10.0.0.1")
        for _ in range(5):
            attempt(client)
        assert attempt(client, "ana", "demo").status_code == 429

    def test_the_owner_gets_in_from_elsewhere_meanwhile(self, caller, ana):
        guesser = caller(REMOTE_ADDR="10.0.0.1")
        for _ in range(40):
            attempt(guesser)
        assert attempt(caller(REMOTE_ADDR="10.0.0.2"), "ana", "demo").url == "/"

    def test_an_unknown_name_is_limited_alike_and_hears_the_same(self, caller, ana):
        known, unknown = ([attempt(caller(REMOTE_ADDR="10.0.0.1"), name) for _ in range(7)] for name in ("ana", "nix"))
        assert [(answer.status_code, said(answer)) for answer in known] == [
            (answer.status_code, said(answer)) for answer in unknown
        ]

    def test_its_name_and_its_address_are_one_account(self, caller, ana):
        EmailAddress.objects.create(user=ana, email="ana@alfa.example", verified=True)
        client = caller(REMOTE_ADDR="10.0.0.1")
        names = ["ana", "ana@alfa.example", "ANA@ALFA.example"] * 2
        assert [attempt(client, name).status_code for name in names] == [200] * 5 + [429]

    def test_one_address_does_not_try_account_after_account(self, caller, db):
        client = caller(REMOTE_ADDR="10.0.0.1")
        assert [attempt(client, f"p{n}").status_code for n in range(21)] == [200] * 20 + [429]

    def test_many_addresses_do_not_try_one_account_for_ever(self, caller, ana):
        statuses = [attempt(caller(REMOTE_ADDR=f"10.0.1.{n}")).status_code for n in range(26)]
        assert statuses == [200] * 25 + [429]

    def test_a_browser_that_knows_the_account_gets_in_all_the_same(self, signed_in, caller, ana):
        own = signed_in("ana", ip="10.0.0.2")
        own.post(reverse("sign-out"))
        for n in range(26):
            attempt(caller(REMOTE_ADDR=f"10.0.1.{n}"))
        assert attempt(caller(REMOTE_ADDR="10.0.0.3"), "ana", "demo").status_code == 429
        assert attempt(own, "ana", "demo").url == "/"

    def test_a_known_browser_does_not_guess_for_ever(self, signed_in, ana):
        own = signed_in("ana")
        own.post(reverse("sign-out"))
        assert [attempt(own).status_code for _ in range(11)] == [200] * 10 + [429]

    def test_a_browser_does_not_make_itself_known(self, caller, ana):
        client = caller(REMOTE_ADDR="10.0.0.1")
        client.cookies["known"] = f"{ana.pk}:forged"
        assert [attempt(client).status_code for _ in range(6)] == [200] * 5 + [429]

    def test_everybody_together_has_a_budget(self, caller, db, monkeypatch):
        monkeypatch.setitem(steady_rates(), "tried_everywhere", "3/m/key")
        statuses = [attempt(caller(REMOTE_ADDR=f"10.0.2.{n}"), f"p{n}").status_code for n in range(4)]
        assert statuses == [200, 200, 200, 429]

    def test_coming_in_rightly_uses_nothing_up(self, caller, ana):
        for _ in range(8):
            assert attempt(caller(REMOTE_ADDR="10.0.0.1"), "ana", "demo").status_code == 302

    def test_an_address_that_a_stranger_made_up_is_not_believed(self, caller, ana):
        statuses = [
            attempt(caller(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=f"10.9.9.{n}")).status_code for n in range(6)
        ]
        assert statuses == [200] * 5 + [429]


def steady_rates():
    from mesassist.people import limits

    return limits.RATES


class TestWithoutRedis:
    @pytest.fixture(autouse=True)
    def away(self, monkeypatch):
        monkeypatch.setattr(steady, "_away_until", time.monotonic() + 600)

    def test_people_still_come_in(self, client, ana):
        assert attempt(client, "ana", "demo").url == "/"

    def test_guessing_ends_sooner(self, caller, ana):
        client = caller(REMOTE_ADDR="10.0.0.1")
        assert [attempt(client).status_code for _ in range(3)] == [200, 200, 429]


class TestRedisThatDies:
    def test_the_request_that_notices_goes_on(self, client, ana, settings, monkeypatch):
        monkeypatch.setattr(steady, "_away_until", 0.0)
        cache = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
        with override_settings(CACHES={"default": cache}):
            assert attempt(client, "ana", "demo").url == "/"
        assert steady.redis_is_away()


class TestTheClock:
    def test_an_unknown_name_costs_as_much_as_a_known_one(self, ana, settings, rf):
        from mesassist.people.backend import OneHashBackend

        settings.PASSWORD_HASHERS = ["mesassist.people.tests.hashers.CountingHasher"]
        from mesassist.people.tests.hashers import CountingHasher

        ana.set_password("demo")
        ana.save()
        EmailAddress.objects.create(user=ana, email="ana@alfa.example", verified=True)
        counts = []
        for name in ("ana", "ana@alfa.example", "nobody", "nobody@alfa.example"):
            CountingHasher.hashed = 0
            OneHashBackend().authenticate(rf.post("/"), username=name, email=name, password="wrong")
            counts.append(CountingHasher.hashed)
        assert counts == [1, 1, 1, 1]


class TestForgottenPassword:
    def test_without_mail_it_says_whom_to_ask(self, client, db, settings):
        settings.MAIL_REACHES_PEOPLE, settings.PORTAL_CONTACT = False, "the IT desk, extension 12"
        text = client.get(reverse("account_reset_password")).content.decode()
        assert "the IT desk, extension 12" in text
        assert '<form method="post" class="stack"' not in text

    def test_it_says_the_same_to_a_known_and_an_unknown_address(self, client, ana, settings):
        settings.MAIL_REACHES_PEOPLE = True
        EmailAddress.objects.create(user=ana, email="ana@alfa.example", verified=True, primary=True)
        page = reverse("account_reset_password")
        answers = [client.post(page, {"email": f"{name}@alfa.example"}) for name in ("ana", "nobody")]
        assert {(answer.status_code, answer.url) for answer in answers} == {(302, "/password/reset/sent/")}
        assert [message.to for message in mail.outbox] == [["ana@alfa.example"]]

    def test_the_link_works_once(self, client, caller, ana, settings):
        settings.MAIL_REACHES_PEOPLE = True
        EmailAddress.objects.create(user=ana, email="ana@alfa.example", verified=True, primary=True)
        client.post(reverse("account_reset_password"), {"email": "ana@alfa.example"})
        link = next(line for line in mail.outbox[0].body.splitlines() if "/password/reset/" in line)
        form = client.get(link, follow=True)
        new = {"password1": "a long sentence of hers", "password2": "a long sentence of hers"}
        assert client.post(form.redirect_chain[-1][0], new).status_code == 302
        assert attempt(caller(), "ana", "a long sentence of hers").url == "/"
        assert "was used already" in caller().get(link, follow=True).content.decode()


class TestSigningUp:
    def test_there_is_none(self, client, db, django_user_model):
        page = reverse("account_signup")
        assert "by invitation" in client.get(page).content.decode()
        assert client.post(page, {"username": "x", "email": "x@x.example"}).status_code == 405
        assert django_user_model.objects.count() == 0
