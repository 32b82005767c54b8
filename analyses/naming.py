"""Naming: the names that a tenant protects, each with an alias that stays the same from one question to the next."""

from collections.abc import Callable, Iterable, Mapping
from unicodedata import normalize

from analyses.aliases import AliasBook, give_aliases, is_worth_hiding
from analyses.models import Alias, AliasKind, AssistantSettings
from mesassist.tenants.models import User
from mesassist.tenants.scope import current_tenant, tenant_tx
from production.models import Line, Machine, Product, Site, WorkOrder


def read_book(*, assistant: AssistantSettings) -> AliasBook:
    """The tenant's book of the chosen kinds, empty when switched off; new names get their aliases now."""
    if not assistant.aliases_enabled:
        return AliasBook({})
    wanted = {kind: _names_of(kind) for kind in assistant.alias_kinds}
    known = {(alias.kind, alias.name): alias.alias for alias in Alias.objects.all()}
    if any((kind, name) not in known for kind, names in wanted.items() for name in names):
        known = _add_missing(wanted)
    return AliasBook({name: known[kind, name] for kind, names in wanted.items() for name in names})


def _add_missing(wanted: Mapping[str, Iterable[str]]) -> dict[tuple[str, str], str]:
    """All aliases, those of new names added; two questions at once agree on them."""
    tenant = current_tenant()
    with tenant_tx():
        # One at a time: the next letters follow from how many there are.
        type(tenant).objects.select_for_update().get(pk=tenant.pk)
        known = {(alias.kind, alias.name): alias.alias for alias in Alias.objects.all()}
        for kind, names in wanted.items():
            taken = sum(one == kind for one, _ in known)
            new = give_aliases(kind=kind, names=[n for n in names if (kind, n) not in known], taken=taken)
            Alias.objects.bulk_create(
                Alias(tenant=tenant, kind=kind, name=name, alias=alias) for name, alias in new.items()
            )
            known |= {(kind, name): alias for name, alias in new.items()}
    return known


def _names_of(kind: str) -> list[str]:
    names = {normalize("NFC", " ".join(name.split())) for name in READERS[AliasKind(kind)]()}
    return sorted(filter(is_worth_hiding, names))


def _people() -> Iterable[str]:
    for person in User.objects.filter(memberships__tenant=current_tenant()):
        yield from (person.username, person.get_full_name(), person.last_name)


READERS: Mapping[AliasKind, Callable[[], Iterable[str]]] = {
    AliasKind.MACHINE: lambda: [name for row in Machine.objects.values_list("name", "code") for name in row],
    AliasKind.LINE: lambda: Line.objects.values_list("name", flat=True),
    AliasKind.SITE: lambda: Site.objects.values_list("name", flat=True),
    AliasKind.PRODUCT: lambda: [name for row in Product.objects.values_list("name", "code") for name in row],
    AliasKind.ORDER: lambda: WorkOrder.objects.values_list("code", flat=True),
    AliasKind.PERSON: _people,
}
