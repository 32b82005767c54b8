"""Pages of the hall: the choice of a plant, and whether the portal is alive and ready."""

from collections.abc import Callable
from http import HTTPStatus

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.defaults import page_not_found

from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope


def show_our_own_not_found(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: a page that is not there looks in the demo (DEBUG) as it does on a real portal."""

    def serve(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        is_page = response.status_code == HTTPStatus.NOT_FOUND and response.get("Content-Type", "").startswith(
            "text/html"
        )
        return page_not_found(request, Http404()) if settings.DEBUG and is_page else response

    return serve


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Straight to the person's plant; a choice when there are several, or when `?choose` asks for one."""
    open_ones = request.user.memberships.filter(tenant__closed_at=None)  # type: ignore[union-attr]
    with platform_scope("who asks", role=PlatformRole.DOOR):
        memberships = list(open_ones.select_related("tenant").order_by("tenant__name"))
    if len(memberships) == 1 and "choose" not in request.GET:
        return redirect("dashboards:board", memberships[0].tenant.slug)
    return render(request, "home.html", {"memberships": memberships})


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is asked."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """200 when database, migrations and Redis are ready, else 503; says which part, never why (that is in the log)."""
    parts = {"database": database_answers(), "redis": redis_answers()}
    parts["migrations"] = parts["database"] and migrations_applied()
    words = {name: "ok" if ready else "not ready" for name, ready in parts.items()}
    return JsonResponse(words, status=200 if all(parts.values()) else 503)


def database_answers() -> bool:
    """Whether a query comes back."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def migrations_applied() -> bool:
    """Whether the database has every migration that this code knows."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def redis_answers() -> bool:
    """Whether Redis says PONG within a second."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
