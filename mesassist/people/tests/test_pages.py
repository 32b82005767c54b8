"""People pages, as whole requests: Tessa administers Alfa's people; Carla of Beta is a stranger there."""

import re

import pytest
from django.core import mail
from django.urls import reverse

from mesassist.tenants.models import Invitation, Membership, Role
from mesassist.tenants.scope import tenant_scope

PAGE = reverse("people:people", args=["alfa"])


@pytest.fixture
def desk(client_of, tessa):
    return client_of(tessa)


@pytest.fixture
def mailed(settings):
    settings.MAIL_REACHES_PEOPLE = True


def of(person, tenant):
    with tenant_scope(tenant):
        return Membership.objects.filter(user=person, tenant=tenant).first()


def page_of(name, row):
    return reverse(f"people:{name}", args=["alfa", row.pk])


def open_invitations(tenant):
    with tenant_scope(tenant):
        return list(Invitation.objects.filter(accepted_at=None, withdrawn_at=None))


def told(answer):
    return [str(message) for message in answer.context["messages"]]


class TestInvite:
    def test_it_mails_a_link_that_shows_plant_and_role(self, desk, mailed, alfa, caller):
        answer = desk.post(PAGE, {"email": "Nora@Example.com", "role": Role.OPERATOR.value}, follow=True)
        assert told(answer) == ["The invitation is on its way to nora@example.com."]
        (message,) = mail.outbox
        assert (message.to, message.subject) == (["nora@example.com"], "tessa invites you to Alfa Works")
        link = re.search(r"http://testserver(/join/\S+)", message.body).group(1)
        text = caller().get(link).content.decode()
        assert ("Join Alfa Works" in text, "operator" in text) == (True, True)

    def test_without_mail_the_link_is_shown_once_and_stored_nowhere(self, desk, alfa, settings):
        settings.MAIL_REACHES_PEOPLE = False
        text = desk.post(PAGE, {"email": "nora@example.com", "role": 10}).content.decode()
        link = re.search(r'id="join-link" class="mono">http://testserver/join/(\S+)/<', text).group(1)
        assert link not in desk.get(PAGE).content.decode()
        assert link not in str(dict(desk.session)) + str(desk.cookies)
        (invitation,) = open_invitations(alfa)
        assert link.split(":")[0] not in str(vars(invitation))

    def test_a_member_is_not_invited_again(self, desk, ana, alfa):
        ana.email = "ana@alfa.example"
        ana.save()
        answer = desk.post(PAGE, {"email": "ana@alfa.example", "role": 20})
        assert answer.status_code == 400
        assert "is a member already" in answer.content.decode()
        assert open_invitations(alfa) == []

    def test_an_address_is_invited_once_at_a_time(self, desk, mailed, alfa):
        desk.post(PAGE, {"email": "nora@example.com", "role": 20})
        answer = desk.post(PAGE, {"email": "NORA@example.com", "role": 30})
        assert "is invited already" in answer.content.decode()
        assert [one.role for one in open_invitations(alfa)] == [20]

    @pytest.mark.parametrize("form", [{"email": "nobody", "role": 10}, {"email": "a@b.example", "role": 99}, {}])
    def test_what_is_no_address_or_role_is_refused_at_its_field(self, desk, alfa, form):
        assert desk.post(PAGE, form).status_code == 400
        assert open_invitations(alfa) == []

    def test_there_is_an_end_to_it_each_day(self, desk, mailed, alfa, monkeypatch):
        monkeypatch.setattr("mesassist.people.pages.INVITES", {"invited": "2/d/key"})
        answers = [desk.post(PAGE, {"email": f"n{n}@example.com", "role": 10}).status_code for n in range(3)]
        assert answers == [302, 302, 400]

    def test_mail_that_fails_leaves_the_link_to_be_handed_over(self, desk, settings):
        settings.MAIL_REACHES_PEOPLE = True
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
        assert "/join/" in desk.post(PAGE, {"email": "nora@example.com", "role": 10}).content.decode()


class TestInvitations:
    @pytest.fixture
    def invitation(self, desk, mailed, alfa):
        desk.post(PAGE, {"email": "nora@example.com", "role": 20})
        return open_invitations(alfa)[0]

    def link_of(self, number):
        return re.search(r"(/join/\S+)", mail.outbox[number].body).group(1)

    def test_sent_again_it_has_another_link_and_the_old_one_is_dead(self, desk, invitation, caller):
        desk.post(page_of("invitation-resend", invitation))
        assert [caller().get(self.link_of(n)).status_code for n in (0, 1)] == [410, 200]

    def test_withdrawn_its_link_opens_nothing(self, desk, invitation, caller, alfa):
        desk.post(page_of("invitation-withdraw", invitation))
        assert caller().get(self.link_of(0)).status_code == 410
        assert open_invitations(alfa) == []

    @pytest.mark.parametrize("name", ["invitation-resend", "invitation-withdraw"])
    def test_another_tenants_invitation_is_not_there(self, invitation, client_of, member, beta, alfa, name):
        stranger = client_of(member("bea", Role.TENANT_ADMIN, tenant=beta))
        theirs = reverse(f"people:{name}", args=["beta", invitation.pk])
        nobodys = reverse(f"people:{name}", args=["beta", 10**6])
        assert [stranger.post(path).status_code for path in (theirs, nobodys)] == [404, 404]
        assert open_invitations(alfa) == [invitation]


