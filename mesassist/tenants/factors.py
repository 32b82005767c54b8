"""Factors: the sealed texts in people's second factors, which are allauth's rows and belong to no tenant."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from allauth.mfa.models import Authenticator

from mesassist.tenants.secrets import KEY_ID, newest_key, reveal, seal

FACTORS = "authenticator.data"
NAME = "mfa.Authenticator.data"
# What allauth encrypts: the app's secret, the recovery codes' seed, and codes that came from elsewhere.
SEALED = ("secret", "seed", "migrated_codes")


def seal_factor(text: str) -> str:
    """Sealed under the newest key; a person has no tenant, so it is bound to the column alone."""
    return seal(text, tenant_id=0, column=FACTORS)


def reveal_factor(sealed: str) -> str:
    """The secret, to check one code."""
    return reveal(sealed, tenant_id=0, column=FACTORS, purpose="check a second factor")


def change_texts(data: Any, change: Callable[[str], str]) -> Any:
    """The factor's data with each sealed text changed."""
    changed = dict(data)
    for name in SEALED:
        if isinstance(data.get(name), list):
            changed[name] = [change(text) for text in data[name]]
        elif isinstance(data.get(name), str):
            changed[name] = change(data[name])
    return changed


def reseal_factor(data: Any) -> Any:
    """The same under the newest key; raises `SecretUnreadable`."""
    newest = newest_key()

    def reseal(text: str) -> str:
        return text if text.startswith(f"{newest}:") else seal_factor(_reopen(text))

    return change_texts(data, reseal)


def count_factor_keys() -> Counter[str]:
    """How many second factors each key sealed."""
    found: Counter[str] = Counter()
    for data in Authenticator.objects.values_list("data", flat=True).iterator():
        found.update(keys_of(data))
    return found


def keys_of(data: Any) -> set[str]:
    """The ids of the keys that a factor's data is sealed with."""
    ids: set[str] = set()

    def note(text: str) -> str:
        key_id = text.partition(":")[0]
        if KEY_ID.fullmatch(key_id):
            ids.add(key_id)
        return text

    change_texts(data, note)
    return ids


def _reopen(sealed: str) -> str:
    return reveal(sealed, tenant_id=0, column=FACTORS, purpose="seal under the newest key")
