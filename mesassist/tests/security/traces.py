"""Traces: what a plant's rows are at a moment, so that it can be said that nothing of them was touched."""

from django.db import connection

from mesassist.tenants.scope import tenant_scope
from mesassist.tests.security.catalogue import label, tenant_models


def fingerprint(tenant):
    """{model: md5 of all its rows of the tenant}."""
    return {label(model): digest(model._meta.db_table, tenant) for model in tenant_models()}


def digest(table, tenant):
    """The md5 of a table's rows of the tenant, in an order of their own."""
    query = f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t WHERE tenant_id = %s"
    with tenant_scope(tenant), connection.cursor() as cursor:
        cursor.execute(query, [tenant.pk])
        return cursor.fetchone()[0]
