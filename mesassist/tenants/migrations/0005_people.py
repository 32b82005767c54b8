import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

import mesassist.tenants.secrets
from mesassist.tenants.walls import BuildWall


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_api_keys")]

    operations = [
        migrations.AddField(
            model_name='membership',
            name='last_seen_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='tenant',
            name='requires_second_factor',
            field=models.BooleanField(default=False, help_text='Members without a second factor set one up before they see anything.'),
        ),
        migrations.CreateModel(
            name='IdentityProvider',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text="What the button says, such as the company's name.", max_length=60)),
                ('issuer', models.URLField(max_length=300)),
                ('client_id', models.CharField(max_length=191, verbose_name='client ID')),
                ('client_secret', mesassist.tenants.secrets.SealedField(editable=False)),
                ('domains', models.JSONField(default=list)),
                ('default_role', models.PositiveSmallIntegerField(choices=[(10, 'viewer'), (20, 'operator'), (30, 'manager')], default=10)),
                ('creates_members', models.BooleanField(default=False)),
                ('enabled', models.BooleanField(default=True)),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('tenant',), name='provider_once'), models.CheckConstraint(condition=models.Q(('default_role__in', [10, 20, 30])), name='provider_role_below_admin')],
            },
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', models.EmailField(max_length=254)),
                ('role', models.PositiveSmallIntegerField(choices=[(10, 'viewer'), (20, 'operator'), (30, 'manager'), (40, 'tenant admin')], default=10)),
                ('digest', models.CharField(editable=False, max_length=64, unique=True)),
                ('mailed', models.BooleanField(default=False, editable=False)),
                ('sent_at', models.DateTimeField(editable=False)),
                ('expires_at', models.DateTimeField(editable=False)),
                ('withdrawn_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('accepted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('accepted_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('invited_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['-sent_at'],
                'constraints': [models.CheckConstraint(condition=models.Q(('role__in', [10, 20, 30, 40])), name='invitation_role_known'), models.UniqueConstraint(models.F('tenant'), django.db.models.functions.text.Lower('email'), condition=models.Q(('accepted_at', None), ('withdrawn_at', None)), name='invitation_open_once')],
            },
        ),
        # Whoever opens an invitation's link is nobody yet: the tenant is found by the link.
        BuildWall("invitation", door="SELECT"),
        BuildWall("identityprovider"),
    ]
