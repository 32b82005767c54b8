"""Rotation: every sealed column sealed anew under the newest key, while everything runs; and which keys are in use.

What a row's prefix says decides whether it is done, so it can be stopped and started at any time. A value that somebody
changes meanwhile is left alone: it was sealed by whoever changed it.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import structlog
from allauth.mfa.models import Authenticator
from django.db import models
from django.db.models import F, Func, Value

from mesassist.tenants.actor import because
from mesassist.tenants.canary import drop_canaries
from mesassist.tenants.factors import NAME, count_factor_keys, keys_of, reseal_factor
from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import current_tenant, tenant_scope
from mesassist.tenants.sealed import SealedColumn, list_columns
from mesassist.tenants.secrets import SecretUnreadable, newest_key

log = structlog.get_logger(__name__)
BATCH = 100
WHY = "sealed under the newest key"


@dataclass
class Rotated:
    """What a rotation did: texts sealed anew, changed by somebody meanwhile, and not to be opened."""

    resealed: int = 0
    overtaken: int = 0
    unreadable: int = 0


class KeyOf(Func):
    """The id of the key in front of a sealed text."""

    function = "split_part"

    def __init__(self, column: str) -> None:
        super().__init__(F(column), Value(":"), Value(1), output_field=models.CharField())


def rotate_all(*, batch: int = BATCH) -> Rotated:
    """Seal every secret of the house under the newest key; forget the canaries of keys that nothing needs any more."""
    done = Rotated()
    with because(WHY):
        for tenant in list(Tenant.objects.order_by("pk")):
            with tenant_scope(tenant):
                for column in list_columns():
                    rotate_column(column, done=done, batch=batch)
        rotate_factors(done=done)
    newest = newest_key()
    drop_canaries(keep={newest, *count_keys()})
    log.info("keys_rotated", key=newest, **vars(done))
    return done


def rotate_column(column: SealedColumn, *, done: Rotated, batch: int = BATCH) -> None:
    """Seal a column of the active tenant anew, a batch at a time, each row by itself."""
    name, last = column.field.name, None
    while True:
        rows = _rows_of(column).exclude(**{f"{name}__startswith": column.newest_prefix}).order_by("pk")
        rows = rows if last is None else rows.filter(pk__gt=last)
        found = list(rows.values_list("pk", "tenant_id", name)[:batch])
        for pk, tenant_id, sealed in found:
            last = pk
            try:
                plain = column.reveal(sealed, tenant_id=tenant_id, pk=pk, purpose=WHY)
            except SecretUnreadable as error:
                done.unreadable += 1
                log.error("secret_unreadable", column=column.name, tenant=tenant_id, row=str(pk), why=str(error))
                continue
            fresh = column.seal(plain, tenant_id=tenant_id, pk=pk)
            # Compare and set: whoever saved another value since then keeps it.
            _count(done, _rows_of(column).filter(pk=pk, **{name: sealed}).update(**{name: fresh}))
        if len(found) < batch:
            return


def rotate_factors(*, done: Rotated) -> None:
    """The same for people's second factors."""
    newest = newest_key()
    for pk, data in Authenticator.objects.order_by("pk").values_list("pk", "data").iterator():
        if not keys_of(data) - {newest}:
            continue
        try:
            fresh = reseal_factor(data)
        except SecretUnreadable as error:
            done.unreadable += 1
            log.error("secret_unreadable", column=NAME, row=str(pk), why=str(error))
            continue
        _count(done, Authenticator.objects.filter(pk=pk, data=data).update(data=fresh))


def count_keys() -> dict[str, Counter[str]]:
    """{key id: {column: texts}} of every secret of the house."""
    used: dict[str, Counter[str]] = {}
    for tenant in list(Tenant.objects.order_by("pk")):
        with tenant_scope(tenant):
            for column in list_columns():
                rows = _rows_of(column).order_by().annotate(key_id=KeyOf(column.field.name))
                for key_id, texts in rows.values("key_id").annotate(n=models.Count("*")).values_list("key_id", "n"):
                    used.setdefault(key_id, Counter())[column.name] += texts
    for key_id, texts in count_factor_keys().items():
        used.setdefault(key_id, Counter())[NAME] += texts
    return used


def forget_key(key_id: str) -> int:
    """Empty whatever a lost key sealed, so that it can be entered anew; gives the number of texts that are gone."""
    gone = 0
    with because(f"the key {key_id} is lost"):
        for tenant in list(Tenant.objects.order_by("pk")):
            with tenant_scope(tenant):
                for column in list_columns():
                    lost = _rows_of(column).filter(**{f"{column.field.name}__startswith": f"{key_id}:"})
                    gone += lost.update(**{column.field.name: ""})
        for pk, data in Authenticator.objects.values_list("pk", "data").iterator():
            if key_id in keys_of(data):
                gone += Authenticator.objects.filter(pk=pk).delete()[1].get("mfa.Authenticator", 0)
    drop_canaries(keep={newest_key(), *count_keys()})
    return gone


def _rows_of(column: SealedColumn) -> Any:
    """The active tenant's rows in which the column holds something."""
    manager: Any = column.model._default_manager
    return manager.filter(tenant=current_tenant()).exclude(**{column.field.name: ""})


def _count(done: Rotated, changed: int) -> None:
    done.resealed += changed
    done.overtaken += 1 - changed
