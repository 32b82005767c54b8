"""Walls: the second wall between tenants, as migration operations: row-level security and keys that carry the tenant.

The first wall (`scope`) filters what the ORM asks; this one holds for whatever reaches the database. A policy raises
where no tenant was told: silence would look like "no events" (decision 011).
"""

from typing import Any

from django.db.migrations.operations.base import Operation

# One wall for each table, built by the database itself, so that a partition made at night gets the same one.
BUILD_SQL = """
CREATE FUNCTION mes_build_wall(walled regclass, jobs text, door text, staff text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $build$
DECLARE
    told text := 'tenant_id = current_setting(''app.tenant_id'')::bigint';
    role_name text;
    rights text;
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', walled);
    EXECUTE format('CREATE POLICY of_tenant ON %s USING (%s) WITH CHECK (%s)', walled, told, told);
    EXECUTE format('CREATE POLICY of_owner ON %s TO CURRENT_USER USING (true) WITH CHECK (true)', walled);
    FOR role_name, rights IN VALUES ('mes_jobs', jobs), ('mes_door', door), ('mes_staff', staff) LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %I', walled, role_name);
        IF rights <> '' THEN
            EXECUTE format('GRANT %s ON %s TO %I', rights, walled, role_name);
            EXECUTE format('CREATE POLICY of_%s ON %s TO %I USING (true) WITH CHECK (true)',
                           role_name, walled, role_name);
        END IF;
    END LOOP;
END $build$;

CREATE FUNCTION mes_tie_keys(walled regclass) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $tie$
-- A foreign key is checked with the owner's eyes, past every policy: unless it names the tenant, a row could point into
-- another tenant. Each one to a table of tenants is made anew over (tenant_id, column).
DECLARE
    key record;
BEGIN
    FOR key IN
        SELECT con.conname, con.confrelid::regclass AS target, own.attname AS own_column, other.attname AS other_column,
               con.condeferrable
        FROM pg_constraint con
        JOIN pg_attribute own ON own.attrelid = con.conrelid AND own.attnum = con.conkey[1]
        JOIN pg_attribute other ON other.attrelid = con.confrelid AND other.attnum = con.confkey[1]
        JOIN pg_attribute theirs ON theirs.attrelid = con.confrelid AND theirs.attname = 'tenant_id'
        WHERE con.conrelid = walled AND con.contype = 'f' AND cardinality(con.conkey) = 1
    LOOP
        PERFORM FROM pg_index i
            WHERE i.indrelid = key.target AND i.indisunique AND i.indpred IS NULL AND i.indnkeyatts = 2
              AND (SELECT array_agg(attname::text ORDER BY attname) FROM pg_attribute
                   WHERE attrelid = i.indrelid AND attnum = ANY (i.indkey))
                  = ARRAY(SELECT unnest(ARRAY['tenant_id', key.other_column::text]) ORDER BY 1);
        IF NOT FOUND THEN
            EXECUTE format('CREATE UNIQUE INDEX %I ON %s (tenant_id, %I)',
                           left(key.target::text, 40) || '_of_tenant', key.target, key.other_column);
        END IF;
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', walled, key.conname);
        EXECUTE format(
            'ALTER TABLE %s ADD CONSTRAINT %I FOREIGN KEY (tenant_id, %I) REFERENCES %s (tenant_id, %I)'
            ' DEFERRABLE INITIALLY DEFERRED',
            walled, key.conname, key.own_column, key.target, key.other_column
        );
    END LOOP;
END $tie$;
"""
DROP_SQL = "DROP FUNCTION mes_build_wall(regclass, text, text, text); DROP FUNCTION mes_tie_keys(regclass);"
ROLES_SQL = """
DO $roles$
DECLARE role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['mes_door', 'mes_jobs', 'mes_staff'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', role_name);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;
                WHEN insufficient_privilege THEN
                    RAISE 'The role % is missing. Make the roles first: docs/operations.md.', role_name;
            END;
        END IF;
    END LOOP;
END $roles$;
GRANT USAGE ON SCHEMA public TO mes_door, mes_jobs, mes_staff;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO mes_staff;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO mes_staff, mes_jobs, mes_door;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO mes_staff;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO mes_staff, mes_jobs, mes_door;
GRANT SELECT ON tenants_tenant, tenants_user TO mes_door, mes_jobs;
"""


class BuildWall(Operation):
    """Forces row-level security onto the tables of these models of the app and puts the tenant into their keys.

    `jobs` and `door` say what those platform roles may do there (`"SELECT, UPDATE"`; nothing unless said), `staff` what
    the Django admin may. A model named here has a column `tenant_id` that is never null.
    """

    reversible = True

    def __init__(
        self, *models: str, jobs: str = "", door: str = "", staff: str = "SELECT, INSERT, UPDATE, DELETE"
    ) -> None:
        self.models, self.jobs, self.door, self.staff = models, jobs, door, staff

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing that models could see."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Build it; what is pending on the table must be checked before its policies change."""
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        for model in self.models:
            table = to_state.apps.get_model(app_label, model)._meta.db_table
            schema_editor.execute("SELECT mes_build_wall(%s, %s, %s, %s)", (table, self.jobs, self.door, self.staff))
            schema_editor.execute("SELECT mes_tie_keys(%s)", (table,))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Take it down; the keys stay as they are, they hurt nobody."""
        for model in self.models:
            table = schema_editor.quote_name(from_state.apps.get_model(app_label, model)._meta.db_table)
            for policy in ("of_tenant", "of_owner", "of_mes_jobs", "of_mes_door", "of_mes_staff"):
                schema_editor.execute(f"DROP POLICY IF EXISTS {policy} ON {table}")
            schema_editor.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")

    def describe(self) -> str:
        """What `migrate` prints."""
        return f"Build the wall around {', '.join(self.models)}"
