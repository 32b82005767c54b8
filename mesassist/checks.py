"""System checks: what must hold before the portal starts."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

from mesassist.tenants.canary import KeysDoNotFit, check_keys
from mesassist.tenants.egress.routes import configured_servers
from mesassist.tenants.egress.targets import NotATarget
from mesassist.tenants.models import Purpose
from mesassist.tenants.peppers import newest_pepper
from mesassist.tenants.secrets import read_key_ring


@register(Tags.security)
def check_key_ring(**_kwargs: Any) -> list[CheckMessage]:
    """E001: TOKEN_KEYS must be readable, or no tenant's token opens."""
    try:
        read_key_ring(settings.TOKEN_KEYS)
    except ImproperlyConfigured as error:
        return [Error(str(error), id="mesassist.E001", hint="Put the key back that sealed the stored tokens.")]
    return []


@register(Tags.security)
def check_peppers(**_kwargs: Any) -> list[CheckMessage]:
    """E005: API_KEY_PEPPERS must be readable, or no API key opens."""
    try:
        newest_pepper()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="mesassist.E005", hint="Put the pepper back that the API keys are stored with.")]
    return []


@register(Tags.security)
def check_approved_endpoints(**_kwargs: Any) -> list[CheckMessage]:
    """E007: what the environment approves must be readable, or no request to a tenant's address could be judged."""
    try:
        configured_servers(Purpose.MODEL)
    except NotATarget as mistake:
        hint = "APPROVED_ENDPOINTS takes host:port with commas between; OPENAI_BASE_URL a web address."
        return [Error(str(mistake), id="mesassist.E007", hint=hint)]
    return []


@register(Tags.security, deploy=True)
def check_there_is_a_pepper(**_kwargs: Any) -> list[CheckMessage]:
    """W006: without a pepper, whoever can write to the database can make an API key."""
    if settings.API_KEY_PEPPERS:
        return []
    hint = "Set it like TOKEN_KEYS: id:base64 of 32 random bytes (docs/keys.md)."
    return [checks.Warning("API_KEY_PEPPERS is not set.", id="mesassist.W006", hint=hint)]


@register(Tags.database)
def check_keys_fit(databases: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """E004: the keys must be those that sealed what this database holds."""
    if not databases:
        return []
    try:
        check_keys()
    except KeysDoNotFit as error:
        return [Error(str(error), id="mesassist.E004")]
    except (DatabaseError, ImproperlyConfigured):
        # Not migrated yet, or told by E001.
        pass
    return []


@register(Tags.security, deploy=True)
def check_demo_is_off(**_kwargs: Any) -> list[CheckMessage]:
    """E002: the demo's sign-ins have a known password and never belong on a real portal."""
    if settings.DEMO and not settings.DEBUG:
        return [Error("DEMO is on while DEBUG is off.", id="mesassist.E002", hint="Unset DEMO.")]
    return []


@register(Tags.database)
def check_app_role(databases: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """W003: the role the portal runs as must be bound by row-level security."""
    if not databases:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        row = cursor.fetchone()
    if row and row[0]:
        hint = "Give the portal a role of its own: NOSUPERUSER NOBYPASSRLS (docs/operations.md)."
        return [checks.Warning("The database role bypasses row-level security.", id="mesassist.W003", hint=hint)]
    return []
