"""The ground of the audit tests: committed rows, and the database's superuser, who could do anything."""

import os

import environ
import psycopg
import pytest
from django.db import connection

from mesassist.audit.models import Entry
from mesassist.tenants.scope import tenant_scope


def commit():
    """What a commit would do now: the trail is written at its end."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@pytest.fixture
def entries_of():
    """The entries of a tenant, newest last, as of a commit now."""

    def read(tenant, **like):
        if connection.in_atomic_block:
            commit()
        with tenant_scope(tenant):
            return list(Entry.objects.filter(**like).order_by("number"))

    return read


@pytest.fixture
def tamper(owner_database, transactional_db):
    """Somebody with every right in the database, who switches the triggers off first."""

    def run(statement, table="audit_entry"):
        role = environ.Env.db_url_config(os.environ.get("OWNER_DATABASE_URL", os.environ["DATABASE_URL"]))
        forced = table.startswith("audit_")
        with psycopg.connect(
            host=role["HOST"],
            port=role["PORT"],
            user=role["USER"],
            password=role["PASSWORD"],
            dbname=connection.settings_dict["NAME"],
            autocommit=True,
        ) as hand:
            hand.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER{', NO FORCE ROW LEVEL SECURITY' * forced}")
            done = hand.execute(statement).rowcount
            hand.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER{', FORCE ROW LEVEL SECURITY' * forced}")
            assert done

    return run
