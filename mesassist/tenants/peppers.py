"""Peppers: how the text of an API key is made and stored: as its HMAC under a secret that the database does not hold.

Whoever can write to the database alone makes no key, and reading it gives none away.
"""

import hashlib
import hmac
from hmac import compare_digest

import structlog
from django.conf import settings
from knox.crypto import create_token_string, hash_token

from mesassist.tenants.secrets import read_key_ring

log = structlog.get_logger(__name__)
PREFIX = "mes_"
SHOWN = 15


def new_text() -> str:
    """A new key: `mes_` and 256 random bits."""
    text: str = PREFIX + create_token_string()
    return text


def newest_pepper() -> str:
    """The id of the pepper that new keys are stored with; "" while there is none."""
    if not settings.API_KEY_PEPPERS:
        return ""
    return next(iter(read_key_ring(settings.API_KEY_PEPPERS, name="API_KEY_PEPPERS")))


def digest_of(text: str, *, pepper: str) -> str:
    """What is stored of a key's text: HMAC-SHA256 under that pepper; without one SHA-512. Raises `KeyError`."""
    if not pepper:
        digest: str = hash_token(text)
        return digest
    ring = read_key_ring(settings.API_KEY_PEPPERS, name="API_KEY_PEPPERS") if settings.API_KEY_PEPPERS else {}
    return hmac.new(ring[pepper], text.encode(), hashlib.sha256).hexdigest()


def fits(text: str, *, digest: str, pepper: str) -> bool:
    """Whether a key's text belongs to what is stored, in the same time wherever they differ."""
    try:
        return compare_digest(digest_of(text, pepper=pepper), digest)
    except KeyError:
        log.warning("pepper_missing", pepper=pepper)
        return False
