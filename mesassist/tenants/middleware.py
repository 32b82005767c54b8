"""Middleware: the Django admin belongs to platform staff and sees every tenant; nothing else does."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.urls import reverse

from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope


class PlatformAdminMiddleware:
    """Opens the platform scope for `/admin/` once platform staff are signed in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(reverse("admin:index")) or not request.user.is_staff:
            return self.get_response(request)
        with platform_scope("admin", role=PlatformRole.STAFF):
            response = self.get_response(request)
            # Admin pages render lazily: their queries must run before the scope closes.
            if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
                response.render()
            return response
