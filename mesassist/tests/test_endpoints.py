"""Approvals: a tenant proposes, platform staff approve exactly that; what is too wide or dangerous is refused."""

import re

import pytest
from django.urls import reverse

from analyses.models import AssistantSettings
from mesassist.checks import check_approved_endpoints
from mesassist.tenants.egress.proposals import MOST_OPEN, ProposalRefused, decline_proposal, propose_endpoint
from mesassist.tenants.endpoint_admin import ApprovedEndpointForm
from mesassist.tenants.models import ApprovedEndpoint, EndpointProposal, ProposalState, Purpose
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope
from mesassist.tests.authorities import make_certificate

ADD = reverse("admin:tenants_approvedendpoint_add")
PROPOSALS = reverse("admin:tenants_endpointproposal_changelist")


@pytest.fixture
def desk():
    """Platform staff at work."""
    with platform_scope("a test", role=PlatformRole.STAFF):
        yield


def form(**changes):
    said = {"tenant": "", "purpose": "model", "host": "llm.plant", "port": "8000", "network": "10.0.0.5", "note": ""}
    return ApprovedEndpointForm(said | changes)


class TestForm:
    def test_it_brings_host_and_address_into_one_spelling(self, db, desk):
        row = form(host="LLM.Plant.", network=" 10.0.0.5 ").save()
        assert (row.host, row.port, row.network) == ("llm.plant", 8000, "10.0.0.5/32")
        row = form(host="[FD12::0:1]", network="fd12::1").save()
        assert (row.host, row.network) == ("fd12::1", "fd12::1/128")

    def test_a_narrow_range_is_enough_for_a_rack(self, db, desk):
        assert form(network="10.0.0.0/28").save().network == "10.0.0.0/28"

    def test_the_same_for_all_cannot_be_approved_twice(self, db, desk):
        form().save()
        assert not form().is_valid()

    @pytest.mark.parametrize(
        ("field", "changes"),
        [
            ("network", {"network": "10.0.0.0/8"}),
            ("network", {"network": "10.0.0.0/27"}),
            ("network", {"network": "fd12::/64"}),
            ("network", {"network": "169.254.0.0/16"}),
            ("network", {"network": "169.254.169.254"}),
            ("network", {"network": "100.100.100.200"}),
            ("network", {"network": "192.0.0.192/28"}),
            ("network", {"network": "168.63.129.16"}),
            ("network", {"network": "fd00:ec2::254"}),
            ("network", {"network": "64:ff9b::a9fe:a9fe"}),
            ("network", {"network": "0.0.0.0"}),
            ("network", {"network": "10.0.0.5/8"}),
            ("network", {"network": "llm.plant"}),
            ("network", {"network": ""}),
            ("network", {"host": "10.0.0.6"}),
            ("host", {"host": "metadata.google.internal"}),
            ("host", {"host": "https://llm.plant"}),
            ("host", {"host": "llm.plant:8000"}),
            ("host", {"host": "llm.plant/v1"}),
            ("host", {"host": "fe80::1%eth0"}),
            ("port", {"port": "0"}),
            ("port", {"port": "65536"}),
            ("ca_pem", {"ca_pem": "none"}),
        ],
    )
    def test_what_is_not_exact_or_never_called_is_refused(self, db, desk, field, changes):
        assert set(form(**changes).errors) == {field}

    def test_our_own_servers_are_refused(self, db, desk, settings):
        settings.REDIS_URL = "redis://10.0.0.7:6379/0"
        assert form(port="6379", network="10.0.0.7").errors["network"] == [
            "The portal's own database or Redis answers there."
        ]
        assert form(port="6380", network="10.0.0.7").is_valid()

    def test_an_authority_is_kept(self, db, desk):
        pem = make_certificate()[0]
        assert form(ca_pem=pem).save().ca_pem == pem.strip()


