"""seed_demo: the whole demo from nothing, and nothing new the second time."""

import io

import pytest
from django.core.management import CommandError, call_command

from analyses.credentials import open_token
from analyses.models import AssistantSettings
from mesassist.management.commands import seed_demo
from mesassist.tenants.models import Membership, Role, Tenant, User
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_scope
from production.models import Event, Summary


@pytest.fixture(autouse=True)
def demo(settings, db, monkeypatch):
    """DEBUG as the demo has it, and one week instead of eight."""
    settings.DEBUG = True
    settings.OPENAI_API_KEY = settings.OPENAI_BASE_URL = settings.OPENAI_MODEL = ""
    settings.OFFLINE_ANALYST_URL = "http://127.0.0.1:8009/v1"
    monkeypatch.setattr(seed_demo, "WEEKS", 1)
    return settings


def seed():
    out = io.StringIO()
    call_command("seed_demo", stdout=out)
    return out.getvalue().splitlines()


def assistant_of(slug):
    with tenant_scope(Tenant.objects.get(slug=slug)):
        return AssistantSettings.objects.get()


class TestSeedDemo:
    def test_it_makes_the_demo_once(self):
        first = seed()
        assert [line.split(" with")[0] for line in first] == [
            "platform staff: admin, new",
            "alfa: tenant Alfa Bottling, new",
            "alfa: 2 people (ana, boris), 2 new",
            "alfa: assistant asks offline-analyst at http://127.0.0.1:8009/v1",
            "alfa: plant",
            "alfa: 3 summaries, 3 new",
            "beta: tenant Beta Foundry, new",
            "beta: 1 people (carla), 1 new",
            "beta: assistant asks offline-analyst at http://127.0.0.1:8009/v1",
            "beta: plant",
            "beta: 3 summaries, 3 new",
        ]
        with platform_scope("test", role=PlatformRole.STAFF):
            roles = set(Membership.objects.values_list("user__username", "tenant__slug", "role"))
        assert roles == {
            ("ana", "alfa", Role.OPERATOR),
            ("boris", "alfa", Role.MANAGER),
            ("carla", "beta", Role.MANAGER),
        }
        assert all(user.check_password("demo") for user in User.objects.all())
        with tenant_scope(Tenant.objects.get(slug="alfa")):
            main = Summary.objects.get(is_main=True)
            assert (main.name, main.window, main.compare_to) == ("Plant, last 7 days", "last_7_days", "previous")
            events = Event.objects.count()
            assert f"alfa: plant with 9 machines, {events:,} new events" in "\n".join(first)
        again = seed()
        assert [line for line in again if not line.endswith(("as before", " 0 new", " 0 new events"))] == []

    def test_it_is_refused_where_debug_is_off(self, demo):
        demo.DEBUG = False
        with pytest.raises(CommandError, match="refused unless DEBUG=true"):
            seed()
        assert Tenant.objects.count() == 0


class TestSeedAssistant:
    """Where the assistant asks, without the plants."""

    @pytest.fixture
    def seed(self, alfa):
        def seed():
            with tenant_scope(alfa):
                return seed_demo.seed_assistant(tenant=alfa)

        return seed

    def test_it_follows_the_offline_analyst_to_another_port(self, demo, seed):
        seed()
        demo.OFFLINE_ANALYST_URL = "http://127.0.0.1:9999/v1"
        assert seed() == "assistant asks offline-analyst at http://127.0.0.1:9999/v1"

    def test_it_takes_a_key_that_comes_later_and_seals_it(self, demo, seed):
        seed()
        demo.OPENAI_API_KEY = "sk-test-abcd"
        assert seed() == "assistant asks gpt-4.1-mini at https://api.openai.com/v1"
        assistant = assistant_of("alfa")
        assert assistant.token_hint == "abcd"
        assert "sk-test" not in assistant.token
        assert open_token(assistant=assistant, purpose="test") == "sk-test-abcd"

    def test_it_takes_another_endpoint_without_a_key(self, demo, seed):
        demo.OPENAI_BASE_URL, demo.OPENAI_MODEL = "http://127.0.0.1:7777/v1", "local-model"
        assert seed() == "assistant asks local-model at http://127.0.0.1:7777/v1"

    def test_it_leaves_a_choice_of_people_alone(self, demo, seed, alfa):
        seed()
        with tenant_scope(alfa):
            AssistantSettings.objects.update(model="gpt-9", base_url="https://llm.example.com/v1")
        demo.OPENAI_API_KEY = "sk-test-abcd"
        assert seed() == "assistant asks gpt-9 at https://llm.example.com/v1, as before"
