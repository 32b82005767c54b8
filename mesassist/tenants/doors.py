"""Doors: who may open which page. A page of a tenant names its least role; a stranger finds nothing there."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django_htmx.middleware import HtmxDetails

from mesassist.tenants.gates import lead_elsewhere
from mesassist.tenants.models import Membership, Role, Tenant, User
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_scope


class TenantRequest(HttpRequest):
    """A request that came through a door: it knows its tenant and the person's membership there."""

    user: User
    htmx: HtmxDetails
    tenant: Tenant
    membership: Membership


Page = Callable[..., HttpResponse]


def door(least_role: Role) -> Callable[[Page], Page]:
    """Open a page of `/t/<tenant>/` to members of at least `least_role`, inside the tenant's scope.

    Anonymous people are asked to sign in; strangers get 404, as for a tenant that does not exist;
    members of a lower role get 403, which names the role that is needed.
    """

    def decorate(page: Page) -> Page:
        @wraps(page)
        def enter(request: TenantRequest, tenant: str, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            membership = find_membership(request.user.pk, tenant)
            if membership is None:
                raise Http404("No such tenant.")
            if (elsewhere := lead_elsewhere(request, membership)) is not None:
                return elsewhere
            if membership.role < least_role:
                above = "tenant admin" if least_role == Role.TENANT_ADMIN else "manager"
                raise PermissionDenied(f"This needs the role {least_role.label}. Ask a {above} of {membership.tenant}.")
            request.tenant, request.membership = membership.tenant, membership
            with tenant_scope(membership.tenant):
                return page(request, **kwargs)

        enter.least_role = least_role  # type: ignore[attr-defined]
        return enter

    return decorate


def find_membership(user_id: int, slug: str) -> Membership | None:
    """The person's membership in the tenant with that slug, or None."""
    with platform_scope("who asks", role=PlatformRole.DOOR):
        open_ones = Membership.objects.select_related("tenant").filter(tenant__closed_at=None)
        return open_ones.filter(user_id=user_id, tenant__slug=slug).first()


def describe_place(request: HttpRequest) -> dict[str, Any]:
    """Template context: the tenant, the membership and what its role may do (`may.operate`, `may.manage`)."""
    membership: Membership | None = getattr(request, "membership", None)
    role = membership.role if membership else 0
    return {
        "tenant": membership.tenant if membership else None,
        "membership": membership,
        "may": {
            "operate": role >= Role.OPERATOR,
            "manage": role >= Role.MANAGER,
            "administer": role >= Role.TENANT_ADMIN,
        },
    }