class TestProposing:
    @pytest.fixture
    def propose(self, in_alfa, boris, now):
        def ask(url):
            return propose_endpoint(tenant=in_alfa, url=url, purpose=Purpose.MODEL, proposed_by=boris, now=now)

        return ask

    def test_it_is_kept_once_with_what_the_name_leads_to(self, propose, boris):
        wish = propose("http://127.0.0.1:8000/v1")
        assert (wish.host, wish.port, wish.addresses) == ("127.0.0.1", 8000, ["127.0.0.1"])
        assert (wish.state, wish.proposed_by) == (ProposalState.OPEN, boris)
        assert propose("http://127.0.0.1:8000/v2") == wish

    @pytest.mark.parametrize(
        ("url", "why"),
        [
            ("https://93.184.215.14/v1", "needs no approval"),
            ("http://169.254.169.254/v1", "never calls"),
            ("https://metadata.google.internal/v1", "never calls"),
            ("ftp://llm/v1", "must begin with"),
            ("http://me:secret@llm/v1", "user name or password"),
        ],
    )
    def test_what_staff_could_not_approve_is_not_passed_on(self, propose, url, why):
        with pytest.raises(ProposalRefused, match=why):
            propose(url)
        assert not EndpointProposal.objects.exists()

    def test_a_flood_of_them_ends(self, propose):
        for number in range(MOST_OPEN):
            propose(f"http://127.0.0.1:{8000 + number}/v1")
        with pytest.raises(ProposalRefused, match="wait already"):
            propose("http://127.0.0.1:7999/v1")

    def test_a_declined_one_is_decided_once(self, propose, staff, now):
        wish = propose("http://127.0.0.1:8000/v1")
        assert decline_proposal(proposal=wish, decided_by=staff, now=now)
        assert not decline_proposal(proposal=wish, decided_by=staff, now=now)
        assert propose("http://127.0.0.1:8000/v1") != wish


class TestPage:
    @pytest.fixture
    def settings_page(self, client_of, boris, alfa):
        return client_of(boris), reverse("analyses:assistant", args=["alfa"])

    def test_a_refused_address_can_be_proposed_where_it_was_refused(self, settings_page):
        client, page = settings_page
        shown = client.post(page, {"base_url": "http://10.0.0.5:8000/v1", "model": "m"}).content.decode()
        assert "Ask platform staff to approve 10.0.0.5:8000" in shown
        address = re.search(r'formaction="([^"]+)"', shown).group(1)
        answer = client.post(address, {"base_url": "http://10.0.0.5:8000/v1"}, headers={"HX-Request": "true"})
        assert "Platform staff are asked to approve 10.0.0.5:8000." in answer.content.decode()
        assert client.post(address, {"base_url": "http://10.0.0.5:8000/v1"}).url == page

    def test_what_nobody_can_approve_is_only_refused(self, settings_page):
        client, page = settings_page
        shown = client.post(page, {"base_url": "http://169.254.169.254/v1", "model": "m"}).content.decode()
        assert "The portal never calls 169.254.169.254:80" in shown
        assert "formaction" not in shown


class TestDesk:
    """Staff approve what was proposed, and then it can be saved."""

    def test_an_approval_answers_the_proposal(self, client_of, staff, boris, alfa, settings):
        settings.DEBUG = True  # a real portal asks staff for a second factor too
        page = reverse("analyses:assistant", args=["alfa"])
        wanted = {"base_url": "http://10.0.0.5:8000/v1", "model": "m"}
        people = client_of(boris), client_of(staff)
        people[0].post(reverse("analyses:assistant-propose", args=["alfa"]), wanted)
        link = re.search(r'href="([^"]+)">Look and approve', people[1].get(PROPOSALS).content.decode()).group(1)
        link = link.replace("&amp;", "&")
        filled = people[1].get(link).context["adminform"].form.initial
        assert (filled["host"], filled["port"], filled["network"]) == ("10.0.0.5", "8000", "10.0.0.5")
        assert people[1].post(link, filled | {"ca_pem": "", "note": "rack 2"}).status_code == 302
        with platform_scope("a test", role=PlatformRole.STAFF):
            row, wish = ApprovedEndpoint.objects.get(), EndpointProposal.objects.get()
        assert (row.tenant, row.network, row.approved_by) == (alfa, "10.0.0.5/32", staff)
        assert (wish.state, wish.decided_by) == (ProposalState.APPROVED, staff)
        rest = {"role": "r", "query": "q", "temperature": "0.2", "language": "en", "alias_kinds": ["MACHINE"]}
        rest |= {"max_answer_tokens": "100", "max_summary_facts": "10", "max_prompt_tokens": "1000"}
        answer = people[0].post(page, wanted | rest | {"on_unknown": "retry"})
        assert answer.status_code == 302, answer.context["form"].errors
        with platform_scope("a test", role=PlatformRole.STAFF):
            assert AssistantSettings.objects.get().base_url == wanted["base_url"]

    def test_a_manager_approves_nothing(self, client_of, boris):
        assert client_of(boris).get(ADD).status_code in (302, 404)


class TestEnvironment:
    @pytest.mark.parametrize(("said", "faults"), [(["llm:8000", "[::1]:80"], 0), (["llm"], 1), (["http://llm:80"], 1)])
    def test_what_it_approves_must_be_readable(self, settings, said, faults):
        settings.APPROVED_ENDPOINTS = said
        assert len(check_approved_endpoints()) == faults
