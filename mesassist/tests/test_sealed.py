"""Sealed columns: all of them are found, each text opens in its own row alone, and few places open any."""

import ast
from pathlib import Path

import pytest

from analyses.models import AssistantSettings
from mesassist.tenants.models import IdentityProvider
from mesassist.tenants.scope import tenant_scope
from mesassist.tenants.sealed import column_of, list_columns, open_secret, put_secret
from mesassist.tenants.secrets import SealedField, SecretUnreadable
from production.models import KafkaSource

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("mesassist", "production", "analyses", "dashboards")

# Who opens secrets, and what for. A new place is a decision, not an accident.
OPENERS = {
    "mesassist/tenants/sealed.py": {"reveal"},
    "mesassist/tenants/factors.py": {"reveal"},
    "mesassist/tenants/canary.py": {"reveal"},
    "mesassist/tenants/rotation.py": {"reveal"},
    "mesassist/people/adapters.py": {"reveal_factor"},
    "mesassist/people/oidc.py": {"open_secret"},
    "analyses/credentials.py": {"open_secret"},
    "analyses/api/settings.py": {"open_token"},
    "analyses/trials.py": {"open_token"},
    "analyses/working.py": {"open_token"},
    "production/ingest/brokers.py": {"open_secret"},
    "production/ingest/registry.py": {"open_secret"},
}


def calls_in(path, names):
    tree = ast.parse(path.read_text())
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {found for func in called if (found := getattr(func, "attr", getattr(func, "id", ""))) in names}


def source(tenant, name, **values):
    return KafkaSource.objects.create(tenant=tenant, name=name, topic=name, bootstrap_servers="k:1", **values)


class TestOpening:
    def test_only_these_places_open_a_secret(self):
        found = {}
        for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "tests" not in path.parts):
            if called := calls_in(path, {"reveal", "reveal_factor", "open_secret", "open_token"}):
                found[str(path.relative_to(ROOT))] = called
        assert found == OPENERS

    def test_every_opening_says_what_for(self):
        for name in OPENERS:
            for node in ast.walk(ast.parse((ROOT / name).read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {
                    "reveal",
                    "open_secret",
                    "open_token",
                }:
                    assert "purpose" in {keyword.arg for keyword in node.keywords}, f"{name}:{node.lineno}"


class TestColumns:
    def test_every_sealed_column_of_the_house_is_found(self):
        assert {column.name for column in list_columns()} >= {
            "analyses.AssistantSettings.token",
            "production.KafkaSource.sasl_password",
            "production.KafkaSource.registry_password",
            "tenants.IdentityProvider.client_secret",
        }

    def test_a_column_keeps_the_name_that_its_seals_were_made_with(self):
        assert column_of(AssistantSettings(), "token").label == "assistant.token"
        assert column_of(KafkaSource(), "sasl_password").label == "production.KafkaSource.sasl_password"

    def test_where_a_tenant_has_one_row_the_tenant_names_it(self):
        ones = {column.name for column in list_columns() if column.one_per_tenant}
        assert ones == {"analyses.AssistantSettings.token", "tenants.IdentityProvider.client_secret"}

    def test_another_column_is_none(self):
        with pytest.raises(TypeError, match="no sealed column"):
            put_secret(IdentityProvider(), "name", "x")


class TestRows:
    def test_a_new_row_is_bound_before_it_is_there(self, in_alfa):
        row = KafkaSource(tenant=in_alfa, name="a", topic="a", bootstrap_servers="k:1")
        put_secret(row, "sasl_password", "first-secret")
        row.save()
        assert open_secret(KafkaSource.objects.get(), "sasl_password", purpose="test") == "first-secret"

    @pytest.mark.parametrize("column", ["sasl_password", "registry_password"])
    def test_a_text_moved_to_another_row_or_column_does_not_open(self, in_alfa, column):
        one, other = source(in_alfa, "one"), source(in_alfa, "other")
        put_secret(one, "sasl_password", "first-secret")
        moved = other if column == "sasl_password" else one
        setattr(moved, column, one.sasl_password)
        with pytest.raises(SecretUnreadable):
            open_secret(moved, column, purpose="test")

    def test_a_text_moved_to_another_tenant_does_not_open(self, in_alfa, beta):
        mine = AssistantSettings(tenant=in_alfa)
        put_secret(mine, "token", "sk-first-secret")
        with pytest.raises(SecretUnreadable):
            open_secret(AssistantSettings(tenant=beta, token=mine.token), "token", purpose="test")

    def test_nothing_is_stored_as_nothing(self, in_alfa):
        row = source(in_alfa, "one")
        put_secret(row, "sasl_password", "")
        assert (row.sasl_password, open_secret(row, "sasl_password", purpose="test")) == ("", "")


class TestDatabase:
    def test_no_copy_of_the_database_holds_a_plain_text(self, alfa, beta):
        """What is in the tables is what a dump holds."""
        for tenant in (alfa, beta):
            with tenant_scope(tenant):
                put_secret(row := source(tenant, f"of-{tenant.slug}"), "sasl_password", "kafka-plain-secret")
                row.save()
                put_secret(one := AssistantSettings(tenant=tenant), "token", "sk-plain-secret")
                one.save()
                for column in list_columns():
                    stored = column.model.objects.values_list(column.field.name, flat=True)
                    assert not any("plain-secret" in text for text in stored)

    def test_a_plain_text_never_reaches_a_column(self, in_alfa):
        with pytest.raises(ValueError, match="use seal"):
            AssistantSettings(tenant=in_alfa, token="sk-plain-secret").save()
        assert isinstance(AssistantSettings._meta.get_field("token"), SealedField)
