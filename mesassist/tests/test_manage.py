"""Management commands: which servers and which role a command finds around it."""

import os
import subprocess
import sys
import tempfile

import pytest

from mesassist.embedded import PROJECT
from mesassist.launch import command_environment
from mesassist.tests.test_launch import CONFIGURED


@pytest.fixture
def home(tmp_path):
    """A home folder of its own."""
    return tmp_path


class TestCommands:
    @pytest.fixture
    def environ(self, home):
        return {"MESASSIST_HOME": str(home), **CONFIGURED, "SECRET_KEY": "s", "TOKEN_KEYS": "t"}

    @pytest.mark.parametrize(("command", "role"), [("migrate", "owner"), ("import_production", "app")])
    def test_only_migrations_run_as_the_owner(self, environ, command, role):
        with command_environment(["manage.py", command], environ):
            assert environ["DATABASE_URL"] == f"postgresql://{role}@db/x"

    @pytest.mark.parametrize("arguments", [[], ["check"], ["spectacular"], ["migrate", "--help"]])
    def test_what_speaks_to_no_server_starts_none(self, home, arguments):
        environ = {"MESASSIST_HOME": str(home)}
        with command_environment(["manage.py", *arguments], environ):
            assert environ["DATABASE_URL"] == "postgresql://nobody@127.0.0.1:1/none"
        assert [path.name for path in home.glob("*")] == ["lock", "secrets.env"]

    def test_the_first_command_of_all_finds_its_tables(self):
        # Not under tmp_path: pytest closes that folder to the account that the servers run as.
        with tempfile.TemporaryDirectory() as home:
            done = subprocess.run(
                [sys.executable, str(PROJECT / "manage.py"), "run_analysis", "--tenant", "nowhere"],
                env={"PATH": os.environ["PATH"], "MESASSIST_HOME": home},
                capture_output=True,
                text=True,
                check=False,
            )
        assert (done.returncode, done.stderr) == (1, "CommandError: There is no tenant 'nowhere'.\n")

    def test_a_failure_to_start_is_one_line(self, home):
        (home / "postgres").mkdir()
        done = subprocess.run(
            [sys.executable, str(PROJECT / "manage.py"), "showmigrations"],
            env={"PATH": os.environ["PATH"], "MESASSIST_HOME": str(home)},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith(f"The passwords of {home / 'postgres'} are missing")
