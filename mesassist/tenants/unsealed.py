"""Unsealed: secret columns that hold anything but text sealed under a key of TOKEN_KEYS."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Q

from mesassist.tenants.scope import current_tenant
from mesassist.tenants.secrets import SealedField, read_key_ring


def sealed_columns() -> list[tuple[type[models.Model], str]]:
    """Every secret column of every model that belongs to a tenant."""
    return [
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, SealedField) and any(other.name == "tenant" for other in model._meta.concrete_fields)
    ]


def find_unsealed(asked: Any) -> Iterator[str]:
    """The self-check's question, in the active tenant; the secret itself is never told."""
    for model, column in sealed_columns():
        begins = Q(**{column: ""})
        for key_id in read_key_ring(settings.TOKEN_KEYS):
            begins |= Q(**{f"{column}__startswith": f"{key_id}:"})
        of_tenant = model._default_manager.filter(tenant=current_tenant()).exclude(begins)
        for pk in of_tenant.order_by("pk").values_list("pk", flat=True)[: asked.at_most + 1]:
            yield f"{model._meta.label} {pk}: {column} does not begin with a key of TOKEN_KEYS"
