"""Secrets: text sealed with AES-GCM under a key ring; opened in one place, for a stated purpose.

A sealed text is `key_id:base64(nonce + ciphertext)`. The tenant and the column are bound in as
associated data, so a ciphertext moved to another row does not open there.
"""

import base64
import binascii
import os
from typing import Any

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

log = structlog.get_logger(__name__)
NONCE_BYTES = 12


class SecretUnreadable(Exception):
    """The key that sealed a secret is not in TOKEN_KEYS, or the sealed text was altered or moved."""


def read_key_ring(text: str) -> dict[str, bytes]:
    """`id:base64,...` (newest first) as {id: 32 bytes}; raises `ImproperlyConfigured` saying which entry is wrong."""
    ring: dict[str, bytes] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key_id, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ImproperlyConfigured(f"TOKEN_KEYS: the key {key_id!r} is not base64.") from error
        if len(key) != 32 or not key_id:
            raise ImproperlyConfigured(f"TOKEN_KEYS: the key {key_id!r} needs an id and 32 bytes, it has {len(key)}.")
        ring[key_id] = key
    if not ring:
        raise ImproperlyConfigured("TOKEN_KEYS holds no key. Write id:base64 of 32 random bytes.")
    return ring


def seal(plain: str, *, tenant_id: int, column: str) -> str:
    """Seal `plain` under the newest key, bound to the tenant and the column (`model.field`)."""
    key_id, key = next(iter(read_key_ring(settings.TOKEN_KEYS).items()))
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plain.encode(), _bound_to(tenant_id, column))
    return f"{key_id}:{base64.b64encode(nonce + sealed).decode()}"


def reveal(sealed: str, *, tenant_id: int, column: str, purpose: str) -> str:
    """Open a sealed text for `purpose` (logged); raises `SecretUnreadable`, never returns the ciphertext."""
    key_id, _, encoded = sealed.partition(":")
    key = read_key_ring(settings.TOKEN_KEYS).get(key_id)
    if key is None:
        raise SecretUnreadable(f"The key {key_id!r} is not in TOKEN_KEYS. Put it back, then run rotate_keys.")
    log.debug("secret_revealed", tenant=tenant_id, column=column, purpose=purpose)
    try:
        blob = base64.b64decode(encoded, validate=True)
        return AESGCM(key).decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], _bound_to(tenant_id, column)).decode()
    except (InvalidTag, binascii.Error) as error:
        raise SecretUnreadable(f"A secret sealed with the key {key_id!r} does not open for {column}.") from error


def _bound_to(tenant_id: int, column: str) -> bytes:
    return f"{tenant_id}|{column}|v1".encode()


class SealedField(models.TextField):  # type: ignore[type-arg]
    """Holds sealed text or nothing; a plain text that reaches it raises instead of being stored."""

    def get_prep_value(self, value: Any) -> Any:
        """Refuse whatever does not look sealed."""
        if value and (":" not in value or value.split(":", 1)[0] not in read_key_ring(settings.TOKEN_KEYS)):
            raise ValueError("A secret column takes sealed text only: use seal().")
        return super().get_prep_value(value)
