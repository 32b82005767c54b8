"""The trail and what writes it.

`audit_record` is the only way in: a trigger function with its owner's rights, so that no role of the portal needs the
right to write the trail, and none has it. `audit_keep` holds the tables whatever rights somebody grants later.
"""

import django.db.models.deletion
from django.db import migrations, models

from mesassist.tenants.walls import BuildWall

TABLES = ("audit_entry", "audit_platformentry")
PLATFORM = "0"  # the key of the platform's chain; no tenant has it
COLUMNS = (
    "number, at, subject, object_id, object, action, changes, actor_kind, actor_id, actor, door, ip, request_id, why, "
    "database_role, previous"
).split(", ")
NAMES = ", ".join(COLUMNS)
VALUES = ", ".join(f"e.{name}" for name in COLUMNS)
FUNCTIONS = f"""
CREATE FUNCTION audit_canonical(VARIADIC parts text[]) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $canonical$
    SELECT string_agg(octet_length(part) || ':' || part, '' ORDER BY place)
    FROM unnest(parts) WITH ORDINALITY AS given (part, place)
$canonical$;

CREATE FUNCTION audit_shown(value jsonb, secret boolean, word text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $shown$
    -- Of a secret no more than that it was there, or that it is another one now.
    SELECT CASE WHEN secret AND value IS NOT NULL THEN to_jsonb(word) ELSE value END
$shown$;

CREATE FUNCTION audit_differences(was jsonb, now jsonb, hidden text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = public, pg_temp AS $differences$
    WITH told AS (
        SELECT key, nullif(nullif(o.value, 'null'), '""') AS before, nullif(nullif(n.value, 'null'), '""') AS after,
            key = ANY(hidden) AS secret
        FROM jsonb_each(coalesce(was, '{{}}')) o FULL JOIN jsonb_each(coalesce(now, '{{}}')) n USING (key)
    )
    SELECT coalesce(jsonb_object_agg(key, jsonb_build_array(
        audit_shown(before, secret, 'set'),
        audit_shown(after, secret, CASE WHEN before IS NULL THEN 'set' ELSE 'changed' END)
    )), '{{}}')
    FROM told WHERE before IS DISTINCT FROM after
$differences$;

CREATE FUNCTION audit_record() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $record$
-- Arguments: the model's name; the columns that are hidden; those that are ignored; the column with the tenant, or ''.
-- It runs at the commit. The lock makes the numbers of a chain gapless: whoever waited sees what was committed before,
-- since each statement here looks anew.
DECLARE
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - TG_ARGV[2]::text[] END;
    now jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - TG_ARGV[2]::text[] END;
    given jsonb := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
    outer_tenant text := coalesce(current_setting('app.tenant_id', true), '');
    said text := coalesce(current_setting('app.actor', true), '');
    by_whom jsonb := CASE WHEN said = '' THEN '{{}}' ELSE convert_from(decode(said, 'base64'), 'UTF8')::jsonb END;
    tenant bigint := (given ->> TG_ARGV[3])::bigint;
    named text := coalesce(nullif(given ->> 'name', ''), given ->> 'code', given ->> 'username', given ->> 'email',
        given ->> 'source', given ->> 'host');
    e record;
    sealed text;
BEGIN
    -- What has no name of its own goes by that of its person or machine, as it is now.
    IF named IS NULL AND given ->> 'user_id' IS NOT NULL THEN
        SELECT username INTO named FROM tenants_user WHERE id = (given ->> 'user_id')::bigint;
    ELSIF named IS NULL AND given ->> 'machine_id' IS NOT NULL AND given ->> 'summary_id' IS NULL THEN
        SELECT name INTO named FROM production_machine WHERE id = (given ->> 'machine_id')::bigint;
    END IF;
    IF TG_ARGV[0] = 'tenants.Tenant' AND TG_OP <> 'UPDATE' THEN
        tenant := NULL;  -- a chain can tell neither its own beginning nor its own end
    END IF;
    IF tenant IS NOT NULL THEN
        PERFORM set_config('app.tenant_id', tenant::text, true);
        IF NOT EXISTS (SELECT FROM tenants_tenant WHERE id = tenant) THEN
            PERFORM set_config('app.tenant_id', outer_tenant, true);
            RETURN NULL;  -- the tenant is gone, and its trail with it; the platform's chain says so
        END IF;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('audit.chain', coalesce(tenant, {PLATFORM})));
    IF tenant IS NULL THEN
        SELECT number, hash INTO e FROM audit_platformentry ORDER BY number DESC LIMIT 1;
    ELSE
        SELECT number, hash INTO e FROM audit_entry WHERE tenant_id = tenant ORDER BY number DESC LIMIT 1;
    END IF;
    SELECT coalesce(e.number, 0) + 1 AS number, coalesce(e.hash, repeat('0', 64)) AS previous,
        clock_timestamp() AS at, TG_ARGV[0] AS subject, coalesce(given ->> 'id', '') AS object_id,
        left(coalesce(named, ''), 300) AS object,
        CASE TG_OP WHEN 'INSERT' THEN 'added' WHEN 'UPDATE' THEN 'changed' ELSE 'removed' END AS action,
        audit_differences(was - '{{id,tenant_id}}'::text[], now - '{{id,tenant_id}}'::text[], TG_ARGV[1]::text[]) AS changes,
        left(coalesce(by_whom ->> 'kind', 'database'), 8) AS actor_kind,
        left(coalesce(by_whom ->> 'id', ''), 64) AS actor_id, left(coalesce(by_whom ->> 'name', ''), 300) AS actor,
        left(coalesce(by_whom ->> 'door', ''), 16) AS door, left(coalesce(by_whom ->> 'ip', ''), 45) AS ip,
        left(coalesce(by_whom ->> 'request_id', ''), 64) AS request_id,
        left(coalesce(by_whom ->> 'why', ''), 1000) AS why, session_user::text AS database_role
    INTO e;
    -- `mesassist.audit.chain.canonical` says the same in Python, so that neither side is trusted alone.
    sealed := encode(sha256(convert_to(audit_canonical(
        e.previous, coalesce(tenant, {PLATFORM})::text, e.number::text, to_char(e.at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        e.subject, e.object_id, e.object, e.action, e.changes::text, e.actor_kind, e.actor_id, e.actor, e.door, e.ip,
        e.request_id, e.why, e.database_role
    ), 'UTF8')), 'hex');
    IF tenant IS NULL THEN
        INSERT INTO audit_platformentry ({NAMES}, hash) VALUES ({VALUES}, sealed);
    ELSE
        INSERT INTO audit_entry (tenant_id, {NAMES}, hash) VALUES (tenant, {VALUES}, sealed);
        PERFORM set_config('app.tenant_id', outer_tenant, true);
    END IF;
    RETURN NULL;
END $record$;

CREATE FUNCTION audit_keep() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $keep$
-- Whatever rights somebody was granted: the tables' owner alone writes, through the functions here.
DECLARE
    is_owner boolean := (SELECT pg_get_userbyid(relowner) = current_user FROM pg_class WHERE oid = TG_RELID);
BEGIN
    IF is_owner AND TG_OP IN ('INSERT', 'TRUNCATE') THEN
        RETURN NEW;
    ELSIF is_owner AND TG_OP = 'DELETE' AND TG_TABLE_NAME = 'audit_entry' THEN
        IF NOT EXISTS (SELECT FROM tenants_tenant WHERE id = OLD.tenant_id) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE insufficient_privilege USING MESSAGE = format(
        'The audit trail is written by the database alone and never changed: no %s on %s.', TG_OP, TG_TABLE_NAME
    );
END $keep$;

CREATE FUNCTION audit_forget(tenant bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $forget$
-- The last step of a tenant's off-boarding; gives the number of entries that went.
DECLARE
    outer_tenant text := coalesce(current_setting('app.tenant_id', true), '');
    gone bigint;
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    IF EXISTS (SELECT FROM tenants_tenant WHERE id = tenant) THEN
        RAISE insufficient_privilege USING MESSAGE = format(
            'Tenant %s is still there: its audit trail goes after it, never before.', tenant
        );
    END IF;
    DELETE FROM audit_chaincheck WHERE tenant_id = tenant;
    DELETE FROM audit_entry WHERE tenant_id = tenant;
    GET DIAGNOSTICS gone = ROW_COUNT;
    PERFORM set_config('app.tenant_id', outer_tenant, true);
    RETURN gone;
END $forget$;
REVOKE ALL ON FUNCTION audit_forget(bigint) FROM PUBLIC;
""" + "".join(
    f"""
CREATE TRIGGER audit_keep_rows BEFORE INSERT OR UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION audit_keep();
CREATE TRIGGER audit_keep_table BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION audit_keep();
"""
    for table in TABLES
)
DROP = "DROP FUNCTION audit_record, audit_keep, audit_forget, audit_differences, audit_shown, audit_canonical CASCADE;"
# Reading is for the platform's roles; writing for nobody, and who was granted it with all tables loses it here.
RIGHTS = f"""
ALTER TABLE audit_platformentry ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_writes ON audit_platformentry TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY platform_reads ON audit_platformentry FOR SELECT TO mes_jobs, mes_staff USING (true);
DO $rights$
DECLARE
    holder record;
BEGIN
    FOR holder IN
        SELECT relname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS role
        FROM pg_class, aclexplode(relacl)
        WHERE relname IN ('audit_entry', 'audit_platformentry') AND relnamespace = 'public'::regnamespace
            AND grantee <> relowner
        GROUP BY 1, 2
    LOOP
        EXECUTE format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON %I FROM %s',
            holder.relname, holder.role);
    END LOOP;
END $rights$;
GRANT SELECT ON audit_platformentry TO mes_jobs, mes_staff;
GRANT EXECUTE ON FUNCTION audit_forget(bigint) TO mes_jobs, mes_staff;
"""


