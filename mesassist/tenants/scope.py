"""Scope: the first wall between tenants, and the only importer of django_scopes.

Inside `tenant_scope(tenant)` every query of a `TenantModel` sees that tenant's rows alone; outside it
raises. The second wall (row-level security) repeats the rule in the database.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar, NoReturn, Self

import structlog
from django.db import models, transaction
from django_scopes import ScopedManager, get_scope, scope, scopes_disabled
from django_scopes.exceptions import ScopeError

from mesassist.tenants.models import Tenant
from mesassist.tenants.place import NOWHERE, PLACE, Place, PlatformRole

log = structlog.get_logger(__name__)


@contextmanager
def tenant_scope(tenant: Tenant) -> Iterator[None]:
    """Let queries see the rows of `tenant`; nesting another tenant inside is a mistake and raises."""
    if not isinstance(tenant, Tenant) or tenant.pk is None:
        raise TypeError(f"A scope needs a saved Tenant, not {tenant!r}: anything else would mean everybody.")
    active = get_scope().get("tenant")
    if active is not None and active.pk != tenant.pk:
        raise ScopeError(f"Tenant {active.pk} is active; leave its scope before entering that of {tenant.pk}.")
    with scope(tenant=tenant), _placed(Place(tenant_id=tenant.pk)):
        yield


@contextmanager
def platform_scope(reason: str, *, role: PlatformRole = PlatformRole.JOBS) -> Iterator[None]:
    """Let queries see every tenant's rows, as far as the database lets `role`; the reason is logged."""
    log.debug("platform_scope", reason=reason, role=role)
    with scopes_disabled(), _placed(Place(role=role)):
        yield


@contextmanager
def tenant_tx(tenant: Tenant | None = None) -> Iterator[None]:
    """Open a transaction for `tenant`, or for the scope that is active; raises where nobody's work is being done."""
    with tenant_scope(tenant) if tenant else nullcontext():
        if PLACE.get() == NOWHERE:
            raise ScopeError("No tenant is active: enter tenant_scope(tenant) first, or name the tenant.")
        with transaction.atomic():
            yield


@contextmanager
def _placed(place: Place) -> Iterator[None]:
    token = PLACE.set(place)
    try:
        yield
    finally:
        PLACE.reset(token)


def current_tenant() -> Tenant:
    """The tenant of the active scope; raises `ScopeError` when there is none."""
    tenant = get_scope().get("tenant")
    if not isinstance(tenant, Tenant):
        raise ScopeError("No tenant is active: enter tenant_scope(tenant) first.")
    return tenant


def _refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
    raise ScopeError("A scope on tenant needs to be active for this query.")


# What django_scopes leaves unguarded on the queryset it hands out without a scope.
HOLES = (
    *("exists", "aexists", "explain", "aexplain", "aiterator"),
    *("bulk_create", "abulk_create", "create", "acreate"),
)


def TenantManager() -> Any:  # noqa: N802 - reads as the class it stands for
    """A manager whose queries see the active tenant's rows, and raise where none is active."""
    manager = ScopedManager(tenant="tenant")
    inner = type(manager).get_queryset

    def get_queryset(self: Any) -> models.QuerySet[Any]:
        queryset: models.QuerySet[Any] = inner(self)
        if hasattr(queryset, "missing_scopes"):
            for name in HOLES:
                setattr(queryset, name, _refuse)
        return queryset

    type(manager).get_queryset = get_queryset
    return manager


class TenantModel(models.Model):
    """A row of one tenant. Unique constraints and indexes of its children begin with `tenant`."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+", editable=False)

    objects: ClassVar[models.Manager[Self]] = TenantManager()

    class Meta:
        abstract = True
