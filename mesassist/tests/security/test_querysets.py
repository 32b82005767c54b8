"""The first wall, method by method: each public method of a queryset raises without a tenant, or is safe."""

import inspect
import re
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.db import models
from django_scopes.exceptions import ScopeError

from mesassist.tenants.scope import tenant_scope
from production.models import Site

ROOT = Path(__file__).resolve().parents[3]
# Methods that read and write nothing by themselves.
SAFE = {
    "as_manager": "makes a manager of a queryset class",
    "resolve_expression": "is how a queryset becomes a part of another, which asks for itself",
    "ordered": "says whether an order is given",
    "db": "names the connection",
    "query": "is the question, not the answer",
    "none": "holds no row, whoever asks",
}
# What each needs to be called at all.
ARGUMENTS = {
    "aggregate": (models.Count("pk"),), "aaggregate": (models.Count("pk"),), "earliest": ("pk",), "aearliest": ("pk",),
    "latest": ("pk",), "alatest": ("pk",), "bulk_create": ([],), "abulk_create": ([],),
    "bulk_update": ([Site(pk=1)], ["name"]),
    "abulk_update": ([Site(pk=1)], ["name"]), "dates": ("pk", "day"), "datetimes": ("pk", "day"), "raw": ("select 1",),
    "contains": (Site(pk=1),), "acontains": (Site(pk=1),), "update": (), "using": ("default",), "extra": (),
    "complex_filter": ({},), "in_bulk": (), "get": (), "order_by": ("pk",),
}  # fmt: skip


def methods():
    """Every public method of Django's queryset."""
    return sorted(name for name, _one in inspect.getmembers(models.QuerySet, callable) if not name.startswith("_"))


def call(name):
    """Call it on what is handed out without a tenant, and go through whatever comes back."""
    found = getattr(Site.objects.get_queryset(), name)
    result = (
        async_to_sync(found)(*ARGUMENTS.get(name, ()))
        if inspect.iscoroutinefunction(found)
        else found(*ARGUMENTS.get(name, ()))
    )
    if hasattr(result, "__aiter__") and not hasattr(result, "__iter__"):
        async_to_sync(exhaust)(result)
    elif hasattr(result, "__iter__"):
        list(result)


async def exhaust(result):
    """Go through an asynchronous iterator."""
    async for _row in result:
        pass


@pytest.mark.django_db
class TestWithoutATenant:
    @pytest.mark.parametrize("name", [name for name in methods() if name not in SAFE])
    def test_it_raises(self, name):
        with pytest.raises(ScopeError):
            call(name)

    def test_the_safe_ones_are_still_there(self):
        known = {name for name, _one in inspect.getmembers(models.QuerySet) if not name.startswith("_")}
        assert set(SAFE) - known == set()

    @pytest.mark.parametrize("nobody", [None, [], (), 1, "alfa", object()])
    def test_a_scope_needs_a_tenant(self, nobody):
        with pytest.raises(TypeError), tenant_scope(nobody):
            pass


# --- what is said past the walls ------------------------------------------------------------------------

ROOMS = ("mesassist", "production", "analyses", "dashboards")
# What goes round the first wall or opens a transaction without a tenant: {pattern: the files that may, and why}.
FORBIDDEN = {
    r"\._base_manager\b": {},
    r"\.raw\(": {},
    r"\.extra\(": {},
    r"\bscopes_disabled\b": {"mesassist/tenants/scope.py": "the only door past the scope"},
    r"\bscope\(tenant=": {"mesassist/tenants/scope.py": "wrapped there"},
    r"\btransaction\.atomic\b|\batomic\(": {"mesassist/tenants/scope.py": "tenant_tx opens every transaction"},
    r"\bRawSQL\(": {},
    r"\bmark_safe\(": {"analyses/rendering.py": "its own sanitiser's output"},
    r"\brow_security\b": {},
    r"(?i)\bset\s+(local\s+|session\s+)?role\b": {
        "mesassist/tenants/place.py": "tells the database for whom",
        "mesassist/tenants/scope.py": "in a docstring",
    },
}


def code_of(path):
    """The code of a file without comments and docstrings."""
    text = re.sub(r'"""(?:.|\n)*?"""', '""', path.read_text())
    return re.sub(r"#.*", "", text)


def files():
    """Our own modules, without tests and migrations."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if not {"tests", "migrations"} & set(path.parts):
                yield path.relative_to(ROOT).as_posix(), path


class TestSource:
    @pytest.mark.parametrize("pattern", FORBIDDEN)
    def test_nothing_goes_past_the_walls_but_where_it_is_allowed(self, pattern):
        found = {name for name, path in files() if re.search(pattern, code_of(path))}
        assert found - set(FORBIDDEN[pattern]) == set()

    def test_platform_scopes_are_opened_where_the_list_says(self):
        found = {name for name, path in files() if re.search(r"\bplatform_scope\(", code_of(path))}
        assert found - {"mesassist/tenants/scope.py"} == set(PLATFORM_SCOPES)


# Who looks at every tenant's rows, and what for.
PLATFORM_SCOPES = {
    "analyses/admission.py": "counts what runs in all, against the platform's capacity",
    "analyses/reaping.py": "finds analyses whose worker died",
    "analyses/ringing.py": "finds analyses that wait",
    "mesassist/audit/anchors.py": "verifies every chain",
    "mesassist/audit/heads.py": "forgets the trail of a tenant that is gone",
    "mesassist/audit/management/commands/audit_verify.py": "lists the tenants whose chains it verifies",
    "mesassist/audit/tasks.py": "finds the chains to check",
    "mesassist/offboarding.py": "removes a tenant that goes",
    "mesassist/pages.py": "who asks: a person's plants",
    "mesassist/people/invitations.py": "whose invitation a link is",
    "mesassist/people/own.py": "whether a person is a member elsewhere",
    "mesassist/people/standing.py": "whether a person is still a member",
    "mesassist/tenants/apidoor.py": "who asks: a person's memberships",
    "mesassist/tenants/doors.py": "who asks: the membership of an address",
    "mesassist/tenants/keys.py": "which peppers are in use",
    "mesassist/tenants/middleware.py": "the Django admin",
    "mesassist/tenants/rest.py": "who asks: the key",
    "production/admin/topics.py": "a topic feeds one tenant only",
    "production/ingest/fleet.py": "the sources that are read",
    "production/metrics.py": "the platform's figures",
    "production/partitions.py": "makes months and counts strays",
    "production/tasks.py": "finds the tenants that have work waiting",
}
