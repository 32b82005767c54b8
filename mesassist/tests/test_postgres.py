"""Postgres: every statement says for whom it is, and nothing is left on the connection."""

import pytest
from django.db import InternalError, ProgrammingError, connection, transaction
from django.db.utils import DataError

from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_scope, tenant_tx
from production.models import Site

TOLD = "SELECT current_setting('app.tenant_id', true), current_user"
RAISED = (ProgrammingError, DataError, InternalError)


def told():
    """The tenant and the role that the database knows of, asked as the present place."""
    with connection.cursor() as cursor:
        cursor.execute(TOLD)
        return cursor.fetchone()


def left():
    """What a raw client of the same connection finds, that says nothing itself."""
    with connection.connection.cursor() as cursor:
        super(type(cursor), cursor).execute(TOLD)
        return cursor.fetchone()


@pytest.fixture
def sites(transactional_db, alfa, beta):
    """A site at Alfa and two at Beta."""
    for tenant, codes in ((alfa, "a"), (beta, "bc")):
        with tenant_scope(tenant):
            for code in codes:
                Site.objects.create(tenant=tenant, code=code, name=code, zone="UTC")


class TestTelling:
    def test_it_is_said_outside_of_a_transaction(self, transactional_db, alfa):
        with tenant_scope(alfa):
            assert told() == (str(alfa.pk), connection.settings_dict["USER"])

    def test_nothing_is_left_on_the_connection(self, transactional_db, alfa):
        with tenant_scope(alfa):
            told()
            assert left()[0] in (None, "")
            with tenant_tx():
                told()
        assert left()[0] in (None, "")

    def test_it_follows_the_scope_within_a_transaction(self, transactional_db, alfa, beta):
        with transaction.atomic():
            with tenant_scope(alfa):
                assert told()[0] == str(alfa.pk)
            with tenant_scope(beta):
                assert told()[0] == str(beta.pk)
            with platform_scope("test", role=PlatformRole.STAFF):
                assert told() == ("", "mes_staff")
            assert told() == ("", connection.settings_dict["USER"])

    def test_it_is_said_again_after_a_savepoint_is_rolled_back(self, transactional_db, alfa, beta):
        with transaction.atomic():
            with tenant_scope(alfa):
                savepoint = transaction.savepoint()
            with tenant_scope(beta):
                told()
                # The database is back at Alfa now, whatever was said since.
                transaction.savepoint_rollback(savepoint)
                assert told()[0] == str(beta.pk)

    def test_after_a_failed_statement_the_savepoint_still_rolls_back(self, transactional_db, alfa):
        with tenant_tx(alfa):
            with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT nonsense")
            assert told()[0] == str(alfa.pk)

    def test_it_costs_no_query_of_its_own(self, transactional_db, alfa, django_assert_num_queries):
        with tenant_scope(alfa), django_assert_num_queries(1):
            list(Site.objects.all())


class TestEveryWayToAsk:
    def test_rows_fetched_piece_by_piece(self, sites, alfa, beta):
        with tenant_scope(beta):
            assert [site.code for site in Site.objects.order_by("code").iterator(chunk_size=1)] == ["b", "c"]
        with tenant_tx(alfa):
            assert [site.code for site in Site.objects.iterator(chunk_size=1)] == ["a"]

    def test_one_statement_for_many_rows(self, sites, alfa, beta):
        with tenant_scope(alfa), connection.cursor() as cursor:
            cursor.executemany("UPDATE production_site SET name = %s", [["x"], ["y"]])
        with tenant_scope(beta):
            assert {site.name for site in Site.objects.all()} == {"b", "c"}

    def test_copying_out(self, sites, beta):
        statement = "COPY (SELECT code FROM production_site ORDER BY code) TO STDOUT"
        with tenant_tx(beta), connection.cursor() as cursor, cursor.copy(statement) as copy:
            assert b"".join(bytes(block) for block in copy) == b"b\nc\n"

    @pytest.mark.parametrize("statement", ["SELECT * FROM production_site", "DELETE FROM production_site"])
    def test_without_a_place_it_raises(self, sites, statement):
        with pytest.raises(RAISED), connection.cursor() as cursor:
            cursor.execute(statement)
