"""API keys: made, rotated, paused and revoked; whether one may be used now, from there; and when it last was."""

import datetime as dt
from collections import Counter
from ipaddress import ip_address, ip_network
from typing import Any

from django.db import models

from mesassist.tenants.models import ApiKey, Tenant, User
from mesassist.tenants.peppers import digest_of, newest_pepper
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope

# A busy key would otherwise write a row per request.
NOTED_EVERY = dt.timedelta(minutes=1)
LONGEST_OVERLAP = dt.timedelta(days=90)


# A key's name is the source of its events, and sources of these names count for more, or less, than a machine's.
RESERVED_NAMES = ("manual", "inference")


class KeyRefused(Exception):
    """A key cannot be made or changed so; the message is for people."""


def make_key(*, tenant: Tenant, made_by: User, **fields: Any) -> tuple[ApiKey, str]:
    """A key of the tenant for which `made_by` answers, and its text, which is never to be had again.

    `fields`: name, scopes, source, networks, expiry (a moment or None).
    """
    ends: dt.datetime | None = fields.pop("expiry", None)
    owner = fields.pop("user", None) or made_by
    key, text = ApiKey.objects.create(owner, tenant=tenant, made_by=made_by, **fields)
    if ends is not None:
        key.expiry = ends
        key.save(update_fields=["expiry"])
    return key, text


def rotate_key(*, key: ApiKey, by: User, overlap: dt.timedelta, now: dt.datetime) -> tuple[ApiKey, str]:
    """A second key beside this one, which ends after `overlap`: both open the same until then."""
    if not dt.timedelta() <= overlap <= LONGEST_OVERLAP:
        raise KeyRefused(f"Both keys may be live for up to {LONGEST_OVERLAP.days} days.")
    if key.expiry is not None and key.expiry <= now:
        raise KeyRefused("This key has ended. Make a new one.")
    same = {name: getattr(key, name) for name in ("name", "scopes", "source", "networks")}
    made = make_key(tenant=key.tenant, made_by=by, **same)
    ends = now + overlap
    key.expiry = min(key.expiry, ends) if key.expiry else ends
    key.save(update_fields=["expiry"])
    return made


def set_enabled(*, key: ApiKey, enabled: bool) -> None:
    """Pause a key, or let it be used again."""
    key.enabled = enabled
    key.save(update_fields=["enabled"])


def revoke_key(*, key: ApiKey) -> None:
    """End a key for good; the audit trail keeps that there was one."""
    key.delete()


def check_source(name: str) -> str:
    """A name or source for a key; raises `KeyRefused` for one that the portal keeps."""
    if name.startswith(RESERVED_NAMES):
        words = " or ".join(repr(word) for word in RESERVED_NAMES)
        raise KeyRefused(f"Names that start with {words} are kept for the portal. Choose another.")
    return name


def read_networks(text: str) -> list[str]:
    """Addresses and networks, with commas or white space between; raises `KeyRefused`."""
    found: list[str] = []
    for one in text.replace(",", " ").split():
        try:
            found.append(str(ip_network(one)))
        except ValueError as error:
            raise KeyRefused(f"{one!r} is no address and no network like 10.20.0.0/16: {error}.") from error
    return found


def why_closed(*, key: ApiKey, address: str, now: dt.datetime) -> str:
    """Why a key whose text is right opens nothing, as a word for the log; "" if it does."""
    if not key.enabled:
        return "paused"
    if key.expiry is not None and key.expiry <= now:
        return "expired"
    if not key.user.is_active:
        return "orphaned"
    return "" if comes_from(address, key.networks) else "elsewhere"


def comes_from(address: str, networks: list[str]) -> bool:
    """Whether the address lies in one of the networks; no network named: wherever it is."""
    if not networks:
        return True
    try:
        here = ip_address(address)
    except ValueError:
        return False
    here = getattr(here, "ipv4_mapped", None) or here
    return any(here in ip_network(one) for one in networks)


def note_use(*, key: ApiKey, address: str, text: str, now: dt.datetime) -> None:
    """Note when and from where a key was used, once a minute; store an older one under the newest pepper."""
    newest = newest_pepper()
    is_stale = bool(newest) and key.pepper != newest
    if not is_stale and key.last_used_at is not None and now - key.last_used_at < NOTED_EVERY:
        return
    fresh: dict[str, Any] = {"last_used_at": now, "last_used_ip": address or None}
    if is_stale:
        fresh |= {"digest": digest_of(text, pepper=newest), "pepper": newest}
    # Of requests at the same moment one writes.
    same = ApiKey.objects.filter(pk=key.pk, last_used_at=key.last_used_at)
    if same.update(**fresh) and is_stale:
        key.digest = fresh["digest"]
    key.last_used_at = now


def count_peppers() -> Counter[str]:
    """{pepper id: keys stored with it}; "" are those without one."""
    with platform_scope("which peppers are in use", role=PlatformRole.DOOR):
        rows = ApiKey.objects.order_by().values("pepper").annotate(n=models.Count("*"))
        return Counter(dict(rows.values_list("pepper", "n")))
