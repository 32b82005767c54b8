"""Off-boarding: a closed tenant is shut at once; a removed one leaves no trace, and its neighbour loses nothing."""

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from mesassist.offboarding import close_tenant, count_rows, remove_tenant
from mesassist.tenants.models import Role, Tenant, User
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_scope
from mesassist.tests.security.plants import Plant
from mesassist.tests.test_walls import dump_database

CANARY = "CANARY-OF-ALFA"
MACHINES = "/api/v1/machines/"


def marked(field):
    """A text that is found again."""
    return f"{CANARY}-{field.model.__name__}-{field.name}"[: field.max_length or 100]


@pytest.fixture
def both(transactional_db, alfa, beta, boris, carla):
    """A row of every table, at Alfa and at Beta."""
    for tenant, person, text in ((alfa, boris, marked), (beta, carla, None)):
        Plant(tenant, person, **({"text": text} if text else {"first": 700_000_000})).fill()
    return alfa


class TestClosing:
    def test_people_find_no_such_tenant(self, client_of, boris, alfa):
        client = client_of(boris)
        assert client.get("/t/alfa/").status_code == 200
        close_tenant(tenant=alfa, now=timezone.now())
        assert client.get("/t/alfa/").status_code == 404

    def test_its_keys_open_nothing(self, caller, api_key, alfa):
        headers = {"Authorization": f"Api-Key {api_key(alfa, 'read')}"}
        assert caller().get(MACHINES, headers=headers).status_code == 200
        close_tenant(tenant=alfa, now=timezone.now())
        assert caller().get(MACHINES, headers=headers).status_code == 401

    def test_an_open_tenant_is_not_removed(self, alfa):
        with pytest.raises(ValueError, match="is not closed"):
            remove_tenant(tenant=alfa, on_step=str)


class TestRemoving:
    def test_nothing_of_it_is_left_and_its_neighbour_keeps_all(self, both, beta, boris, carla):
        before = count_rows(tenant=beta)
        assert CANARY in dump_database()
        close_tenant(tenant=both, now=timezone.now())
        gone = remove_tenant(tenant=both, on_step=str)
        assert CANARY not in dump_database()
        assert count_rows(tenant=beta) == before
        assert set(gone.rows) >= set(before) - {"audit_entry"}
        assert list(User.objects.filter(pk__in=[boris.pk, carla.pk])) == [carla]

    def test_who_belongs_elsewhere_keeps_the_account(self, both, beta, boris):
        with platform_scope("test", role=PlatformRole.STAFF):
            boris.memberships.create(tenant=beta, role=Role.VIEWER)
        close_tenant(tenant=both, now=timezone.now())
        remove_tenant(tenant=both, on_step=str)
        with tenant_scope(beta):
            assert boris.memberships.count() == 1
        assert User.objects.filter(pk=boris.pk).exists()


class TestCommand:
    def test_it_closes_and_counts_and_says_how_to_go_on(self, alfa, boris, capsys):
        call_command("offboard_tenant", "alfa")
        said = capsys.readouterr().out
        assert "tenants_membership" in said
        assert "--remove alfa" in said
        assert Tenant.objects.get().closed_at is not None

    def test_another_slug_removes_nothing(self, alfa):
        with pytest.raises(CommandError, match="nothing was done"):
            call_command("offboard_tenant", "alfa", remove="beta")
        assert Tenant.objects.get().closed_at is None
