"""Sealed columns: all that hold sealed text, found by looking at the models; written and read here."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.apps import apps
from django.db import connection, models
from django.views.decorators.debug import sensitive_variables

from mesassist.tenants.secrets import OF_A_ROW, SealedField, newest_key, reveal, seal


@dataclass(frozen=True)
class SealedColumn:
    """A column of a tenant's table. Where a tenant has several rows, each text is bound to its row."""

    model: type[models.Model]
    field: SealedField

    @property
    def label(self) -> str:
        """What the seal is bound to: also after the model has got another name."""
        return self.field.bound_to or f"{self.model._meta.label}.{self.field.name}"

    @property
    def name(self) -> str:
        """The column for people."""
        return f"{self.model._meta.label}.{self.field.name}"

    @cached_property
    def one_per_tenant(self) -> bool:
        """Whether the tenant names the row."""
        tenant: Any = self.model._meta.get_field("tenant")
        rules = (rule for rule in self.model._meta.constraints if isinstance(rule, models.UniqueConstraint))
        return tenant.unique or any(rule.fields == ("tenant",) and rule.condition is None for rule in rules)

    @property
    def newest_prefix(self) -> str:
        """How a text begins that needs no sealing anew."""
        return f"{newest_key()}:{'' if self.one_per_tenant else OF_A_ROW}"

    def seal(self, plain: str, *, tenant_id: int, pk: Any) -> str:
        """`plain` for that row."""
        return seal(plain, tenant_id=tenant_id, column=self.label, row=None if self.one_per_tenant else pk)

    def reveal(self, sealed: str, *, tenant_id: int, pk: Any, purpose: str) -> str:
        """What that row holds; raises `SecretUnreadable`."""
        return reveal(sealed, tenant_id=tenant_id, column=self.label, row=pk, purpose=purpose)


def list_columns() -> Iterator[SealedColumn]:
    """Every sealed column of every model."""
    for model in apps.get_models():
        for field in model._meta.local_concrete_fields:
            if isinstance(field, SealedField):
                yield SealedColumn(model, field)


def column_of(row: models.Model, name: str) -> SealedColumn:
    """The sealed column `name` of a row's model."""
    field = row._meta.get_field(name)
    if not isinstance(field, SealedField):
        raise TypeError(f"{row._meta.label}.{name} is no sealed column.")
    return SealedColumn(type(row), field)


@sensitive_variables("plain")
def put_secret(row: Any, name: str, plain: str) -> None:
    """Seal `plain` into a row, saved or not; an empty text empties the column. Does not save."""
    column = column_of(row, name)
    if plain and row.pk is None and not column.one_per_tenant:
        row.pk = reserve_pk(type(row))
    setattr(row, name, column.seal(plain, tenant_id=row.tenant_id, pk=row.pk) if plain else "")


def open_secret(row: Any, name: str, *, purpose: str) -> str:
    """What a row's sealed column holds, "" if nothing; raises `SecretUnreadable`."""
    sealed: str = getattr(row, name)
    if not sealed:
        return ""
    return column_of(row, name).reveal(sealed, tenant_id=row.tenant_id, pk=row.pk, purpose=purpose)


def reserve_pk(model: type[models.Model]) -> int:
    """The id that the next row will have: a secret is bound to it before the row is there."""
    with connection.cursor() as cursor:
        key: Any = model._meta.pk
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, %s))", [model._meta.db_table, key.column])
        return int(cursor.fetchone()[0])
