"""Joining by an invitation's link: once, for a week, as a new person or with the account that one has."""

import datetime as dt

import pytest
from allauth.account.models import EmailAddress
from django.core import signing
from django.utils import timezone

from mesassist.people.invitations import SIGNER, invite_person
from mesassist.tenants.gates import THROUGH_TENANT
from mesassist.tenants.models import Invitation, Membership, Role
from mesassist.tenants.scope import tenant_scope

NEW = {"name": "Nora Lind", "password": "a sentence that nobody guesses", "again": "a sentence that nobody guesses"}


@pytest.fixture
def link(alfa, tessa):
    with tenant_scope(alfa):
        _, token = invite_person(
            tenant=alfa, email="nora@example.com", role=Role.OPERATOR, invited_by=tessa, now=timezone.now()
        )
    return f"/join/{token}/"


def roles(person, tenant):
    with tenant_scope(tenant):
        return list(Membership.objects.filter(user=person, tenant=tenant).values_list("role", flat=True))


class TestNewPerson:
    def test_joins_with_a_name_and_a_password(self, client, link, alfa, django_user_model):
        assert client.post(link, NEW).url == "/t/alfa/"
        nora = django_user_model.objects.get(email="nora@example.com")
        assert (nora.username, nora.first_name, roles(nora, alfa)) == ("nora", "Nora Lind", [Role.OPERATOR])
        assert client.get("/t/alfa/").status_code == 200

    @pytest.mark.parametrize("mailed", [True, False])
    def test_the_address_is_proved_only_if_the_portal_mailed_the_link_there(self, client, link, alfa, mailed):
        with tenant_scope(alfa):
            Invitation.objects.update(mailed=mailed)
        client.post(link, NEW)
        assert EmailAddress.objects.get(email="nora@example.com").verified is mailed

    def test_an_address_that_somebody_only_claims_does_not_stand_in_the_way(self, client, link, ana):
        ana.email = "nora@example.com"
        ana.save()
        EmailAddress.objects.create(user=ana, email="nora@example.com", verified=False)
        assert client.post(link, NEW).url == "/t/alfa/"

    def test_the_link_works_once(self, client, caller, link, django_user_model):
        client.post(link, NEW)
        assert (caller().get(link).status_code, caller().post(link, NEW).status_code) == (410, 410)
        assert django_user_model.objects.filter(email="nora@example.com").count() == 1

    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            ({"password": "short", "again": "short"}, "at least 12 characters"),
            ({"password": "password1234", "again": "password1234"}, "too common"),
            ({"password": "nora@example.com", "again": "nora@example.com"}, "too similar"),
            ({"again": "another sentence"}, "differs"),
            ({"name": ""}, "required"),
        ],
    )
    def test_a_poor_password_is_refused_and_nothing_is_used_up(
        self, client, link, changes, complaint, django_user_model
    ):
        answer = client.post(link, NEW | changes)
        assert (answer.status_code, complaint in answer.content.decode()) == (400, True)
        assert not django_user_model.objects.filter(email="nora@example.com").exists()
        assert client.post(link, NEW).status_code == 302

    def test_a_name_that_is_taken_gets_another(self, client, link, django_user_model):
        django_user_model.objects.create_user("nora")
        client.post(link, NEW)
        assert django_user_model.objects.get(email="nora@example.com").username != "nora"


class TestKnownPerson:
    def test_signs_in_first(self, client, link, ana):
        EmailAddress.objects.create(user=ana, email="nora@example.com", verified=True)
        text = client.get(link).content.decode()
        assert ("Sign in with it" in text, 'name="password"' in text) == (True, False)
        assert client.post(link, NEW).status_code == 200
        assert client.session.get("_auth_user_id") is None

    def test_then_joins_with_one_click(self, client_of, link, carla, alfa):
        client = client_of(carla)
        assert "Join as carla" in client.get(link).content.decode()
        assert client.post(link).url == "/t/alfa/"
        assert roles(carla, alfa) == [Role.OPERATOR]

    def test_looking_at_it_joins_nobody(self, client_of, link, carla, alfa):
        client_of(carla).get(link)
        assert roles(carla, alfa) == []

    def test_a_member_keeps_the_role(self, client_of, link, boris, alfa):
        client_of(boris).post(link)
        assert roles(boris, alfa) == [Role.MANAGER]

    def test_another_tenants_sign_in_joins_nobody_here(self, client_of, link, carla, alfa, beta):
        client = client_of(carla)
        session = client.session
        session[THROUGH_TENANT] = beta.pk
        session.save()
        assert client.post(link).status_code == 403
        assert roles(carla, alfa) == []


class TestToken:
    def change(self, alfa, **fields):
        with tenant_scope(alfa):
            Invitation.objects.update(**fields)

    def test_it_runs_out(self, client, link, alfa):
        self.change(alfa, expires_at=timezone.now() - dt.timedelta(seconds=1))
        assert client.get(link).status_code == 410

    def test_its_signature_runs_out_too(self, client, link, alfa, monkeypatch):
        self.change(alfa, expires_at=timezone.now() + dt.timedelta(days=400))
        assert client.get(link).status_code == 200
        monkeypatch.setattr("mesassist.people.invitations.VALID_FOR", dt.timedelta(seconds=-1))
        assert client.get(link).status_code == 410

    def test_a_forged_one_opens_nothing(self, client, link):
        secret = link.split("/")[2].split(":")[0]
        forged = [
            f"/join/{secret}/",
            f"/join/{signing.TimestampSigner(salt='another').sign(secret)}/",
            f"/join/{SIGNER.sign('guess')}/",
            link[:-3] + ("AA/" if link[-3:] != "AA/" else "BB/"),
        ]
        assert {client.get(path).status_code for path in forged} == {410}

    def test_only_its_digest_is_stored(self, link, alfa):
        secret = link.split("/")[2].split(":")[0]
        with tenant_scope(alfa):
            assert secret not in str(Invitation.objects.values().get())
