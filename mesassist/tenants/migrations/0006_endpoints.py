import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from mesassist.tenants.walls import BuildWall

# Everybody reads what counts for them; only platform staff write. The wall of tenants does not fit: a row may count
# for all of them.
GUARD = """
ALTER TABLE tenants_approvedendpoint ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_approvedendpoint FORCE ROW LEVEL SECURITY;
CREATE POLICY endpoints_that_count ON tenants_approvedendpoint FOR SELECT
    USING (tenant_id IS NULL OR tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::bigint);
CREATE POLICY endpoints_of_staff ON tenants_approvedendpoint TO mes_staff USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON tenants_approvedendpoint TO mes_staff;
GRANT SELECT ON tenants_approvedendpoint TO mes_jobs, mes_door;
GRANT USAGE, SELECT ON SEQUENCE tenants_approvedendpoint_id_seq TO mes_staff;
"""
UNGUARD = """
DROP POLICY endpoints_of_staff ON tenants_approvedendpoint;
DROP POLICY endpoints_that_count ON tenants_approvedendpoint;
ALTER TABLE tenants_approvedendpoint DISABLE ROW LEVEL SECURITY;
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0005_people")]

    operations = [
        migrations.CreateModel(
            name='ApprovedEndpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('purpose', models.CharField(choices=[('model', 'language model'), ('registry', 'schema registry'), ('kafka', 'Kafka broker'), ('webhook', 'Webhook'), ('identity', 'sign-in (OIDC)')], max_length=8)),
                ('host', models.CharField(help_text='Exactly as in the address: a name, or an IP address.', max_length=253)),
                ('port', models.PositiveIntegerField(validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(65535)])),
                ('network', models.CharField(help_text='Where the host leads to: an IP address, or a narrow range like 10.0.0.0/28.', max_length=49, verbose_name='address')),
                ('ca_pem', models.TextField(blank=True, help_text='Empty: the usual authorities.', verbose_name='CA certificate (PEM)')),
                ('note', models.CharField(blank=True, max_length=200)),
                ('approved_at', models.DateTimeField(auto_now=True)),
                ('approved_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(blank=True, help_text='Empty: for every tenant.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['host', 'port', 'purpose'],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'purpose', 'host', 'port', 'network'), name='approved_endpoint_once', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('port__range', (1, 65535))), name='approved_port_exists'), models.CheckConstraint(condition=models.Q(('network', ''), _negated=True), name='approved_address_named')],
            },
        ),
        migrations.CreateModel(
            name='EndpointProposal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('purpose', models.CharField(choices=[('model', 'language model'), ('registry', 'schema registry'), ('kafka', 'Kafka broker'), ('webhook', 'Webhook'), ('identity', 'sign-in (OIDC)')], max_length=8)),
                ('host', models.CharField(max_length=253)),
                ('port', models.PositiveIntegerField(validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(65535)])),
                ('addresses', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=45), default=list, help_text='What the host led to.', size=None)),
                ('state', models.CharField(choices=[('open', 'Open'), ('approved', 'Approved'), ('declined', 'Declined')], default='open', max_length=8)),
                ('proposed_at', models.DateTimeField()),
                ('decided_at', models.DateTimeField(null=True)),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('proposed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['-proposed_at'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'open')), fields=('tenant', 'purpose', 'host', 'port'), name='endpoint_proposed_once')],
            },
        ),
        migrations.RunSQL(GUARD, UNGUARD),
        BuildWall("endpointproposal"),
    ]
