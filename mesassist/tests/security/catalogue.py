"""Catalogue: which models are a tenant's and which belong to the platform; a new model is neither until it is said."""

from django.apps import apps

from mesassist.tenants.models import Tenant

# Tables without a tenant, each with its reason. Everything else needs a `tenant_id` and the second wall.
GLOBAL_MODELS = {
    "tenants.Tenant": "is the tenant",
    "tenants.User": "a person may belong to several tenants",
    "tenants.User_groups": "Django's own; nobody is in a group",
    "tenants.User_user_permissions": "Django's own; nobody has permissions of their own",
    "admin.LogEntry": "what platform staff did in the admin, which is theirs alone",
    "auth.Group": "Django's own; empty",
    "auth.Group_permissions": "Django's own; empty",
    "auth.Permission": "names what the admin can do, for every tenant alike",
    "contenttypes.ContentType": "names models",
    "sessions.Session": "belongs to a browser before it is known whose it is",
    "usersessions.UserSession": "a person's browsers, whichever tenants they open",
    "account.EmailAddress": "a person's address",
    "account.EmailConfirmation": "proves a person's address",
    "mfa.Authenticator": "a person's second factor",
    "socialaccount.SocialApp": "stands empty: providers are `tenants.IdentityProvider`",
    "socialaccount.SocialAccount": "who a person is at their company, named with the tenant's provider",
    "socialaccount.SocialToken": "stands empty: tokens of sign-ins are not kept",
    "tenants.KeyCanary": "proves at the start that the key ring opens",
    "tenants.ApprovedEndpoint": "the platform's approvals, of which a tenant reads its own and the common ones",
    "audit.PlatformEntry": "changes of what belongs to no tenant",
    "analyses.KillSwitch": "stops the whole platform's calls",
}


def tenant_models():
    """Every concrete model that is not the platform's, through tables included."""
    models = apps.get_models(include_auto_created=True)
    return [model for model in models if model._meta.label not in GLOBAL_MODELS and not model._meta.proxy]


def carries_tenant(model):
    """Whether the model knows its tenant; the through tables of Django's do not, their tables do."""
    columns = {field.column: field for field in model._meta.local_concrete_fields}
    field = columns.get("tenant_id")
    return field is not None and field.related_model is Tenant


def label(model):
    """The name of a model in tables and test ids."""
    return model._meta.label
