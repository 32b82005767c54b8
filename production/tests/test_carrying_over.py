"""Carrying over: the migration to months takes every event along, and back again."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

PROJECT = Path(__file__).resolve().parents[2]
ROWS = """
INSERT INTO tenants_tenant (slug, name, creates_unknown_machines, created_at) VALUES ('t', 'T', false, now());
INSERT INTO production_site (tenant_id, code, name, zone) SELECT id, 's', 'S', 'UTC' FROM tenants_tenant;
INSERT INTO production_line (tenant_id, site_id, code, name) SELECT tenant_id, id, 'l', 'L' FROM production_site;
INSERT INTO production_machine (tenant_id, line_id, code, name, micro_stop_s, contact_timeout_s, implausible_factor)
SELECT tenant_id, id, 'm', 'M', 300, 28800, 3 FROM production_line;
INSERT INTO production_event (tenant_id, source, event_id, content_hash, machine_id, at, received_at, kind, state,
                              comment, operator, name, unit, sequence)
SELECT tenant_id, 'plc', 'e' || n, decode(md5(n::text), 'hex'), id, '2019-03-01Z'::timestamptz + n * interval '20 days',
       '2026-01-01Z', 'state', 'down', '', '', '', '', n
FROM production_machine, generate_series(1, 60) n;
"""
SAID = "source, event_id, content_hash, machine_id, at, received_at, state, sequence"
WHOLE = f"SELECT {SAID} FROM production_event ORDER BY at"
APART = WHOLE.replace(
    "FROM production_event", "FROM production_event JOIN production_eventkey USING (event_id, source, at)"
)


@pytest.fixture
def migrate(owner_database):
    """Migrates a database of its own to a step; gives a connection to it."""
    name = f"carrying_over_{os.getpid()}"
    address = {"host": owner_database["HOST"], "port": owner_database["PORT"], "user": owner_database["USER"]}
    address["password"] = owner_database["PASSWORD"]
    url = "postgresql://{user}:{password}@{host}:{port}/".format(**address) + name
    with psycopg.connect(dbname="postgres", autocommit=True, **address) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with psycopg.connect(url, autocommit=True) as connection:

            def go(step):
                command = [sys.executable, "-m", "django", "migrate", "production", step, "--verbosity", "0"]
                subprocess.run(command, cwd=PROJECT, env=os.environ | {"DATABASE_URL": url}, check=True)
                return connection

            yield go
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


class TestMigration:
    def test_every_event_goes_along_to_its_month_and_back(self, migrate):
        connection = migrate("0002")
        connection.execute(ROWS)
        before = connection.execute(WHOLE).fetchall()
        migrate("0003")
        assert connection.execute(APART).fetchall() == before
        assert connection.execute("SELECT count(*) FROM production_event_default").fetchone() == (0,)
        (months,) = connection.execute("SELECT count(DISTINCT tableoid) FROM production_event").fetchone()
        assert months == len({(row[4].year, row[4].month) for row in before})
        migrate("0002")
        assert connection.execute(WHOLE).fetchall() == before
