"""The Django admin: every address of it, by name, is closed to everybody but the platform's staff."""

import os
from pprint import pformat

import pytest

from mesassist.tests.security.figures import note
from mesassist.tests.security.knocking import METHODS, knock
from mesassist.tests.security.table import entry_of
from mesassist.tests.security.walking import all_doors

pytestmark = pytest.mark.django_db
FULL = os.environ.get("WALLS") == "full"
DOORS = {name: door for name, door in all_doors().items() if entry_of(name) and entry_of(name).kind == "platform"}


def path_of(door, plant):
    """The address with the ids of the plant's rows."""
    by_name = {f"{model._meta.app_label}_{model._meta.model_name}": row.pk for model, row in plant.rows.items()}
    by_name |= {"tenants_tenant": plant.tenant.pk, "tenants_user": plant.person.pk}
    stem = door.name.removeprefix("admin:").rpartition("_")[0]
    parts = {"object_id": by_name.get(stem, 1), "id": plant.person.pk, "content_type_id": 1}
    parts |= {"app_label": "production", "url": "nothing"}
    return door.path(**{name: parts[name] for name in door.parts})


class TestAdmin:
    def test_it_is_closed_to_everybody_else(self, betas, principals):
        methods = METHODS if FULL else ("GET", "POST")
        others = {name: one for name, one in principals.items() if not one.is_staff}
        if not FULL:
            others = {name: others[name] for name in ("anonymous", "tenant admin")}
        wrong = []
        for name, door in DOORS.items():
            for method in methods:
                for principal in others.values():
                    answer = knock(principal, method, path_of(door, betas))
                    if answer.status not in {302, 403, 404} or b"Beta" in answer.body:
                        wrong.append((name, method, principal.name, answer.status))
        note("addresses of the admin", len(DOORS))
        assert not wrong, pformat(wrong)

    def test_staff_find_every_page(self, betas, principals):
        """The positive control, and that no page of it fails."""
        rows = {f"{kind._meta.app_label}_{kind._meta.model_name}" for kind in betas.rows}
        lists = [name for name in DOORS if name.endswith(("_changelist", "index")) or of_row(name) in rows]
        answers = {name: knock(principals["staff"], "GET", path_of(DOORS[name], betas)).status for name in lists}
        assert {name: status for name, status in answers.items() if status not in STAFF.get(name, {200})} == {}


def of_row(name):
    """The model whose row a change page shows."""
    return name.removeprefix("admin:").removesuffix("_change") if name.endswith("_change") else ""


# Pages that answer staff with something else than themselves.
STAFF = {
    "admin:autocomplete": {403},
    "admin:view_on_site": {404},
    "admin:auth_group_change": {302},  # there are no groups
}
