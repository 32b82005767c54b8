"""The table of doors against the resolver and the views: none is missing, none is left over, none says otherwise."""

from mesassist.tenants.models import Scope
from mesassist.tenants.rest import LEAST_ROLE
from mesassist.tests.security.table import TABLE, entry_of
from mesassist.tests.security.walking import all_doors

DOORS = all_doors()


class TestTable:
    def test_every_address_is_in_it(self):
        assert {name for name in DOORS if entry_of(name) is None} == set()

    def test_every_row_of_it_is_an_address(self):
        assert set(TABLE) - set(DOORS) == set()

    def test_every_part_of_an_address_is_a_tenants_or_names_a_row(self):
        ours = {
            name: set(door.parts) - {"tenant"} for name, door in DOORS.items() if getattr(TABLE.get(name), "least", 0)
        }
        assert {name: parts for name, parts in ours.items() if parts != set(TABLE[name].rows)} == {}

    def test_a_page_opens_for_the_role_that_the_table_names(self):
        pages = {name: door for name, door in DOORS.items() if door.least_role is not None}
        said = {name: set(TABLE[name].least.values()) for name in pages}
        assert said == {name: {door.least_role} for name, door in pages.items()}

    def test_an_api_door_opens_for_the_scope_that_the_table_names(self):
        for name, door in DOORS.items():
            if door.needs is not None:
                least = TABLE[name].least
                actions = getattr(door.view, "actions", None) or door.needs
                answered = {method for method in door.needs if actions is door.needs or method.lower() in actions}
                assert {name: {m: least.get(m) for m in answered}} == {name: {m: door.needs[m] for m in answered}}
                assert set(least) - {"HEAD"} == answered, name

    def test_only_public_doors_ask_for_nothing(self):
        open_doors = {name for name, door in DOORS.items() if door.least_role is None and not door.needs}
        unsaid = {name for name in open_doors if entry_of(name).kind not in {"public", "platform", "account"}}
        assert unsaid == set()

    def test_every_open_door_has_a_reason(self):
        entries = [entry_of(name) for name in DOORS]
        assert all(entry.least or entry.reason for entry in entries)

    def test_every_scope_has_a_role_for_people(self):
        assert set(LEAST_ROLE) == set(Scope)
