"""Events by month: a partitioned table, the ids that are taken beside it, and what keeps both in order.

Both ways the rows are carried over. PostgreSQL cannot turn a table into a partitioned one, so the old table is copied
and dropped in one transaction: with many millions of events plan for minutes in which ingest waits.
"""

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations, models
from django.db.models import CASCADE, PROTECT

COLUMNS = (
    "tenant_id, source, event_id, machine_id, at, until, received_at, kind, state, reason_id, comment, operator, "
    "order_id, product_id, good, scrap, rework, name, value, maximum, unit, sequence, import_run_id"
)
STAGED = COLUMNS.removeprefix("tenant_id, ").replace("received_at, ", "").removesuffix(", import_run_id")
REFERRED = {
    "production_machine": "machine_id",
    "production_reason": "reason_id",
    "production_product": "product_id",
    "production_workorder": "order_id",
    "production_importrun": "import_run_id",
    "tenants_tenant": "tenant_id",
}
DEFINITIONS = """
    tenant_id bigint NOT NULL,
    source varchar(64) NOT NULL,
    event_id varchar(64) NOT NULL,
    machine_id bigint NOT NULL,
    at timestamptz NOT NULL,
    until timestamptz,
    received_at timestamptz NOT NULL,
    kind varchar(12) NOT NULL,
    state varchar(12) NOT NULL,
    reason_id bigint,
    comment text NOT NULL,
    operator varchar(64) NOT NULL,
    order_id bigint,
    product_id bigint,
    good double precision,
    scrap double precision,
    rework double precision,
    name varchar(64) NOT NULL,
    value double precision,
    maximum double precision,
    unit varchar(16) NOT NULL,
    sequence bigint,
    import_run_id bigint,
    CONSTRAINT event_ends_after CHECK (until IS NULL OR until >= at),
    CONSTRAINT event_state_given CHECK (kind <> 'state' OR state <> '')
"""
INDEXES = """
CREATE INDEX event_of_machine ON production_event (tenant_id, machine_id, kind, at);
CREATE INDEX event_of_import ON production_event (import_run_id) WHERE import_run_id IS NOT NULL;
CREATE INDEX event_interval ON production_event (tenant_id, machine_id, until) WHERE until IS NOT NULL;
"""
# The app role may not create tables. These functions act for the owner, and each does one harmless thing only.
FUNCTIONS = f"""
CREATE FUNCTION production_make_month(wanted date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' AS $make$
-- Makes the partition of one month and moves into it what waits in the default partition.
-- True: it was made; false: it is there; null: not now, because somebody is writing into the default partition.
DECLARE
    first_day date := date_trunc('month', wanted);
    begins timestamptz := first_day::timestamp AT TIME ZONE 'UTC';
    ends timestamptz := (first_day + interval '1 month') AT TIME ZONE 'UTC';
    month text := 'production_event_' || to_char(first_day, 'YYYY_MM');
BEGIN
    IF first_day < date '1980-01-01' OR first_day > now() + interval '12 months' THEN
        RAISE EXCEPTION 'No events of % are taken, so it has no partition.', first_day;
    END IF;
    IF to_regclass(month) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtextextended('production.partitions', 0)) THEN
        RETURN NULL;
    END IF;
    IF to_regclass(month) IS NOT NULL THEN
        RETURN false;
    END IF;
    BEGIN
        LOCK TABLE production_event_default IN ACCESS EXCLUSIVE MODE;
    EXCEPTION WHEN lock_not_available THEN
        RETURN NULL;
    END;
    EXECUTE format('CREATE TABLE %I (LIKE production_event INCLUDING ALL)', month);
    EXECUTE format(
        'WITH moved AS (DELETE FROM production_event_default WHERE at >= $1 AND at < $2 RETURNING *) '
        'INSERT INTO %I SELECT * FROM moved', month
    ) USING begins, ends;
    EXECUTE format(
        'ALTER TABLE production_event ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', month, begins, ends
    );
    RETURN true;
END $make$;

CREATE FUNCTION production_drop_month(wanted date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' AS $drop$
-- Drops the partition of one month if it is over and holds nothing; what it says otherwise is false.
DECLARE
    month text := 'production_event_' || to_char(wanted, 'YYYY_MM');
    holds boolean;
BEGIN
    IF to_regclass(month) IS NULL OR date_trunc('month', wanted) >= date_trunc('month', now()) THEN
        RETURN false;
    END IF;
    BEGIN
        LOCK TABLE production_event IN ACCESS EXCLUSIVE MODE;
    EXCEPTION WHEN lock_not_available THEN
        RETURN false;
    END;
    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', month) INTO holds;
    IF NOT holds THEN
        EXECUTE format('DROP TABLE %I', month);
    END IF;
    RETURN NOT holds;
END $drop$;

CREATE FUNCTION production_take_staged(tenant bigint, now timestamptz, run bigint) RETURNS bigint
LANGUAGE plpgsql AS $take$
-- Inserts what the session staged (production/ingest/staging.py) and marks what it touches; gives the number of events.
-- The key decides: it is inserted once, so its event is. In the order of the keys, so that two batches with the same
-- ids wait for one another instead of deadlocking. Nearly always every id is new, and then ON CONFLICT would cost a
-- second look at each: that comes only when an id turned out to be taken. An error that is caught here is not logged.
-- The marks go by machine and week: few stretches to fold, and a late event does not dirty months.
DECLARE taken bigint;
BEGIN
    BEGIN
        INSERT INTO production_eventkey (tenant_id, source, event_id, at, content_hash)
        SELECT tenant, source, event_id, at, content_hash FROM staged_event ORDER BY event_id, source;
    EXCEPTION WHEN unique_violation THEN
        -- Planned anew each time: a plan for few rows would take minutes for many.
        EXECUTE $again$
            WITH fresh AS (
                INSERT INTO production_eventkey (tenant_id, source, event_id, at, content_hash)
                SELECT $1, source, event_id, at, content_hash FROM staged_event ORDER BY event_id, source
                ON CONFLICT DO NOTHING RETURNING source, event_id
            ), taken AS (
                INSERT INTO production_event (tenant_id, received_at, import_run_id, {STAGED})
                SELECT $1, $2, $3, {STAGED} FROM staged_event JOIN fresh USING (source, event_id)
                RETURNING machine_id, at, greatest(at, until) AS ends
            ), marked AS (
                INSERT INTO production_dirtyrange (tenant_id, machine_id, from_at, to_at)
                SELECT $1, machine_id, min(at), max(ends) FROM taken
                GROUP BY machine_id, date_bin('7 days', at, '2000-01-03Z')
            )
            SELECT count(*) FROM taken
        $again$ INTO taken USING tenant, now, run;
        RETURN taken;
    END;
    INSERT INTO production_event (tenant_id, received_at, import_run_id, {STAGED})
    SELECT tenant, now, run, {STAGED} FROM staged_event;
    GET DIAGNOSTICS taken = ROW_COUNT;
    INSERT INTO production_dirtyrange (tenant_id, machine_id, from_at, to_at)
    SELECT tenant, machine_id, min(at), max(greatest(at, until)) FROM staged_event
    GROUP BY machine_id, date_bin('7 days', at, '2000-01-03Z');
    RETURN taken;
END $take$;

CREATE FUNCTION production_refuse_orphans() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $refuse$
-- Stands in for the foreign keys of events, which would be checked at every insert.
DECLARE
    kept boolean;
    tenant bigint := coalesce(to_jsonb(OLD) ->> 'tenant_id', to_jsonb(OLD) ->> 'id');
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM production_event WHERE tenant_id = $1 AND %I = $2)', TG_ARGV[0])
    INTO kept USING tenant, OLD.id;
    IF kept THEN
        RAISE foreign_key_violation USING MESSAGE = format(
            'Events name row %s of %s, so it cannot be deleted.', OLD.id, TG_TABLE_NAME
        );
    END IF;
    RETURN NULL;
END $refuse$;
"""
MONTHS = """
DO $months$
DECLARE month date;
BEGIN
    FOR month IN
        SELECT DISTINCT date_trunc('month', at AT TIME ZONE 'UTC')::date FROM production_event_whole
        WHERE at >= '1980-01-01Z' AND at < now() + interval '1 month'
        UNION SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n))::date
        FROM generate_series(0, 2) n
        ORDER BY 1
    LOOP
        PERFORM production_make_month(month);
    END LOOP;
END $months$;
"""
PARTITION = f"""
ALTER TABLE production_event RENAME TO production_event_whole;
ALTER INDEX event_of_machine RENAME TO event_of_machine_whole;
ALTER INDEX event_of_import RENAME TO event_of_import_whole;
ALTER INDEX event_interval RENAME TO event_interval_whole;
CREATE TABLE production_event ({DEFINITIONS}) PARTITION BY RANGE (at);
CREATE TABLE production_event_default PARTITION OF production_event DEFAULT;
{INDEXES}
CREATE INDEX event_of_time ON production_event USING brin (at) WITH (pages_per_range = 16, autosummarize = on);
{FUNCTIONS}
{MONTHS}
INSERT INTO production_event ({COLUMNS}) SELECT {COLUMNS} FROM production_event_whole;
INSERT INTO production_eventkey (tenant_id, source, event_id, at, content_hash)
SELECT tenant_id, source, event_id, at, content_hash FROM production_event_whole;
DROP TABLE production_event_whole;
""" + "".join(
    f"CREATE TRIGGER refuse_orphans AFTER DELETE ON {table} "
    f"FOR EACH ROW EXECUTE FUNCTION production_refuse_orphans('{column}');\n"
    for table, column in REFERRED.items()
)
UNITE = f"""
{"".join(f"DROP TRIGGER refuse_orphans ON {table};" for table in REFERRED)}
ALTER TABLE production_event RENAME TO production_event_months;
DROP INDEX event_of_machine, event_of_import, event_interval, event_of_time;
ALTER TABLE production_event_months DROP CONSTRAINT event_ends_after, DROP CONSTRAINT event_state_given;
CREATE TABLE production_event (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    content_hash bytea NOT NULL,
    {DEFINITIONS}
);
INSERT INTO production_event (content_hash, {COLUMNS})
SELECT content_hash, {COLUMNS} FROM production_event_months
JOIN production_eventkey USING (tenant_id, source, event_id, at) ORDER BY received_at, at;
DROP TABLE production_event_months;
DROP FUNCTION IF EXISTS production_make_month, production_drop_month, production_take_staged, production_refuse_orphans;
ALTER TABLE production_event ADD CONSTRAINT event_once UNIQUE (tenant_id, source, event_id);
{INDEXES}
""" + "".join(
    f"ALTER TABLE production_event ADD CONSTRAINT production_event_{column}_fk FOREIGN KEY ({column}) "
    f"REFERENCES {table} (id) DEFERRABLE INITIALLY DEFERRED;\n"
    for table, column in REFERRED.items()
)


