"""Daily rollups: whole days of a machine ready summed, for long windows; filled here from the quarter hours.

The days are cut at midnight UTC: any cut at quarter hours is exact, and the next fold of a day cuts it as its site does.
"""

import django.db.models.deletion
import django.db.models.functions
from django.db import migrations, models

SUMS = (
    "running_s idle_s setup_s planned_stop_s down_s micro_stop_s unknown_s stops micro_stops setups "
    "good scrap rework ideal_produced_s ideal_good_s uncycled"
).split()
FILL_DAYS = f"""
INSERT INTO production_dailyrollup
    (tenant_id, machine_id, starts_at, ends_at, shift_id, day, zone, provisional, {", ".join(SUMS)})
SELECT r.tenant_id, machine_id, date_trunc('day', bucket, 'UTC'), date_trunc('day', bucket, 'UTC') + interval '24 hours',
    shift_id, coalesce(production_day, (bucket AT TIME ZONE zone)::date), zone, bool_or(provisional),
    {", ".join(f"sum(r.{name})" for name in SUMS)}
FROM production_rollup r
JOIN production_machine m ON m.id = machine_id
JOIN production_line l ON l.id = m.line_id
JOIN production_site s ON s.id = l.site_id
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
FILL_LOSSES = """
INSERT INTO production_dailyloss (tenant_id, machine_id, starts_at, ends_at, state, reason_id, micro, seconds, stops)
SELECT tenant_id, machine_id, date_trunc('day', bucket, 'UTC'), date_trunc('day', bucket, 'UTC') + interval '24 hours',
    state, reason_id, micro, sum(seconds), sum(stops)
FROM production_lossrollup
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""


class Migration(migrations.Migration):
    dependencies = [("production", "0003_partition_events")]
    operations = [
        migrations.CreateModel(
            name='DailyLoss',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField(help_text='Start of the first quarter hour, UTC.')),
                ('ends_at', models.DateTimeField(help_text='End of the last quarter hour, UTC.')),
                ('state', models.CharField(choices=[('running', 'Running'), ('idle', 'idle (starved, blocked, no operator)'), ('setup', 'set-up'), ('planned_stop', 'planned stop'), ('down', 'Down'), ('unknown', 'unknown (no contact)')], max_length=12)),
                ('micro', models.BooleanField()),
                ('seconds', models.FloatField()),
                ('stops', models.PositiveIntegerField()),
                ('machine', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='production.machine')),
                ('reason', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='production.reason')),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('tenant', 'machine', 'starts_at', 'state', 'reason', 'micro'), name='daily_loss_once', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='DailyRollup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField(help_text='Start of the first quarter hour, UTC.')),
                ('ends_at', models.DateTimeField(help_text='End of the last quarter hour, UTC.')),
                ('day', models.DateField()),
                ('zone', models.CharField(max_length=64)),
                ('running_s', models.FloatField()),
                ('idle_s', models.FloatField()),
                ('setup_s', models.FloatField()),
                ('planned_stop_s', models.FloatField()),
                ('down_s', models.FloatField()),
                ('micro_stop_s', models.FloatField()),
                ('unknown_s', models.FloatField()),
                ('stops', models.PositiveIntegerField()),
                ('micro_stops', models.PositiveIntegerField()),
                ('setups', models.PositiveIntegerField()),
                ('good', models.FloatField()),
                ('scrap', models.FloatField()),
                ('rework', models.FloatField()),
                ('ideal_produced_s', models.FloatField()),
                ('ideal_good_s', models.FloatField()),
                ('uncycled', models.FloatField()),
                ('provisional', models.BooleanField()),
                ('machine', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='production.machine')),
                ('shift', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='production.shift')),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('tenant', 'machine', 'starts_at', 'shift', 'day'), name='daily_once', nulls_distinct=False)],
            },
        ),
        migrations.AddField(
            model_name="dirtyrange",
            name="marked_at",
            field=models.DateTimeField(db_default=django.db.models.functions.Now(), editable=False),
        ),
        migrations.CreateModel(
            name="SelfCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("checked_at", models.DateTimeField()),
                ("found", models.JSONField(default=dict)),
                ("tenant", models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.tenant")),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("tenant",), name="selfcheck_once")]},
        ),
        migrations.RunSQL(FILL_DAYS, migrations.RunSQL.noop),
        migrations.RunSQL(FILL_LOSSES, migrations.RunSQL.noop),
    ]
