"""The catalogue of the database: every table has its walls, or a written reason why it needs none."""

import os

import environ
import pytest
from django.apps import apps
from django.db import connection, models

from mesassist.tenants.place import PlatformRole
from mesassist.tests.security.catalogue import GLOBAL_MODELS, carries_tenant, label, tenant_models
from mesassist.tests.security.figures import note

APP = environ.Env.db_url_config(os.environ.get("DATABASE_URL", "postgresql://app@h/d"))["USER"]
# Tables that no model stands for.
WITHOUT_A_MODEL = {"django_migrations": "which migrations were applied"}
# Unique across tenants on purpose; a surrogate key made by the database needs no reason.
UNIQUE_ACROSS = {
    "kafka_topic_of_one_tenant": "one topic feeds one plant; only platform staff set topics",
    "tenants_apikey_pkey": "the hash of a random key, which nobody can hit",
    "production_coverage_machine_id_key": "a machine is one tenant's by its composite key",
    "apikey_shown_once": "the first characters of a random key, which the portal chooses",
    "tenants_invitation_digest_key": "the hash of a random link, which nobody can hit",
    "production_summary_lines_summary_id_line_id_99eee5c0_uniq": "a summary is one tenant's by its composite key",
    "production_summary_machines_summary_id_machine_id_37918c7d_uniq": "a summary is one tenant's too",
}
# References without a constraint: each would be checked at every insert (docs/decisions/005).
LOOSE = {
    "production.Event": "ingest locks the rows that a batch names, and a trigger guards their deletion",
    "production.EventKey": "written with the event in one statement",
    "production.DirtyRange": "made with every batch and gone within seconds",
}
# Functions that act for the owner; none takes rows of a tenant to another.
FOR_THE_OWNER = {
    "production_make_month": "makes a partition",
    "production_drop_month": "drops an empty partition",
    "production_refuse_orphans": "refuses to delete what events name",
    "audit_record": "writes the trail, which nobody else may",
    "audit_forget": "removes the trail of a tenant that is gone",
}


def ask(query, *params):
    """The rows of a query to the catalogue."""
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return cursor.fetchall()


def tables():
    """The tables of tenants, partitions included: {name: name of the whole}."""
    whole = [model._meta.db_table for model in tenant_models()]
    parts = ask(
        "SELECT inhrelid::regclass::text, inhparent::regclass::text FROM pg_inherits "
        "JOIN pg_class ON oid = inhparent WHERE relkind = 'p' AND inhparent::regclass::text = ANY(%s)",
        whole,
    )
    return {**{name: name for name in whole}, **dict(parts)}


@pytest.mark.django_db
class TestModels:
    def test_every_model_is_a_tenants_or_the_platforms_for_a_reason(self):
        rows = ask("SELECT attrelid::regclass::text FROM pg_attribute WHERE attname = 'tenant_id'")
        columns = {name for (name,) in rows}
        assert {label(model) for model in tenant_models() if model._meta.db_table not in columns} == set()

    def test_every_reason_is_still_needed(self):
        installed = {label(model) for model in apps.get_models(include_auto_created=True)}
        assert set(GLOBAL_MODELS) - installed == set()

    def test_every_table_has_a_model_or_a_reason(self):
        known = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
        found = ask(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        )
        assert {name for (name,) in found} - known - set(tables()) - set(WITHOUT_A_MODEL) == set()

    def test_every_row_of_a_tenant_says_whose_it_is(self):
        rows = ask("SELECT attrelid::regclass::text FROM pg_attribute WHERE attname = 'tenant_id' AND attnotnull")
        assert set(tables()) - {name for (name,) in rows} == set()