def trail():
    """The columns of a trail."""
    return [
        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
        ("number", models.BigIntegerField()),
        ("at", models.DateTimeField()),
        ("subject", models.CharField(help_text="The model, such as production.Machine.", max_length=80)),
        ("object_id", models.CharField(max_length=64, verbose_name="id")),
        ("object", models.TextField(blank=True, verbose_name="name")),
        ("action", models.CharField(choices=[("added", "Added"), ("changed", "Changed"), ("removed", "Removed")], max_length=8)),
        ("changes", models.JSONField()),
        ("actor_kind", models.CharField(max_length=8)),
        ("actor_id", models.CharField(blank=True, max_length=64)),
        ("actor", models.TextField(blank=True)),
        ("door", models.CharField(blank=True, max_length=16)),
        ("ip", models.CharField(blank=True, max_length=45, verbose_name="IP address")),
        ("request_id", models.CharField(blank=True, max_length=64, verbose_name="request")),
        ("why", models.TextField(blank=True)),
        ("database_role", models.CharField(max_length=64)),
        ("previous", models.CharField(max_length=64)),
        ("hash", models.CharField(max_length=64)),
    ]


def tenant(on_delete, **options):
    return ("tenant", models.ForeignKey(editable=False, on_delete=on_delete, related_name="+", to="tenants.tenant", **options))


