"""The embedded servers, for real: their rights, and who starts and stops them whatever dies how."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from mesassist.embedded import (
    PROJECT,
    EmbeddedError,
    Services,
    environment,
    home_folder,
    is_needed,
    services,
    temporary_services,
)
from mesassist.servers.accounts import open_programs, open_way_to
from mesassist.servers.locks import wait_until
from mesassist.servers.postgres import SUPERUSER, Postgres
from mesassist.servers.valkey import Valkey

# Enters, says so, and stays until its input ends.
HOLDER = """
import os, sys
from mesassist.embedded import services, temporary_services
with (services(os.environ) if sys.argv[1] == "shared" else temporary_services()) as found:
    print(found.database_url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def home():
    """A home folder whose path is long and has blanks. Not under `tmp_path`: root's servers run as another account."""
    top = Path(tempfile.mkdtemp(prefix="mesassist tests "))
    top.chmod(0o711)
    yield top / ("a plant's own folder with a rather long name " * 4) / "home of the servers"
    for server in [kind(home) for home in top.glob("*/*") for kind in (Postgres, Valkey)]:
        server.stop()  # what a failed test left
    shutil.rmtree(top)


@pytest.fixture
def environ(home):
    yield {"MESASSIST_HOME": str(home)}
    assert running(home) == []


def running(home):
    return [server.name for server in (Postgres(home), Valkey(home)) if server.is_alive()]


@contextmanager
def holder(home, kind="shared", **variables):
    """Another process that holds the servers; gives the process once it has them."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "MESASSIST_HOME": str(home), **variables},
        text=True,
    )
    try:
        assert process.stdout.readline().startswith("postgresql://"), process.stderr.read()
        yield process
    finally:
        process.communicate(timeout=60)


def pid_of(server):
    server.read_state()
    return server.state["pid"]


def superuser_url(home):
    server = Postgres(home)
    server.read_state()
    return server.url(SUPERUSER)


def ask_broker(url, *command):
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return client.execute_command(*command)


def query(url, statement):
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


RIGHTS = "rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication, rolcanlogin"


class TestAddresses:
    def test_configured_servers_are_used_as_they_are(self):
        configured = {"DATABASE_URL": "postgresql://app@db/x", "REDIS_URL": "redis://broker/0"}

        with services(configured) as found:
            assert found == Services("postgresql://app@db/x", "postgresql://app@db/x", "redis://broker/0")
        with services(configured | {"OWNER_DATABASE_URL": "postgresql://owner@db/x"}) as found:
            assert environment(found) == {**configured, "OWNER_DATABASE_URL": "postgresql://owner@db/x"}

    def test_only_the_missing_server_is_started(self, home, environ):
        with services({**environ, "DATABASE_URL": "postgresql://app@db/x"}) as found:
            assert found.database_url == "postgresql://app@db/x"
            assert ask_broker(found.redis_url, "PING")
            assert running(home) == ["valkey"]

    def test_a_blank_address_counts_as_missing(self):
        assert is_needed({"DATABASE_URL": "", "REDIS_URL": "redis://broker/0"})
        assert not is_needed({"DATABASE_URL": "postgresql://app@db/x", "REDIS_URL": "redis://broker/0"})

    def test_the_home_folder_is_in_the_project_unless_named(self):
        assert home_folder({}) == PROJECT / ".mesassist"
        assert home_folder({"MESASSIST_HOME": "/srv/plant 1"}) == Path("/srv/plant 1")


@pytest.fixture(scope="class")
def found(home):
    with services({"MESASSIST_HOME": str(home)}) as found:
        yield found


class TestServers:
    def test_they_answer_with_utf8_and_utc(self, found):
        assert query(found.database_url, "SELECT current_user, current_database()") == [("mes_app", "mesassist")]
        settings = "SELECT current_setting('server_encoding'), current_setting('timezone'), upper('żółć straße')"
        assert query(found.database_url, settings) == [("UTF8", "UTC", "ŻÓŁĆ STRAßE")]
        assert ask_broker(found.redis_url, "PING")

    def test_they_listen_on_loopback_and_nowhere_else(self, home, found):
        listens = "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories')"
        assert query(superuser_url(home), listens) == [("127.0.0.1", "")]
        assert ask_broker(found.redis_url, "CONFIG GET", "bind") == {"bind": "127.0.0.1"}

    def test_they_let_nobody_in_without_the_password(self, found):
        port = psycopg.conninfo.conninfo_to_dict(found.database_url)["port"]

        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(host="127.0.0.1", port=port, user="mes_owner", dbname="mesassist")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(host="127.0.0.1", port=port, user="postgres", password="postgres", dbname="mesassist")
        with pytest.raises(redis.AuthenticationError):
            ask_broker("redis://" + found.redis_url.partition("@")[2], "PING")

    def test_valkey_keeps_its_journal_and_evicts_nothing(self, found):
        wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
        assert ask_broker(found.redis_url, "CONFIG GET", *wanted) == wanted

    def test_secrets_are_closed_to_others(self, home, found):
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in home.glob("*.json")}
        assert modes == {"postgres.json": 0o600, "valkey.json": 0o600}

    def test_no_role_is_above_row_level_security(self, home, found):
        rows = query(superuser_url(home), f"SELECT rolname, {RIGHTS} FROM pg_roles WHERE rolname ~ '^mes_'")
        granted = {
            name: {right for right, has in zip(RIGHTS.split(", "), has, strict=True) if has} for name, *has in rows
        }
        may = {"mes_app": {"rolcanlogin"}, "mes_owner": {"rolcreatedb", "rolcanlogin"}}
        assert granted == {"mes_door": set(), "mes_jobs": set(), "mes_staff": set(), **may}
        assert query(found.database_url, "SELECT pg_has_role('mes_app', 'mes_owner', 'MEMBER')") == [(False,)]

    def test_the_owner_owns_the_database_and_its_schema(self, found):
        database = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'mesassist'"
        schema = "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'public'"
        assert query(found.database_url, f"{database} UNION ALL {schema}") == [("mes_owner",), ("mes_owner",)]

    @pytest.mark.parametrize("statement", ["CREATE TABLE mine (x int)", "CREATE SCHEMA mine", "CREATE ROLE mine"])
    def test_the_app_role_creates_nothing_that_lasts(self, found, statement):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            query(found.database_url, statement)

    def test_the_app_role_stages_in_a_temporary_table(self, found):
        with psycopg.connect(found.database_url) as connection:
            connection.execute("CREATE TEMP TABLE staging (x int)")
            with connection.cursor().copy("COPY staging FROM STDIN") as copy:
                copy.write_row([7])
            assert connection.execute("SELECT x FROM staging").fetchall() == [(7,)]

    @pytest.mark.parametrize("database", ["mesassist", "test_made_by_the_owner"])
    def test_the_app_role_uses_rows_of_the_owners_tables_and_no_more(self, found, database):
        owner, app = (
            url.removesuffix("mesassist") + database for url in (found.owner_database_url, found.database_url)
        )
        with psycopg.connect(found.owner_database_url, autocommit=True) as connection:
            if database != "mesassist":
                connection.execute(f"CREATE DATABASE {database}")
        with psycopg.connect(owner) as connection:
            connection.execute("CREATE TABLE machine (id bigint GENERATED BY DEFAULT AS IDENTITY, code text)")
            connection.execute("CREATE SEQUENCE numbers")

        with psycopg.connect(app) as connection:
            connection.execute("INSERT INTO machine (id, code) VALUES (nextval('numbers'), 'M1'), (DEFAULT, 'M2')")
            connection.execute("UPDATE machine SET code = 'M3' WHERE code = 'M1'")
            connection.execute("DELETE FROM machine WHERE code = 'M2'")
            assert connection.execute("SELECT code FROM machine").fetchall() == [("M3",)]
        for statement in ("TRUNCATE machine", "DROP TABLE machine", "ALTER TABLE machine ADD x int"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                query(app, statement)


class TestHolding:
    def test_a_second_start_keeps_addresses_and_data(self, environ):
        with services(environ) as first:
            with psycopg.connect(first.owner_database_url) as connection:
                connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            ask_broker(first.redis_url, "SET", "kept", "42")

        with services(environ) as second:
            assert second == first
            assert query(second.database_url, "SELECT answer FROM kept") == [(42,)]
            assert ask_broker(second.redis_url, "GET", "kept") == "42"

    def test_the_last_of_two_holders_stops_the_servers(self, home, environ):
        with services(environ) as found:
            with holder(home):
                pass
            assert query(found.database_url, "SELECT 1") == [(1,)]
            with holder(home) as other, services(environ):
                pass
            assert other.returncode == 0
        assert running(home) == []

    def test_servers_outlive_the_holder_that_started_them(self, home, environ):
        with holder(home) as first:
            with services(environ) as found:
                first.communicate(timeout=60)
                assert query(found.database_url, "SELECT 1") == [(1,)]
            assert running(home) == []

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_holder_that_is_told_to_end_stops_them(self, home, environ, number):
        with holder(home) as process:
            process.send_signal(number)
            process.wait(60)
            assert running(home) == []
        assert process.returncode != 0

    def test_ctrl_c_in_the_terminal_does_not_reach_them(self, home, environ):
        with services(environ):
            groups = {os.getpgid(pid_of(server)) for server in (Postgres(home), Valkey(home))}
            assert os.getpgid(0) not in groups

    def test_a_killed_holder_leaves_them_to_the_next_one(self, home, environ):
        with holder(home) as process:
            process.kill()
            process.wait(60)
            assert running(home) == ["postgres", "valkey"]
            orphan = pid_of(Postgres(home))

        with services(environ) as found:
            assert pid_of(Postgres(home)) == orphan
            assert query(found.database_url, "SELECT 1") == [(1,)]
        assert running(home) == []

    def test_killed_servers_are_started_again_with_their_data(self, home, environ):
        with services(environ) as before, psycopg.connect(before.owner_database_url) as client:
            with psycopg.connect(before.owner_database_url) as connection:
                connection.execute("CREATE TABLE survives AS SELECT 7 AS answer")
            for server in (Postgres(home), Valkey(home)):
                os.kill(pid_of(server), signal.SIGKILL)
            assert wait_until(lambda: running(home) == [], seconds=20)

            with services(environ) as after:
                assert after == before
                assert query(after.database_url, "SELECT answer FROM survives") == [(7,)]
                assert ask_broker(after.redis_url, "PING")
            with pytest.raises(psycopg.OperationalError):
                client.execute("SELECT 1")

    def test_a_stale_process_id_that_is_now_somebody_elses_does_no_harm(self, home, environ):
        with services(environ):
            lines = (home / "postgres/data/postmaster.pid").read_text().splitlines()
        # Of the same account: PostgreSQL itself would take it for another server on this folder.
        with subprocess.Popen(["sleep", "60"], **Postgres(home).process_options()) as innocent:
            (home / "postgres/data/postmaster.pid").write_text("\n".join([str(innocent.pid), *lines[1:], ""]))
            with services(environ) as found:
                assert query(found.database_url, "SELECT 1") == [(1,)]
            assert innocent.poll() is None
            innocent.kill()

    def test_a_taken_port_is_given_up_for_another(self, home, environ):
        with services(environ) as before:
            pass
        port = int(psycopg.conninfo.conninfo_to_dict(before.database_url)["port"])
        with socket.create_server(("127.0.0.1", port)), services(environ) as after:
            assert after.database_url != before.database_url
            assert query(after.database_url, "SELECT 1") == [(1,)]

    def test_a_start_cut_off_in_the_middle_is_begun_anew(self, home, environ):
        other = home.with_name("cut off")
        half_made = other / "postgres/data.new"
        half_made.mkdir(parents=True)
        (half_made / "PG_VERSION").write_text("18\n")
        Postgres(other).write_state(**dict.fromkeys(Postgres.password_names, "0123"))

        with services({"MESASSIST_HOME": str(other), "REDIS_URL": "redis://broker/0"}) as found:
            assert query(found.database_url, "SELECT 1") == [(1,)]
        assert running(other) == []


class TestAccounts:
    def test_the_way_to_a_path_is_opened_for_passing_through_only(self, caplog):
        with tempfile.TemporaryDirectory() as top:
            open_way_to(Path(top) / "data")
            assert stat.S_IMODE(Path(top).stat().st_mode) == 0o701
        assert [record.message for record in caplog.records] == [
            f"Other accounts may now pass through {top}: PostgreSQL does not run as root."
        ]

    def test_programs_installed_under_a_strict_umask_become_readable(self):
        with tempfile.TemporaryDirectory() as top:
            programs = Path(top) / "bin"
            programs.mkdir(mode=0o700)
            for name, mode in (("postgres", 0o700), ("library", 0o600)):
                (programs / name).touch(mode)
            open_programs(programs)
            modes = [stat.S_IMODE(path.stat().st_mode) for path in (programs, *sorted(programs.iterdir()))]
            assert modes == [0o755, 0o644, 0o755]


class TestRefusals:
    def test_it_says_so_when_the_folder_cannot_be_written(self):
        with pytest.raises(EmbeddedError, match=r"^The folder /proc/nowhere cannot be written .* MESASSIST_HOME\.$"):
            services({"MESASSIST_HOME": "/proc/nowhere"}).__enter__()

    def test_it_says_so_when_the_passwords_are_gone(self, home, environ):
        other = home.with_name("without passwords")
        (other / "postgres").mkdir(parents=True)

        with pytest.raises(EmbeddedError, match=r"passwords of .* are missing \(postgres\.json\)\. Put that file back"):
            services({"MESASSIST_HOME": str(other)}).__enter__()

    def test_it_refuses_data_of_another_release(self, home, environ):
        with services(environ):
            pass
        version = home / "postgres/data/PG_VERSION"
        version.write_text("16\n")
        try:
            with pytest.raises(EmbeddedError, match="was made by PostgreSQL 16, this is 18"):
                services(environ).__enter__()
        finally:
            version.write_text("18\n")

    def test_it_gives_the_servers_own_reason_in_one_line(self, home, environ):
        with services(environ):
            pass
        control = home / "postgres/data/global/pg_control"
        kept = control.read_bytes()
        control.write_bytes(b"damaged")
        try:
            with pytest.raises(EmbeddedError, match=r"^PostgreSQL does not start: .*pg_control.*postgres\.log\)$"):
                services(environ).__enter__()
        finally:
            control.write_bytes(kept)


class TestTemporaryServices:
    @pytest.fixture
    def folder(self, monkeypatch):
        """A folder for temporary files of this test alone."""
        with tempfile.TemporaryDirectory(prefix="mesassist-") as folder:
            Path(folder).chmod(0o711)
            monkeypatch.setattr(tempfile, "tempdir", folder)
            yield Path(folder)

    def test_they_are_empty_and_leave_nothing(self, folder):
        with temporary_services() as found:
            assert query(found.database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
            assert query(found.database_url, "SHOW fsync") == [("off",)]
            assert ask_broker(found.redis_url, "DBSIZE") == 0
        assert list(folder.iterdir()) == []

    def test_those_of_a_killed_run_are_removed_by_the_next(self, home, folder):
        with holder(home, "temporary", TMPDIR=str(folder)) as process:
            process.kill()
            process.wait(60)
        [abandoned] = folder.iterdir()
        assert running(abandoned) == ["postgres", "valkey"]
        address = superuser_url(abandoned)
        assert query(address, "SELECT 1") == [(1,)]

        with temporary_services() as found:
            assert query(found.database_url, "SELECT 1") == [(1,)]
            assert not abandoned.exists()
            with pytest.raises(psycopg.OperationalError, match="Connection refused"):
                query(address, "SELECT 1")
