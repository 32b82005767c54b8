import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

from mesassist.tenants.walls import BuildWall


class Migration(migrations.Migration):
    dependencies = [("analyses", "0003_walls")]

    operations = [
        migrations.CreateModel(
            name="Breaker",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("origin", models.CharField(max_length=300)),
                (
                    "state",
                    models.CharField(
                        choices=[("closed", "Closed"), ("open", "Open"), ("half_open", "Half Open")],
                        default="closed",
                        max_length=10,
                    ),
                ),
                ("fingerprint", models.CharField(blank=True, max_length=64)),
                ("code", models.CharField(blank=True, max_length=24)),
                ("message", models.TextField(blank=True)),
                ("next_step", models.TextField(blank=True)),
                ("failures", models.PositiveIntegerField(default=0, help_text="In a row.")),
                (
                    "openings",
                    models.PositiveIntegerField(default=0, help_text="In a row, without an answer between."),
                ),
                ("opened_at", models.DateTimeField(null=True)),
                ("retry_at", models.DateTimeField(null=True)),
                ("probe", models.UUIDField(null=True)),
                ("probe_until", models.DateTimeField(null=True)),
                ("allowance", models.PositiveSmallIntegerField(null=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant", "origin"), name="breaker_once")],
            },
        ),
        migrations.CreateModel(
            name="KillSwitch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "stopped",
                    models.BooleanField(
                        default=False, help_text="No analysis begins, and those under way are cut off."
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True, help_text="People read it where they would have asked.", max_length=200
                    ),
                ),
                ("changed_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name": "kill switch",
                "verbose_name_plural": "kill switch",
                "constraints": [models.CheckConstraint(condition=models.Q(("pk", 1)), name="one_kill_switch")],
            },
        ),
        migrations.AddField(
            model_name="analysis",
            name="input_sha256",
            field=models.CharField(blank=True, db_default="", max_length=64),
        ),
        migrations.AddField(
            model_name="analysis",
            name="max_attempts",
            field=models.PositiveSmallIntegerField(db_default=3, default=3),
        ),
        migrations.AddField(
            model_name="analysis",
            name="poison",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="assistantsettings",
            name="at_once",
            field=models.PositiveSmallIntegerField(
                blank=True,
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="analyses at once, at most",
            ),
        ),
        migrations.AddField(
            model_name="assistantsettings",
            name="on_unknown",
            field=models.CharField(
                choices=[("retry", "ask again (the call may be paid twice)"), ("fail", "let the analysis fail")],
                db_default="retry",
                default="retry",
                max_length=5,
                verbose_name="when a worker is lost in mid-call",
            ),
        ),
        migrations.AddField(
            model_name="assistantsettings",
            name="queue_limit",
            field=models.PositiveIntegerField(
                blank=True,
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="analyses waiting, at most",
            ),
        ),
        migrations.AddField(
            model_name="assistantsettings",
            name="suspended",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Nothing is asked for this tenant until this is off.",
            ),
        ),
        BuildWall("breaker", jobs="SELECT"),
        # The dispatcher reads each tenant's share and the kill switch, and nothing else of either table.
        migrations.RunSQL(
            "CREATE POLICY of_mes_jobs ON analyses_assistantsettings TO mes_jobs USING (true) WITH CHECK (true);"
            "GRANT SELECT (tenant_id, at_once, suspended) ON analyses_assistantsettings TO mes_jobs;"
            "GRANT SELECT ON analyses_killswitch TO mes_jobs;",
            "DROP POLICY of_mes_jobs ON analyses_assistantsettings;"
            "REVOKE SELECT (tenant_id, at_once, suspended) ON analyses_assistantsettings FROM mes_jobs;",
        ),
    ]