class Migration(migrations.Migration):
    initial = True
    dependencies = [("tenants", "0006_endpoints")]
    operations = [
        migrations.CreateModel(
            name="Entry",
            fields=[*trail(), tenant(django.db.models.deletion.DO_NOTHING, db_constraint=False, db_index=False)],
            options={
                "verbose_name_plural": "entries",
                "ordering": ["-number"],
                "constraints": [models.UniqueConstraint(fields=["tenant", "number"], name="audit_entry_number")],
            },
        ),
        migrations.CreateModel(
            name="PlatformEntry",
            fields=trail(),
            options={
                "verbose_name_plural": "platform entries",
                "ordering": ["-number"],
                "constraints": [models.UniqueConstraint(fields=["number"], name="audit_platform_number")],
            },
        ),
        migrations.CreateModel(
            name="ChainCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("checked_at", models.DateTimeField()),
                ("entries", models.BigIntegerField()),
                ("head", models.CharField(blank=True, max_length=64)),
                ("broken", models.JSONField(default=list)),
                tenant(django.db.models.deletion.CASCADE),
            ],
            options={"constraints": [models.UniqueConstraint(fields=["tenant"], name="audit_check_once")]},
        ),
        BuildWall("entry", jobs="SELECT", staff="SELECT"),
        BuildWall("chaincheck", jobs="SELECT"),
        migrations.RunSQL(FUNCTIONS, DROP),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
