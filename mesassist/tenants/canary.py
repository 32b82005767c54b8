"""Canary: a small sealed text per key in the database; a process whose keys do not open it must not start."""

import sys
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.utils import timezone

from mesassist.tenants.models import KeyCanary
from mesassist.tenants.roles import RoleDoesNotFit, check_role
from mesassist.tenants.secrets import SecretUnreadable, newest_key, read_key_ring, reveal, seal

log = structlog.get_logger(__name__)
COLUMN = "canary"


class KeysDoNotFit(Exception):
    """TOKEN_KEYS is not what sealed this database's secrets; the message names the key and says what to do."""


def check_keys() -> None:
    """Open every canary; raises `KeysDoNotFit`, or `DatabaseError` where the database cannot be asked."""
    ring = read_key_ring(settings.TOKEN_KEYS)
    for key_id, sealed in KeyCanary.objects.order_by("made_at").values_list("key_id", "sealed"):
        if key_id not in ring:
            raise KeysDoNotFit(
                f"TOKEN_KEYS lacks the key {key_id!r}, and secrets in this database are sealed with it. Put it back; "
                "rotate_keys says when it may go. "
                f"If it is lost for good: rotate_keys --forget {key_id} (docs/keys.md)."
            )
        try:
            reveal(sealed, tenant_id=0, column=COLUMN, purpose="see whether the keys fit")
        except SecretUnreadable:
            raise KeysDoNotFit(
                f"The key {key_id!r} in TOKEN_KEYS is not the one of this name that sealed this database's secrets. "
                "Put the right one back (docs/keys.md)."
            ) from None


def leave_canary() -> None:
    """Leave a canary of the newest key, unless there is one."""
    key_id = newest_key()
    if not KeyCanary.objects.filter(pk=key_id).exists():
        sealed = seal("the key fits", tenant_id=0, column=COLUMN)
        # Another process may be as quick.
        canary = KeyCanary(key_id=key_id, sealed=sealed, made_at=timezone.now())
        KeyCanary.objects.bulk_create([canary], ignore_conflicts=True)


def drop_canaries(*, keep: Collection[str]) -> None:
    """Forget the canaries of all other keys: nothing is sealed with them any more."""
    KeyCanary.objects.exclude(pk__in=keep).delete()


def stop_unless_fit() -> None:
    """End a process whose keys or database role do not fit, with a sentence.

    Where the database does not answer yet, let it start. Called once per process, also from inside an event loop: hence
    the thread.
    """
    with ThreadPoolExecutor(1) as elsewhere:
        complaint = elsewhere.submit(_complain).result()
    if complaint:
        sys.exit(complaint)


def _complain() -> str:
    try:
        check_role()
        check_keys()
        leave_canary()
    except (KeysDoNotFit, RoleDoesNotFit, ImproperlyConfigured) as error:
        return str(error)
    except DatabaseError as error:
        log.warning("keys_unchecked", error=type(error).__name__)
    finally:
        connection.close()
        # A worker forks after this, and a pool's threads do not survive that.
        if connection.settings_dict["OPTIONS"].get("pool"):
            connection.close_pool()  # type: ignore[attr-defined]
    return ""
