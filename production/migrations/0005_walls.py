"""The walls around what the plant did: every table, the partitions of events, and the two through tables of summaries.

A through table that Django makes has no tenant. It gets the column, filled by the database from its summary, so that
nobody who writes it has to know.
"""

from django.db import migrations

from mesassist.tenants.walls import BuildWall

THROUGH = ("production_summary_lines", "production_summary_machines")
FILL_SQL = """
CREATE FUNCTION production_fill_tenant() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $fill$
BEGIN
    SELECT tenant_id INTO NEW.tenant_id FROM production_summary WHERE id = NEW.summary_id;
    RETURN NEW;
END $fill$;
""" + "".join(
    f"""
ALTER TABLE {table} ADD COLUMN tenant_id bigint REFERENCES tenants_tenant (id) DEFERRABLE INITIALLY DEFERRED;
UPDATE {table} t SET tenant_id = s.tenant_id FROM production_summary s WHERE s.id = t.summary_id;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE {table} ALTER COLUMN tenant_id SET NOT NULL;
CREATE TRIGGER fill_tenant BEFORE INSERT OR UPDATE OF summary_id ON {table}
    FOR EACH ROW EXECUTE FUNCTION production_fill_tenant();
SELECT mes_build_wall('{table}', '', '', 'SELECT, INSERT, UPDATE, DELETE'), mes_tie_keys('{table}');
"""
    for table in THROUGH
)
UNFILL_SQL = "".join(
    f"""
DROP TRIGGER fill_tenant ON {table};
DROP POLICY of_tenant ON {table};
DROP POLICY of_owner ON {table};
DROP POLICY of_mes_staff ON {table};
ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
ALTER TABLE {table} DROP COLUMN tenant_id CASCADE;
"""
    for table in THROUGH
) + "DROP FUNCTION production_fill_tenant();"
# Reached by its own name a partition has policies of its own: none, unless they are built.
MONTHS_SQL = """
DO $months$
DECLARE month regclass;
BEGIN
    FOR month IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'production_event'::regclass LOOP
        PERFORM mes_build_wall(month, 'SELECT', '', 'SELECT');
    END LOOP;
    EXECUTE replace(
        pg_get_functiondef('production_make_month'::regproc), 'RETURN true;',
        'PERFORM mes_build_wall(month::regclass, ''SELECT'', '''', ''SELECT''); RETURN true;'
    );
END $months$;
"""
# Taken down, months that are made later have no wall again; those that are there keep theirs, which harms nobody.
NO_MONTHS_SQL = """
DO $months$ BEGIN
    EXECUTE regexp_replace(
        pg_get_functiondef('production_make_month'::regproc), 'PERFORM mes_build_wall[^;]*;', ''
    );
END $months$;
"""


class Migration(migrations.Migration):
    dependencies = [("production", "0004_daily_rollups"), ("tenants", "0003_walls")]

    operations = [
        BuildWall("site", "line", "machine", "product", "shift", "reason", "workorder", "idealcycle", jobs="SELECT"),
        BuildWall("rollup", "lossrollup", "dailyrollup", "dailyloss", "correction", "implausible", "sourcerank"),
        BuildWall("summary", "filemapping", "uploadchunk", "decodemark", "knownschema"),
        BuildWall("eventkey", "event", jobs="SELECT"),
        # What the platform's jobs look for in every tenant: marks, growing states, imports, sources, and the metrics.
        BuildWall("dirtyrange", "coverage", "upload", "kafkasource", "kafkapartition", jobs="SELECT"),
        BuildWall("quarantined", "selfcheck", jobs="SELECT"),
        BuildWall("importrun", jobs="SELECT, UPDATE"),
        migrations.RunSQL(MONTHS_SQL, NO_MONTHS_SQL),
        migrations.RunSQL(FILL_SQL, UNFILL_SQL),
    ]