class TestRoles:
    def test_a_new_role_holds_from_the_next_request_on(self, desk, client_of, boris, alfa):
        his, settings_page = client_of(boris), reverse("analyses:assistant", args=["alfa"])
        assert his.get(settings_page).status_code == 200
        desk.post(page_of("member-role", of(boris, alfa)), {"role": Role.VIEWER.value})
        assert his.get(settings_page).status_code == 403

    def test_the_last_tenant_admin_stays_one(self, desk, tessa, alfa):
        answer = desk.post(page_of("member-role", of(tessa, alfa)), {"role": 10}, follow=True)
        assert "last tenant admin" in told(answer)[0]
        assert of(tessa, alfa).role == Role.TENANT_ADMIN

    def test_one_of_two_may_step_down(self, desk, tessa, member, alfa):
        member("tom", Role.TENANT_ADMIN)
        desk.post(page_of("member-role", of(tessa, alfa)), {"role": 10})
        assert of(tessa, alfa).role == Role.VIEWER

    def test_an_admin_who_is_switched_off_does_not_count(self, desk, tessa, member, alfa):
        member("tom", Role.TENANT_ADMIN, is_active=False)
        desk.post(page_of("member-role", of(tessa, alfa)), {"role": 10})
        assert of(tessa, alfa).role == Role.TENANT_ADMIN

    def test_a_role_that_does_not_exist_is_refused(self, desk, ana, alfa):
        desk.post(page_of("member-role", of(ana, alfa)), {"role": 99})
        assert of(ana, alfa).role == Role.OPERATOR

    def test_another_tenants_member_is_not_there(self, desk, carla, beta):
        row = of(carla, beta)
        assert desk.post(page_of("member-role", row), {"role": 10}).status_code == 404
        assert of(carla, beta).role == Role.MANAGER


class TestRemoval:
    def test_it_asks_first(self, desk, ana, alfa):
        text = desk.get(page_of("member-remove", of(ana, alfa))).content.decode()
        assert "Remove ana from Alfa Works?" in text
        assert of(ana, alfa) is not None

    def test_a_former_member_finds_nothing_with_the_next_request(self, desk, client_of, ana, alfa):
        hers = client_of(ana)
        assert hers.get("/t/alfa/").status_code == 200
        desk.post(page_of("member-remove", of(ana, alfa)))
        assert hers.get("/t/alfa/").status_code == 404
        answer = hers.get("/api/v1/machines/", headers={"X-Tenant": "alfa"})
        assert answer.status_code == 404

    def test_the_last_tenant_admin_cannot_go(self, desk, tessa, alfa):
        answer = desk.post(page_of("member-remove", of(tessa, alfa)), {"own": "on"})
        assert "last tenant admin" in answer.content.decode()
        assert of(tessa, alfa) is not None

    def test_ones_own_is_asked_for_twice(self, desk, tessa, member, alfa):
        member("tom", Role.TENANT_ADMIN)
        page = page_of("member-remove", of(tessa, alfa))
        assert "Tick this first" in desk.post(page).content.decode()
        assert desk.post(page, {"own": "on"}).url == "/"
        assert of(tessa, alfa) is None

    def test_what_a_former_admin_handed_out_ends_too(self, desk, client_of, member, mailed, alfa):
        tom = member("tom", Role.TENANT_ADMIN)
        client_of(tom).post(PAGE, {"email": "friend@example.com", "role": 40})
        desk.post(page_of("member-remove", of(tom, alfa)))
        assert open_invitations(alfa) == []

    def test_the_keys_that_go_on_are_named(self, desk, ana, alfa, api_key):
        api_key(alfa, "read", user=ana, name="erp-77")
        assert "erp-77" in desk.get(page_of("member-remove", of(ana, alfa))).content.decode()

    def test_another_tenants_member_is_not_there(self, desk, carla, beta):
        assert desk.post(page_of("member-remove", of(carla, beta))).status_code == 404
        assert of(carla, beta) is not None


class TestList:
    def test_it_shows_the_plants_people_and_nobody_elses(self, desk, ana, carla):
        text = desk.get(PAGE).content.decode()
        assert ("ana" in text, "carla" in text) == (True, False)

    def test_it_costs_the_same_for_one_and_many(self, desk, member, django_assert_max_num_queries):
        for n in range(20):
            member(f"p{n}")
        with django_assert_max_num_queries(12):
            desk.get(PAGE)

    def test_being_seen_is_noted(self, desk, signed_in, ana, alfa):
        signed_in("ana").get("/t/alfa/")
        assert of(ana, alfa).last_seen_at is not None
