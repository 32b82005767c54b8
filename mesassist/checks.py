"""System checks: what must hold before the portal starts."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from mesassist.tenants.secrets import read_key_ring


@register(Tags.security)
def check_key_ring(**_kwargs: Any) -> list[CheckMessage]:
    """E001: TOKEN_KEYS must be readable, or no tenant's token opens."""
    try:
        read_key_ring(settings.TOKEN_KEYS)
    except ImproperlyConfigured as error:
        return [Error(str(error), id="mesassist.E001", hint="Put the key back that sealed the stored tokens.")]
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
