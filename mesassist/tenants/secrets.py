"""Secrets: text sealed with AES-GCM under a key ring; opened in one place, for a stated purpose.

A sealed text is `key_id:base64(nonce + ciphertext)`, or `key_id:v2:...` where a tenant has several rows. Tenant, column
and, in the latter, row are bound in as associated data, so a ciphertext moved elsewhere does not open there.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.views.decorators.debug import sensitive_variables

from mesassist.tenants.scrubbing import remember

log = structlog.get_logger(__name__)
NONCE_BYTES = 12
OF_A_ROW = "v2:"
KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,40}")


class SecretUnreadable(Exception):
    """The key that sealed a secret is not in TOKEN_KEYS, or the sealed text was altered or moved."""


# Read once per value, not once per secret.
@lru_cache(maxsize=16)
def read_key_ring(text: str, *, name: str = "TOKEN_KEYS") -> Mapping[str, bytes]:
    """`id:base64,...` (newest first) as {id: 32 bytes}; raises `ImproperlyConfigured` saying which entry is wrong."""
    ring: dict[str, bytes] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key_id, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ImproperlyConfigured(f"{name}: the key {key_id!r} is not base64.") from error
        if len(key) != 32 or not KEY_ID.fullmatch(key_id):
            raise ImproperlyConfigured(f"{name}: the key {key_id!r} needs an id and 32 bytes, it has {len(key)}.")
        if key_id in ring:
            raise ImproperlyConfigured(f"{name} names the key {key_id!r} twice.")
        ring[key_id] = key
    if not ring:
        raise ImproperlyConfigured(f"{name} holds no key. Write id:base64 of 32 random bytes.")
    return MappingProxyType(ring)


def newest_key() -> str:
    """The id of the key that seals."""
    return next(iter(read_key_ring(settings.TOKEN_KEYS)))


@sensitive_variables("plain", "key")
def seal(plain: str, *, tenant_id: int, column: str, row: Any = None) -> str:
    """Seal `plain` under the newest key, bound to the tenant, the column and the row, where it is named."""
    key_id, key = next(iter(read_key_ring(settings.TOKEN_KEYS).items()))
    remember(plain)
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plain.encode(), _bound_to(tenant_id, column, row))
    return f"{key_id}:{'' if row is None else OF_A_ROW}{base64.b64encode(nonce + sealed).decode()}"


@sensitive_variables("key", "plain")
def reveal(sealed: str, *, tenant_id: int, column: str, purpose: str, row: Any = None) -> str:
    """Open a sealed text for `purpose` (logged); raises `SecretUnreadable`, never returns the ciphertext."""
    key_id, _, encoded = sealed.partition(":")
    key = read_key_ring(settings.TOKEN_KEYS).get(key_id)
    if key is None:
        raise SecretUnreadable(f"The key {key_id!r} is not in TOKEN_KEYS. Put it back, then run rotate_keys.")
    log.debug("secret_revealed", tenant=tenant_id, column=column, purpose=purpose)
    bound = _bound_to(tenant_id, column, row if encoded.startswith(OF_A_ROW) else None)
    try:
        blob = base64.b64decode(encoded.removeprefix(OF_A_ROW), validate=True)
        plain = AESGCM(key).decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], bound).decode()
    except (InvalidTag, ValueError) as error:
        raise SecretUnreadable(f"A secret sealed with the key {key_id!r} does not open for {column}.") from error
    remember(plain)
    return plain


def _bound_to(tenant_id: int, column: str, row: Any) -> bytes:
    return (f"{tenant_id}|{column}|v1" if row is None else f"{tenant_id}|{column}|{row}|v2").encode()


class SealedField(models.TextField):  # type: ignore[type-arg]
    """Holds sealed text or nothing; a plain text that reaches it raises instead of being stored.

    `bound_to` names the column in the seal where that is not its model and field.
    """

    def __init__(self, *args: Any, bound_to: str = "", **options: Any) -> None:
        self.bound_to = bound_to
        super().__init__(*args, **options)

    def get_prep_value(self, value: Any) -> Any:
        """Refuse whatever does not look sealed."""
        if value and (":" not in value or value.split(":", 1)[0] not in read_key_ring(settings.TOKEN_KEYS)):
            raise ValueError("A secret column takes sealed text only: use seal().")
        return super().get_prep_value(value)
