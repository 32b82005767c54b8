"""The second wall, in plain SQL as the app role: each table gives, changes and takes one tenant's rows alone."""

from contextlib import contextmanager

import pytest
from django.db import DatabaseError, IntegrityError, connection, models, transaction

from mesassist.tenants.models import ApprovedEndpoint
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_scope
from mesassist.tests.security.catalogue import carries_tenant, label, tenant_models
from mesassist.tests.security.test_catalogue import LOOSE, is_between

pytestmark = pytest.mark.django_db


class Undone(Exception):
    """Ends a savepoint, whatever was done in it."""


@contextmanager
def trial():
    """Whatever is tried here is taken back."""
    try:
        with transaction.atomic():
            yield
            raise Undone
    except Undone:
        pass


def run(query, *params):
    """The rows of a statement, in a savepoint that is taken back."""
    with trial(), connection.cursor() as cursor:
        cursor.execute(query, params)
        return cursor.fetchall() if cursor.description else []


def outcome(query, *params):
    """What became of a statement: its rows, or the class of the error."""
    try:
        return run(query, *params)
    except DatabaseError as error:
        return type(error.__cause__).__name__


def table(model):
    return connection.ops.quote_name(model._meta.db_table)


def each(do):
    """{model: what `do(model)` found wrong} of every tenant model."""
    found = {label(model): do(model) for model in tenant_models()}
    return {name: wrong for name, wrong in found.items() if wrong}


class TestInsideATenant:
    def test_it_reads_its_own_rows_alone(self, alfas, betas):
        def wrong(model):
            with tenant_scope(alfas.tenant):
                return outcome(f"SELECT DISTINCT tenant_id FROM {table(model)}") != [(alfas.tenant.pk,)]

        assert each(wrong) == {}

    def test_the_other_tenant_reads_everything_of_its_own(self, alfas, betas):
        def wrong(model):
            with tenant_scope(betas.tenant):
                return outcome(f"SELECT DISTINCT tenant_id FROM {table(model)}") != [(betas.tenant.pk,)]

        assert each(wrong) == {}

    def test_it_changes_its_own_rows_alone(self, alfas, betas):
        def wrong(model):
            with tenant_scope(alfas.tenant):
                done = outcome(f"UPDATE {table(model)} SET tenant_id = tenant_id RETURNING tenant_id")
            return done != "InsufficientPrivilege" and {row[0] for row in done} != {alfas.tenant.pk}

        assert each(wrong) == {}

    def test_it_gives_no_row_away(self, alfas, betas):
        def wrong(model):
            with tenant_scope(alfas.tenant):
                return outcome(f"UPDATE {table(model)} SET tenant_id = %s", betas.tenant.pk) != "InsufficientPrivilege"

        assert each(wrong) == {}

    def test_it_deletes_nothing_of_the_other_tenant(self, alfas, betas):
        def wrong(model):
            with tenant_scope(alfas.tenant):
                done = outcome(f"DELETE FROM {table(model)} WHERE tenant_id = %s RETURNING 1", betas.tenant.pk)
            return done not in ([], "InsufficientPrivilege")

        assert each(wrong) == {}

    def test_it_inserts_nothing_for_the_other_tenant(self, alfas, betas):
        def wrong(model):
            columns = sorted({"tenant_id", *(f.column for f in model._meta.local_concrete_fields if not is_counted(f))})
            names = ", ".join(connection.ops.quote_name(name) for name in columns)
            values = ", ".join("%s" if name == "tenant_id" else connection.ops.quote_name(name) for name in columns)
            with tenant_scope(alfas.tenant):
                done = outcome(
                    f"INSERT INTO {table(model)} ({names}) SELECT {values} FROM {table(model)}", betas.tenant.pk
                )
            # A through table takes the tenant from its summary, whatever it is told: then the row is there already.
            return done not in ({"InsufficientPrivilege"} if carries_tenant(model) else {"UniqueViolation"}) and done

        assert each(wrong) == {}

    def test_it_refers_to_nothing_of_the_other_tenant(self, alfas, betas):
        wrong = {
            f"{label(model)}.{field.name}" for model, field in references() if points_across(model, field, alfas, betas)
        }
        assert wrong == set()


class TestEndpoints:
    def test_a_tenant_reads_the_common_approvals_and_its_own(self, alfa, beta):
        with platform_scope("test", role=PlatformRole.STAFF):
            for tenant, host in ((alfa, "a"), (beta, "b"), (None, "all")):
                row = {"purpose": "model", "port": 443, "network": "192.0.2.1"}
                ApprovedEndpoint.objects.create(tenant=tenant, host=host, **row)
        with tenant_scope(alfa):
            assert [host for (host,) in run("SELECT host FROM tenants_approvedendpoint ORDER BY 1")] == ["a", "all"]
            assert outcome("UPDATE tenants_approvedendpoint SET port = 1 RETURNING 1") in ([], "InsufficientPrivilege")


class TestOutsideATenant:
    @pytest.mark.parametrize(
        "statement",
        ["SELECT * FROM {}", "UPDATE {} SET tenant_id = tenant_id", "DELETE FROM {}", "SELECT count(*) FROM {}"],
    )
    def test_it_raises(self, alfas, betas, statement):
        assert each(lambda model: not isinstance(outcome(statement.format(table(model))), str)) == {}


def is_counted(field):
    """Whether the database numbers the column itself."""
    return isinstance(field, models.AutoField | models.CompositePrimaryKey)


def references():
    """Every reference between tenants' rows that a constraint guards."""
    for model in tenant_models():
        for field in model._meta.local_concrete_fields:
            if isinstance(field, models.ForeignKey) and label(model) not in LOOSE and is_between(model, field):
                yield model, field


def points_across(model, field, alfas, betas):
    """Whether Alfa's row can be made to point at Beta's; the row that would be pointed at is there (else no proof)."""
    other = betas.rows[field.related_model]
    assert carries_tenant(field.related_model)
    query = f"UPDATE {table(model)} SET {connection.ops.quote_name(field.column)} = %s"
    try:
        with tenant_scope(alfas.tenant), trial(), connection.cursor() as cursor:
            cursor.execute(query, [other.pk])
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            assert cursor.rowcount, "nothing was tried"
    except IntegrityError:
        return False
    except DatabaseError as error:
        return type(error.__cause__).__name__ != "InsufficientPrivilege"
    return True
