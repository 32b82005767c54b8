"""Anchors: the heads of all chains written down outside of the database, so that entries cut off the end are missed."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

from mesassist.audit.chain import Head, Verdict, verify_chain, verify_platform
from mesassist.audit.models import PlatformEntry
from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import platform_scope, tenant_scope

# No slug begins with it.
PLATFORM = "*platform"
Heads = dict[str, Head]


class AnchorUnreadable(Exception):
    """The file is not one that `audit_verify --write-anchor` wrote."""


def read_anchor(path: Path) -> Heads:
    """The heads in the file, by slug; raises `AnchorUnreadable` with a sentence for people."""
    try:
        chains = json.loads(path.read_text())["chains"]
        return {name: Head(int(head["number"]), str(head["hash"])) for name, head in chains.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AnchorUnreadable(f"{path} is not an anchor: write one with audit_verify --write-anchor.") from error


def write_anchor(path: Path, heads: Heads, *, now: dt.datetime) -> None:
    """Write the heads; a file that is there is kept until the new one is whole."""
    content = {"written_at": now.isoformat(), "chains": {name: head._asdict() for name, head in heads.items()}}
    whole = path.with_name(f"{path.name}.new")
    whole.write_text(json.dumps(content, indent=1) + "\n")
    whole.replace(path)


def verify_all(*, tenants: list[Tenant], anchor: Heads, at_most: int = 20) -> Iterator[tuple[str, Verdict]]:
    """Each chain's verdict by its name: those of `tenants`, then the platform's with tenants that went missing."""
    for tenant in tenants:
        with tenant_scope(tenant):
            yield tenant.slug, verify_chain(anchor=anchor.get(tenant.slug), at_most=at_most)
    with platform_scope("audit_verify"):
        verdict = verify_platform(anchor=anchor.get(PLATFORM), at_most=at_most)
        removals = PlatformEntry.objects.filter(subject="tenants.Tenant", action="removed")
        removed = {changes["slug"][0] for changes in removals.values_list("changes", flat=True)}
    there = set(Tenant.objects.values_list("slug", flat=True))
    for slug in sorted(set(anchor) - there - removed - {PLATFORM}):
        verdict.broken.append(f"tenant {slug}, which was anchored, is gone, and no entry says who removed it")
    yield PLATFORM, verdict
