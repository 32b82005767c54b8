"""Roles: a process that could look past the walls does not start."""

import pytest
from django.db import connection

from mesassist.tenants.roles import RoleDoesNotFit, check_role


@pytest.fixture
def connected_as(transactional_db):
    """Another connection to the same database, as that role."""
    opened = []

    def connect(role):
        own = connection.copy("other")
        own.settings_dict = {**own.settings_dict, **{key: role[key] for key in ("USER", "PASSWORD")}}
        opened.append(own)
        return own

    yield connect
    for own in opened:
        own.close()


class TestCheckRole:
    def test_the_role_of_the_tests_fits(self, db):
        check_role()

    def test_the_owner_does_not(self, connected_as, owner_database):
        with pytest.raises(RoleDoesNotFit, match="owns the tables"):
            check_role(connected_as(owner_database))

    def test_a_platform_role_of_its_own_does_not(self, db):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL ROLE mes_staff")
        with pytest.raises(RoleDoesNotFit, match="inherits a platform role"):
            check_role()
