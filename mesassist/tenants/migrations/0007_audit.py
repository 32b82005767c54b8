"""What the audit trail records of tenants, their people, keys and endpoints."""

from django.db import migrations

from mesassist.tenants.watch import Watch


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0006_endpoints"),
        ("audit", "0001_trail"),
        ("account", "0009_emailaddress_unique_primary_email"),
        ("mfa", "0003_authenticator_type_uniq"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
    ]

    # Ignored is what the portal counts and stamps for itself.
    operations = [
        Watch("tenant", chain="id", ignore=("created_at",)),
        Watch("membership", ignore=("last_seen_at",)),
        Watch("invitation", hide=("digest",)),
        Watch("identityprovider"),
        Watch("apikey", hide=("digest",), ignore=("created", "last_used_at", "last_used_ip")),
        Watch("endpointproposal"),
        # A row without a tenant counts for all of them: it is on the platform's chain.
        Watch("approvedendpoint"),
        # Accounts belong to no tenant.
        Watch("user", chain="", hide=("password",), ignore=("last_login", "date_joined")),
        Watch("account.emailaddress", chain=""),
        Watch("mfa.authenticator", chain="", hide=("data",), ignore=("last_used_at",)),
        Watch("socialaccount.socialaccount", chain="", hide=("extra_data",), ignore=("last_login", "date_joined")),
    ]
