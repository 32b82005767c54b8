"""Canaries: keys that are not this database's are noticed before anything starts."""

import base64
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from django.core.checks import run_checks
from django.db import connection

from mesassist.servers.ports import choose_port
from mesassist.tenants.canary import KeysDoNotFit, check_keys, leave_canary
from mesassist.tenants.models import KeyCanary

ROOT = Path(__file__).resolve().parents[3]
OLD, NEW = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
PROCESSES = {
    "web": "-m uvicorn mesassist.asgi:application --port {port}",
    "worker": "-m celery -A mesassist worker -Q model -P threads -c 1 --without-mingle --without-gossip",
    "compute": "-m celery -A mesassist worker -Q compute -P prefork -c 1 --without-mingle --without-gossip",
    "consumer": "manage.py consume_events",
}


@pytest.fixture
def sealed_with_old(db, settings):
    settings.TOKEN_KEYS = f"old:{OLD}"
    leave_canary()


class TestCheck:
    def test_an_empty_database_takes_the_key_that_it_is_given(self, db, settings):
        settings.TOKEN_KEYS = f"old:{OLD}"
        check_keys()
        leave_canary()
        leave_canary()
        assert list(KeyCanary.objects.values_list("key_id", flat=True)) == ["old"]
        check_keys()

    def test_a_missing_key_is_named(self, sealed_with_old, settings):
        settings.TOKEN_KEYS = f"new:{NEW}"
        with pytest.raises(KeysDoNotFit, match="lacks the key 'old'"):
            check_keys()

    def test_another_key_of_the_same_name_is_named(self, sealed_with_old, settings):
        settings.TOKEN_KEYS = f"old:{NEW}"
        with pytest.raises(KeysDoNotFit, match="The key 'old' in TOKEN_KEYS is not the one"):
            check_keys()

    def test_a_newer_key_in_front_is_welcome(self, sealed_with_old, settings):
        settings.TOKEN_KEYS = f"new:{NEW},old:{OLD}"
        check_keys()

    def test_the_system_check_says_the_same(self, sealed_with_old, settings):
        settings.TOKEN_KEYS = f"new:{NEW}"
        found = [one for one in run_checks(tags=["database"], databases=["default"]) if one.id == "mesassist.E004"]
        assert ["lacks the key 'old'" in one.msg for one in found] == [True]

    def test_it_costs_one_query(self, sealed_with_old, django_assert_num_queries):
        with django_assert_num_queries(1):
            check_keys()


@pytest.mark.django_db(transaction=True)
class TestStart:
    @pytest.mark.parametrize("name", PROCESSES)
    def test_a_process_with_a_wrong_key_does_not_start_and_names_it(self, sealed_with_old, name):
        known = connection.settings_dict
        where = f"{known['HOST']}:{known['PORT']}/{known['NAME']}"
        environment = os.environ | {
            "DATABASE_URL": f"postgresql://{known['USER']}:{quote(known['PASSWORD'])}@{where}",
            "TOKEN_KEYS": f"old:{NEW}",
        }
        command = [sys.executable, *PROCESSES[name].format(port=choose_port()).split()]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90)
        assert done.returncode != 0
        assert "The key 'old' in TOKEN_KEYS is not the one" in done.stdout + done.stderr
