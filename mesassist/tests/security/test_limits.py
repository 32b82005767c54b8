"""Limits of the web doors: a page, a cursor or an order that makes no sense is refused, never cut down in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mesassist.tests.security.table import TABLE
from mesassist.tests.security.walking import all_doors

ROOT = Path(__file__).resolve().parents[3]
DOORS = all_doors()
LISTS = sorted(name for name in TABLE if name.endswith("-list") or name == "analyses")
PAGES = sorted(
    n for n, entry in TABLE.items() if DOORS[n].route.startswith("t/") and "GET" in entry.least and not entry.rows
)
ABUSE = (
    "page_size=1000000000", "page_size=0", "page_size=-1", "page_size=x", "page_size=", "page=1000000000",
    "ordering=tenant__token", "order_by=id", "cursor=x", "cursor=cD0xJyBPUiAxPTE%3D",
    "limit=100000", "offset=9", "fields=token", "expand=tenant", "tenant=beta",
)  # fmt: skip
ODD = (
    "page=1000000000",
    "page=x",
    "page=-1",
    "page=",
    "page=1%00",
    "before=x",
    "after=99999999999999999999",
    "from=x&to=y",
)


@pytest.mark.django_db
class TestLists:
    @pytest.mark.parametrize("name", LISTS)
    def test_it_refuses_what_makes_no_sense(self, name, alfa, api_key, caller):
        client, headers = caller(), {"Authorization": f"Api-Key {api_key(alfa, 'read')}"}
        path = DOORS[name].path()
        answers = {query: client.get(f"{path}?{query}", headers=headers).status_code for query in ABUSE}
        assert {query: status for query, status in answers.items() if status != 400} == {}
        assert client.get(f"{path}?page_size=500", headers=headers).status_code == 200


@pytest.mark.django_db
class TestPages:
    @pytest.mark.parametrize("name", PAGES)
    def test_it_bears_an_odd_address(self, name, alfa, principals):
        client = principals["tenant admin"].client
        answers = {query: client.get(f"{DOORS[name].path(tenant='alfa')}?{query}").status_code for query in ODD}
        assert {query: status for query, status in answers.items() if status >= 500} == {}


class TestDeployment:
    def test_djangos_own_checks_find_nothing(self):
        """As it is deployed: without DEBUG, behind TLS."""
        command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
        environ = os.environ | {"DEBUG": "false", "BEHIND_TLS": "true", "SECRET_KEY": SECRET_KEY}
        environ |= {"API_KEY_PEPPERS": os.environ["TOKEN_KEYS"]}
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


SECRET_KEY = "only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ"
