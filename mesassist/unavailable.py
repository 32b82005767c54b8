"""Unavailable: while the database is away or full, every page says so with 503 and when to come back, never 500."""

import json
import sys
from collections.abc import Callable
from http import HTTPStatus

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error
from psycopg.errors import ReadOnlySqlTransaction

log = structlog.get_logger(__name__)
RETRY_AFTER_S = 5
API = "/api/"
DETAIL = "The database does not answer right now. Nothing was kept; send the same again."


def is_away(error: BaseException | None) -> bool:
    """Whether an error means that the database is out of reach, out of disk, or a copy that takes no writes."""
    return isinstance(error, OperationalError | InterfaceError) or isinstance(
        getattr(error, "__cause__", None), ReadOnlySqlTransaction
    )


def answer_unavailable(request: HttpRequest) -> HttpResponse:
    """503 with Retry-After: a page that asks the database nothing, or problem details under the API."""
    if request.path_info.startswith(API):
        status = HTTPStatus.SERVICE_UNAVAILABLE
        told = {"title": status.phrase, "status": status, "detail": DETAIL, "code": "unavailable"}
        body = {"type": "about:blank", **told}
        response = HttpResponse(json.dumps(body), content_type="application/problem+json", status=status)
    else:
        response = HttpResponse(render_to_string("503.html"), status=HTTPStatus.SERVICE_UNAVAILABLE)
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    response.headers["Cache-Control"] = "no-store"
    return response


class UnavailableMiddleware:
    """Answers for views that the database left alone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """503 where the database is away; every other mistake goes its way."""
        if not is_away(error):
            return None
        log.warning("database_unavailable", error=type(error.__cause__ or error).__name__)
        return answer_unavailable(request)


def show_server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`: other middleware needs the database too, and fails past `process_exception`."""
    return answer_unavailable(request) if is_away(sys.exc_info()[1]) else server_error(request)
