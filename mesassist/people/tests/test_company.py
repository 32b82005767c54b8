"""A plant's own sign-in against a real issuer over HTTP: who comes in, who does not, and where it leads.

Alfa trusts the issuer for alfa.example. Whoever runs the issuer can make it say anything.
"""

import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.urls import reverse

from mesassist.people.tests.issuer import SECRET, STRANGE_KEY, running_issuer
from mesassist.tenants.gates import THROUGH_TENANT
from mesassist.tenants.models import IdentityProvider, Membership, Role, User
from mesassist.tenants.scope import tenant_scope
from mesassist.tenants.sealed import put_secret
from mesassist.tenants.tests.approving import approved


@pytest.fixture
def issuer():
    with running_issuer() as server, approved(server.url):
        yield server


def trust(tenant, issuer, **fields):
    with tenant_scope(tenant):
        values = {"name": "Alfa ID", "issuer": issuer.url, "client_id": "mes", "domains": ["alfa.example"]}
        row = IdentityProvider(tenant=tenant, **(values | fields))
        put_secret(row, "client_secret", SECRET)
        row.save()
    return row


@pytest.fixture
def provider(alfa, issuer):
    return trust(alfa, issuer, creates_members=True)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args):
        return None


def ask_issuer(address):
    """What the issuer makes the browser open next."""
    try:
        urllib.request.build_opener(NoRedirect).open(address)
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.headers["Location"]
    raise AssertionError("the issuer did not send the browser back")


def come_in(client, tenant="alfa", **query):
    """The whole way: our button, the issuer, and back; the answer to coming back."""
    start = client.get(reverse("people:company-go", args=[tenant]), query)
    back = urlsplit(ask_issuer(start.url))
    return client.get(f"{back.path}?{back.query}")


def prove(person, email):
    EmailAddress.objects.create(user=person, email=email, verified=True, primary=True)


def role_of(person, tenant):
    with tenant_scope(tenant):
        return Membership.objects.filter(user=person, tenant=tenant).values_list("role", flat=True).first()


def is_in(client):
    return "_auth_user_id" in client.session