def reference(to, on_delete, **options):
    return models.ForeignKey(to=to, on_delete=on_delete, db_index=False, db_constraint=False, **options)


class Migration(migrations.Migration):
    dependencies = [("production", "0002_doors_and_corrections")]
    operations = [
        migrations.CreateModel(
            name="EventKey",
            fields=[
                ("pk", models.CompositePrimaryKey("tenant", "event_id", "source", blank=True, editable=False, primary_key=True, serialize=False)),
                ("source", models.CharField(db_collation="C", max_length=64)),
                ("event_id", models.CharField(db_collation="C", max_length=64)),
                ("at", models.DateTimeField()),
                ("content_hash", models.BinaryField(max_length=16)),
                ("tenant", reference("tenants.tenant", CASCADE, editable=False, related_name="+")),
            ],
            options={"abstract": False},
        ),
        migrations.AlterField("dirtyrange", "tenant", reference("tenants.tenant", CASCADE, editable=False, related_name="+")),
        migrations.AlterField("dirtyrange", "machine", reference("production.machine", CASCADE, related_name="+")),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(PARTITION, UNITE)],
            state_operations=[
                migrations.DeleteModel("Event"),
                migrations.CreateModel(
                    name="Event",
                    fields=[
                        ("pk", models.CompositePrimaryKey("tenant", "at", "source", "event_id", blank=True, editable=False, primary_key=True, serialize=False)),
                        ("source", models.CharField(max_length=64)),
                        ("event_id", models.CharField(max_length=64)),
                        ("at", models.DateTimeField()),
                        ("until", models.DateTimeField(null=True)),
                        ("received_at", models.DateTimeField()),
                        ("kind", models.CharField(choices=[("state", "State"), ("count", "Count"), ("counter", "Counter"), ("measurement", "Measurement")], max_length=12)),
                        ("state", models.CharField(blank=True, choices=[("running", "Running"), ("idle", "idle (starved, blocked, no operator)"), ("setup", "set-up"), ("planned_stop", "planned stop"), ("down", "Down"), ("unknown", "unknown (no contact)")], max_length=12)),
                        ("comment", models.TextField(blank=True)),
                        ("operator", models.CharField(blank=True, max_length=64)),
                        ("good", models.FloatField(null=True)),
                        ("scrap", models.FloatField(null=True)),
                        ("rework", models.FloatField(null=True)),
                        ("name", models.CharField(blank=True, max_length=64)),
                        ("value", models.FloatField(null=True)),
                        ("maximum", models.FloatField(null=True)),
                        ("unit", models.CharField(blank=True, max_length=16)),
                        ("sequence", models.BigIntegerField(null=True)),
                        ("import_run", reference("production.importrun", PROTECT, null=True, related_name="events")),
                        ("machine", reference("production.machine", PROTECT, related_name="+")),
                        ("order", reference("production.workorder", PROTECT, null=True, related_name="+")),
                        ("product", reference("production.product", PROTECT, null=True, related_name="+")),
                        ("reason", reference("production.reason", PROTECT, null=True, related_name="+")),
                        ("tenant", reference("tenants.tenant", CASCADE, editable=False, related_name="+")),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["tenant", "machine", "kind", "at"], name="event_of_machine"),
                            models.Index(condition=models.Q(("import_run__isnull", False)), fields=["import_run"], name="event_of_import"),
                            BrinIndex(autosummarize=True, fields=["at"], name="event_of_time", pages_per_range=16),
                            models.Index(condition=models.Q(("until__isnull", False)), fields=["tenant", "machine", "until"], name="event_interval"),
                        ],
                        "constraints": [
                            models.CheckConstraint(condition=models.Q(("until__isnull", True), ("until__gte", models.F("at")), _connector="OR"), name="event_ends_after"),
                            models.CheckConstraint(condition=models.Q(models.Q(("kind", "state"), _negated=True), models.Q(("state", ""), _negated=True), _connector="OR"), name="event_state_given"),
                        ],
                    },
                ),
            ],
        ),
    ]