@pytest.mark.django_db
class TestPolicies:
    def test_row_level_security_is_on_and_forced(self):
        rows = ask("SELECT oid::regclass::text FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
        known, walled = set(tables()), {name for (name,) in rows}
        note("tables of tenants behind the wall", f"{len(known & walled)} of {len(known)}")
        note("models decided", f"{len(tenant_models())} of tenants, {len(GLOBAL_MODELS)} of the platform")
        assert known - walled == set()

    def test_it_is_active_for_whoever_runs_this_test(self):
        assert [name for name in tables() if not ask("SELECT row_security_active(%s)", name)[0][0]] == []

    def test_each_table_has_a_policy_for_all_that_names_the_tenant_twice(self):
        rows = ask(
            "SELECT tablename, cmd, qual, with_check FROM pg_policies WHERE %s = ANY(roles) OR 'public' = ANY(roles)",
            APP,
        )
        good = {
            name
            for name, command, using, check in rows
            if command == "ALL" and "'app.tenant_id'" in (using or "") and "'app.tenant_id'" in (check or "")
        }
        assert set(tables().values()) - good == set()

    def test_no_policy_of_the_app_looks_elsewhere_or_is_silent_without_a_tenant(self):
        rows = ask(
            "SELECT tablename, policyname, qual, with_check FROM pg_policies "
            "WHERE permissive = 'PERMISSIVE' AND (%s = ANY(roles) OR 'public' = ANY(roles))",
            APP,
        )
        ours = tables()
        loose = [
            (name, policy)
            for name, policy, *conditions in rows
            for condition in conditions
            if name in ours and condition and asks_silently(condition)
        ]
        assert loose == []


def asks_silently(condition):
    """Whether a policy's condition finds nothing, where it should raise, when no tenant was told."""
    return "'app.tenant_id'" not in condition or "app.tenant_id'::text, true" in condition


@pytest.mark.django_db
class TestKeys:
    def test_every_unique_index_begins_with_the_tenant_or_is_a_surrogate_key(self):
        rows = ask(
            """
            SELECT i.indrelid::regclass::text, c.relname, array_agg(a.attname::text), bool_or(i.indisprimary),
                   bool_and(a.attidentity <> '' OR a.atttypid = 'uuid'::regtype)
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
            WHERE i.indisunique GROUP BY 1, 2
            """
        )
        known = tables()
        ours = [row for row in rows if row[0] in known]
        across = {
            index
            for _table, index, columns, primary, generated in ours
            if "tenant_id" not in columns and not (primary and generated and len(columns) == 1)
        }
        assert across == set(UNIQUE_ACROSS)

    def test_every_reference_between_tenants_rows_carries_the_tenant(self):
        single, composite = set(), composite_references()
        for model in tenant_models():
            for field in model._meta.local_concrete_fields:
                if isinstance(field, models.ForeignKey) and is_between(model, field):
                    key = (model._meta.db_table, field.column)
                    if key not in composite and label(model) not in LOOSE:
                        single.add(f"{label(model)}.{field.name}")
        assert single == set()

    def test_no_reference_between_tenants_rows_is_without_the_tenant(self):
        rows = ask(
            "SELECT conrelid::regclass::text, confrelid::regclass::text, conname, cardinality(conkey) "
            "FROM pg_constraint WHERE contype = 'f'"
        )
        owned = {model._meta.db_table for model in tenant_models()}
        assert [name for table, other, name, width in rows if table in owned and other in owned and width == 1] == []


def is_between(model, field):
    """Whether a field refers from one tenant's row to another row of it."""
    return carries_tenant(field.related_model) and label(field.related_model) not in GLOBAL_MODELS


def composite_references():
    """{(table, column)} of the references that carry the tenant."""
    rows = ask(
        """
        SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey)
        WHERE c.contype = 'f' AND EXISTS (
            SELECT FROM unnest(c.conkey, c.confkey) AS pair(own, other)
            JOIN pg_attribute o ON o.attrelid = c.conrelid AND o.attnum = pair.own AND o.attname = 'tenant_id'
            JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = pair.other AND f.attname = 'tenant_id'
        )
        """
    )
    return set(rows)


@pytest.mark.django_db
class TestRoles:
    def test_the_app_is_nobody_special(self):
        rows = ask(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        )
        assert rows == [(False, False, False, False)]

    def test_the_app_owns_nothing(self):
        assert ask("SELECT relname FROM pg_class WHERE relowner = %s::regrole", APP) == []
        assert ask("SELECT proname FROM pg_proc WHERE proowner = %s::regrole", APP) == []

    def test_nobody_may_empty_tables_or_lay_triggers_and_references(self):
        rows = ask(
            """
            SELECT r.rolname, c.relname, p.privilege FROM pg_class c
            CROSS JOIN (SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)) r
            CROSS JOIN (VALUES ('TRUNCATE'), ('REFERENCES'), ('TRIGGER')) p(privilege)
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
              AND has_table_privilege(r.rolname, c.oid, p.privilege)
            """,
            [APP, *PlatformRole],
        )
        assert rows == []

    @pytest.mark.parametrize("role", list(PlatformRole))
    def test_the_app_has_a_platform_roles_rights_only_when_it_takes_them(self, role):
        (held,) = ask("SELECT pg_has_role(%s, %s, 'USAGE'), pg_has_role(%s, %s, 'SET')", APP, role, APP, role)
        assert held == (False, True)

    @pytest.mark.parametrize("role", list(PlatformRole))
    def test_a_platform_role_bypasses_nothing_and_cannot_sign_in(self, role):
        rows = ask("SELECT rolsuper, rolbypassrls, rolcanlogin, rolcreaterole FROM pg_roles WHERE rolname = %s", role)
        assert rows == [(False, False, False, False)]


@pytest.mark.django_db
class TestBypasses:
    def test_every_view_sees_what_its_reader_may_see(self):
        rows = ask(
            "SELECT relname FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace "
            "AND NOT coalesce('security_invoker=true' = ANY(reloptions), false)"
        )
        assert rows == []

    def test_there_is_no_materialised_view(self):
        assert ask("SELECT relname FROM pg_class WHERE relkind = 'm'") == []

    def test_functions_that_act_for_the_owner_are_known(self):
        rows = ask("SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace")
        assert {name for (name,) in rows} == set(FOR_THE_OWNER)

    def test_they_choose_their_own_search_path(self):
        rows = ask(
            "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace "
            "AND NOT coalesce(array_to_string(proconfig, ',') LIKE 'search_path=%%', false)"
        )
        assert [name for (name,) in rows if name in FOR_THE_OWNER] == []