class TestComingIn:
    def test_somebody_new_becomes_a_member_with_the_default_role(self, client, provider, alfa):
        assert come_in(client).url == "/t/alfa/"
        nora = User.objects.get(username="nora")
        assert (nora.first_name, nora.has_usable_password(), role_of(nora, alfa)) == ("Nora Lind", False, Role.VIEWER)
        assert client.get("/t/alfa/").status_code == 200

    def test_the_second_time_it_is_the_same_account(self, client, caller, provider):
        come_in(client)
        come_in(caller())
        assert (User.objects.count(), SocialAccount.objects.count()) == (1, 1)

    def test_a_member_whose_address_is_proved_comes_in_as_itself(self, client, provider, ana, alfa):
        prove(ana, "nora@alfa.example")
        come_in(client)
        assert client.session["_auth_user_id"] == str(ana.pk)
        assert role_of(ana, alfa) == Role.OPERATOR

    def test_it_leads_where_one_wanted_to_go_and_nowhere_else(self, client, caller, provider):
        assert come_in(client, next="/t/alfa/summaries/").url == "/t/alfa/summaries/"
        assert come_in(caller(), next="https://example.com/").url == "/t/alfa/"

    def test_the_address_may_be_told_on_asking_only(self, client, provider, issuer):
        issuer.lie = {"email": None, "email_verified": None}
        assert come_in(client).url == "/t/alfa/"

    def test_a_plant_without_one_looks_like_no_plant(self, client, alfa, db):
        answers = [client.get(reverse("people:sign-in-here", args=[slug])) for slug in ("alfa", "nowhere")]
        assert {(answer.status_code, answer.url) for answer in answers} == {(302, "/sign-in/")}

    def test_a_link_on_another_site_starts_at_our_page(self, client, provider):
        answer = client.get(reverse("people:company-go", args=["alfa"]), headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.url == reverse("people:sign-in-here", args=["alfa"])

    def test_switched_off_it_opens_nothing(self, client, provider, alfa):
        with tenant_scope(alfa):
            IdentityProvider.objects.update(enabled=False)
        assert client.get(reverse("people:company-go", args=["alfa"])).url == "/sign-in/"


class TestWhoStaysOut:
    @pytest.mark.parametrize(
        "person",
        [
            {"email_verified": False},
            {"email_verified": None},
            {"email_verified": "false"},
            {"email": "nora@beta.example"},
            {"email": "nora@notalfa.example"},
            {"email": "nora@alfa.example.evil.example"},
            {"email": '"nora@beta.example"@evil.example'},
            {"email": None},
        ],
        ids=str,
    )
    def test_who_is_of_another_domain_or_not_verified(self, client, provider, issuer, person):
        issuer.person |= person
        assert come_in(client).status_code == 403
        assert (is_in(client), User.objects.count()) == (False, 0)

    def test_who_is_new_where_members_are_invited(self, client, alfa, issuer):
        trust(alfa, issuer)
        assert come_in(client).status_code == 403
        assert User.objects.count() == 0

    def test_whoever_is_a_member_elsewhere_too(self, client, provider, ana, beta):
        prove(ana, "nora@alfa.example")
        with tenant_scope(beta):
            Membership.objects.create(user=ana, tenant=beta, role=Role.MANAGER)
        assert come_in(client).status_code == 403
        assert not is_in(client)

    def test_another_tenants_people_whatever_the_issuer_says(self, client, alfa, issuer, carla):
        trust(alfa, issuer, domains=["beta.example"], creates_members=True)
        prove(carla, "carla@beta.example")
        issuer.person |= {"email": "carla@beta.example"}
        assert come_in(client).status_code == 403
        assert (is_in(client), role_of(carla, alfa)) == (False, None)

    def test_platform_staff(self, client, provider, staff, alfa):
        prove(staff, "nora@alfa.example")
        with tenant_scope(alfa):
            Membership.objects.create(user=staff, tenant=alfa, role=Role.VIEWER)
        assert come_in(client).status_code == 403

    def test_who_was_removed(self, client, caller, provider, alfa):
        come_in(client)
        with tenant_scope(alfa):
            Membership.objects.all().delete()
        assert come_in(caller()).status_code == 403
        assert client.get("/t/alfa/").status_code == 404

    def test_who_was_switched_off(self, client, caller, provider):
        come_in(client)
        User.objects.update(is_active=False)
        assert come_in(caller()).status_code == 403

    def test_the_same_subject_at_another_issuer(self, client, caller, provider, alfa, issuer):
        come_in(client)
        with running_issuer() as other, approved(other.url):
            with tenant_scope(alfa):
                IdentityProvider.objects.update(issuer=other.url, creates_members=False)
            assert come_in(caller()).status_code == 403

    def test_an_address_that_somebody_only_claims_links_nothing(self, client, provider, ana):
        ana.email = "nora@alfa.example"
        ana.save()
        EmailAddress.objects.create(user=ana, email="nora@alfa.example", verified=False)
        come_in(client)
        assert client.session["_auth_user_id"] != str(ana.pk)


class TestWhatItIsWorth:
    def test_the_session_is_the_plants(self, client, provider, alfa, beta):
        come_in(client)
        assert client.session[THROUGH_TENANT] == alfa.pk
        nora = User.objects.get()
        with tenant_scope(beta):
            Membership.objects.create(user=nora, tenant=beta, role=Role.MANAGER)
        assert (client.get("/t/alfa/").status_code, client.get("/t/beta/").status_code) == (200, 403)

    @pytest.mark.parametrize(
        "name", ["account_set_password", "account_email", "mfa_index", "mfa_activate_totp", "mfa_add_webauthn"]
    )
    def test_it_plants_no_password_or_factor(self, client, provider, name):
        come_in(client)
        assert client.get(reverse(name)).status_code == 403
        assert client.post(reverse(name), {"password1": "x" * 20, "password2": "x" * 20}).status_code == 403

    def test_its_word_is_no_proof_of_a_mailbox(self, client, provider):
        come_in(client)
        assert not EmailAddress.objects.get().verified

    def test_a_password_later_is_the_persons_own(self, client, signed_in, provider, ana, alfa):
        prove(ana, "nora@alfa.example")
        come_in(client)
        assert THROUGH_TENANT not in signed_in("ana").session

    def test_no_token_is_kept(self, client, provider):
        come_in(client)
        assert SocialAccount.objects.get().extra_data == {"email": "nora@alfa.example"}
        assert "the-access-token" not in str(dict(client.session).values())

    def test_its_tenant_needs_no_second_factor_of_ours(self, client, provider, alfa):
        alfa.requires_second_factor = True
        alfa.save()
        come_in(client)
        assert client.get("/t/alfa/").status_code == 200


class TestTokens:
    def fails(self, client):
        answer = come_in(client)
        return answer.status_code == 401 and not is_in(client)

    @pytest.mark.parametrize(
        "lie",
        [
            {"aud": "another"},
            {"iss": "https://evil.example"},
            {"exp": 1},
            {"nonce": "another"},
            {"nonce": None},
            {"sub": None},
        ],
        ids=str,
    )
    def test_a_token_for_somebody_or_something_else_is_refused(self, client, provider, issuer, lie):
        issuer.lie = lie
        assert self.fails(client)

    def test_a_strange_signature_is_refused(self, client, provider, issuer):
        issuer.signed_by = STRANGE_KEY
        assert self.fails(client)

    @pytest.mark.parametrize("algorithm", ["none", "HS256"])
    def test_a_signature_that_proves_nothing_is_refused(self, client, provider, issuer, algorithm):
        issuer.algorithm = algorithm
        assert self.fails(client)

    def test_told_of_another_person_it_is_refused(self, client, provider, issuer):
        issuer.lie = {"email": None}
        issuer.userinfo = issuer.person | {"sub": "u-2"}
        assert self.fails(client)

    def test_an_issuer_that_speaks_for_another_is_refused(self, client, provider, issuer):
        issuer.calls_itself = "https://accounts.example"
        assert client.get(reverse("people:company-go", args=["alfa"])).status_code == 502

    def test_an_answer_without_our_state_is_refused(self, client, caller, provider):
        start = client.get(reverse("people:company-go", args=["alfa"]))
        back = urlsplit(ask_issuer(start.url))
        other = caller()
        assert other.get(f"{back.path}?{back.query}").status_code == 401
        assert not is_in(other)

    def test_an_answer_works_once(self, client, provider):
        start = client.get(reverse("people:company-go", args=["alfa"]))
        back = urlsplit(ask_issuer(start.url))
        statuses = [client.get(f"{back.path}?{back.query}").status_code for _ in range(2)]
        assert statuses == [302, 401]

    def test_an_answer_for_alfa_opens_nothing_at_beta(self, client, provider, beta, issuer):
        trust(beta, issuer, creates_members=True)
        start = client.get(reverse("people:company-go", args=["alfa"]))
        back = urlsplit(ask_issuer(start.url))
        there = reverse("people:company-back", args=["beta"])
        assert client.get(f"{there}?{back.query}").status_code == 401
        assert not is_in(client)


class TestTheGuard:
    def test_an_issuer_inside_our_network_is_not_called(self, client, alfa):
        with running_issuer() as hidden:
            trust(alfa, hidden)
            assert client.get(reverse("people:company-go", args=["alfa"])).status_code == 502
            assert hidden.asked == []


class TestSettings:
    PAGE = reverse("people:company-sign-in", args=["alfa"])
    FORM = {"name": "Alfa ID", "client_id": "mes", "domains": "@Alfa.example, b.example", "default_role": 10}

    @pytest.fixture
    def desk(self, client_of, tessa):
        return client_of(tessa)

    def row(self, alfa):
        with tenant_scope(alfa):
            return IdentityProvider.objects.first()

    def test_it_saves_with_the_secret_sealed_and_never_shown(self, desk, issuer, alfa):
        answer = desk.post(self.PAGE, self.FORM | {"issuer": issuer.url, "secret": SECRET, "enabled": "on"})
        assert answer.status_code == 302
        row = self.row(alfa)
        assert (row.domains, SECRET in row.client_secret) == (["alfa.example", "b.example"], False)
        assert SECRET not in desk.get(self.PAGE).content.decode()

    def test_left_empty_the_secret_stays(self, desk, provider, issuer, alfa):
        before = self.row(alfa).client_secret
        desk.post(self.PAGE, self.FORM | {"issuer": issuer.url, "secret": ""})
        assert self.row(alfa).client_secret == before

    def test_another_issuer_does_not_get_the_old_ones_secret(self, desk, provider, alfa):
        with running_issuer() as other, approved(other.url):
            answer = desk.post(self.PAGE, self.FORM | {"issuer": other.url})
        assert "Enter the secret of this issuer" in answer.content.decode()
        assert self.row(alfa).issuer == provider.issuer

    def test_an_address_that_must_not_be_called_is_refused(self, desk, alfa):
        with running_issuer() as hidden:
            answer = desk.post(self.PAGE, self.FORM | {"issuer": hidden.url, "secret": SECRET})
        assert (answer.status_code, hidden.asked, self.row(alfa)) == (400, [], None)

    @pytest.mark.parametrize("change", [{"domains": "alfa"}, {"domains": " , "}, {"default_role": 40}])
    def test_a_domain_or_role_that_cannot_be_is_refused(self, desk, issuer, alfa, change):
        form = self.FORM | {"issuer": issuer.url, "secret": SECRET} | change
        assert desk.post(self.PAGE, form).status_code == 400
        assert self.row(alfa) is None
