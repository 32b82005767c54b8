"""The hall's own pages: the way in and to the plant, alive and ready, and what is shown when something is missing."""

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from mesassist.tenants.models import Membership, Role
from mesassist.tenants.scope import tenant_scope


class TestHome:
    def test_it_asks_the_anonymous_to_sign_in(self, client, db):
        assert client.get("/").url == "/sign-in/?next=/"

    def test_it_leads_straight_to_the_only_plant(self, client_of, ana):
        assert client_of(ana).get("/").url == "/t/alfa/"

    def test_it_offers_a_choice_of_several_plants(self, client_of, ana, beta):
        with tenant_scope(beta):
            Membership.objects.create(user=ana, tenant=beta, role=Role.VIEWER)
        response = client_of(ana).get("/")
        assert [one.tenant.slug for one in response.context["memberships"]] == ["alfa", "beta"]
        assert "/t/beta/" in response.content.decode()

    def test_it_tells_a_person_without_a_plant_whom_to_ask(self, client_of, django_user_model, db):
        nobody = django_user_model.objects.create_user("dora")
        assert "Ask a tenant admin of your plant" in client_of(nobody).get("/").content.decode()


class TestSignIn:
    def test_it_lets_a_person_in_and_out(self, client, ana):
        assert client.post(reverse("sign-in"), {"username": "ana", "password": "demo"}).url == "/"
        assert client.get("/").url == "/t/alfa/"
        client.post(reverse("sign-out"))
        assert client.get("/").url == "/sign-in/?next=/"

    def test_it_refuses_a_wrong_password_without_saying_which_half_was_wrong(self, client, ana):
        answers = [
            client.post(reverse("sign-in"), {"username": name, "password": "wrong"}).context["form"].errors
            for name in ("ana", "nobody")
        ]
        assert answers[0] == answers[1] != {}

    @pytest.mark.parametrize(
        ("demo", "debug", "shown"), [(True, True, True), (True, False, False), (False, True, False)]
    )
    def test_it_names_the_cast_in_the_demo_alone(self, client, db, settings, demo, debug, shown):
        settings.DEMO, settings.DEBUG = demo, debug
        assert ("Demo sign-ins" in client.get(reverse("sign-in")).content.decode()) is shown

    def test_it_wants_its_token(self, ana):
        client = Client(enforce_csrf_checks=True)
        response = client.post(reverse("sign-in"), {"username": "ana", "password": "demo"})
        assert response.status_code == 403
        assert "This form is too old" in response.content.decode()

    def test_it_leads_nowhere_but_here(self, client, ana):
        credentials = {"username": "ana", "password": "demo", "next": "https://example.com/"}
        assert client.post(reverse("sign-in"), credentials).url == "/"


class TestHealth:
    def test_it_is_alive_without_asking_anything(self, client):
        assert client.get("/healthz").content == b"ok"

    def test_it_is_ready(self, client, db):
        response = client.get("/readyz")
        assert (response.status_code, set(response.json().values())) == (200, {"ok"})

    def test_it_is_not_ready_without_redis(self, client, db, settings):
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.json() == {"database": "ok", "redis": "not ready", "migrations": "ok"}

    def test_it_is_not_ready_while_a_migration_is_missing(self, client, db):
        MigrationRecorder(connection).migration_qs.filter(app="sessions").delete()
        response = client.get("/readyz")
        assert (response.status_code, response.json()["migrations"]) == (503, "not ready")


class TestErrors:
    def test_a_missing_page_says_so_in_plain_words(self, client_of, ana):
        response = client_of(ana).get("/t/alfa/no-such-page/")
        assert response.status_code == 404
        assert "There is nothing here" in response.content.decode()

    def test_a_closed_page_names_the_role_that_it_needs(self, client_of, ana):
        response = client_of(ana).get(reverse("analyses:assistant", args=["alfa"]))
        assert response.status_code == 403
        assert "This needs the role manager." in response.content.decode()

    @pytest.mark.parametrize("name", ["404", "403", "403_csrf", "429", "500"])
    def test_each_renders_without_a_request(self, name):
        assert "To the start page" in render_to_string(f"{name}.html")


class TestTheme:
    @pytest.mark.parametrize(("cookie", "expected"), [("dark", True), ("light", False), ('dark" onload="x', False)])
    def test_the_chosen_one_is_drawn_by_the_server(self, client, db, cookie, expected):
        client.cookies["theme"] = cookie
        text = client.get(reverse("sign-in")).content.decode()
        assert ('data-theme="dark"' in text) is expected
        assert 'onload="x' not in text


class TestNotFound:
    @pytest.mark.parametrize("address", ["/nowhere/", "/t/alfa/", "/t/nowhere/"])
    def test_it_looks_in_the_demo_as_on_a_real_portal(self, settings, client_of, carla, alfa, address):
        settings.DEBUG = True
        shown = client_of(carla).get(address)
        assert "There is nothing here" in shown.content.decode()
        assert shown.status_code == 404
