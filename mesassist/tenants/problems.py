"""Problems: every refusal of the API as RFC 9457 problem details, with a stable code and a next step."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.signals import got_request_exception
from django.db import IntegrityError, InterfaceError, OperationalError
from django.db.models import ProtectedError
from django.http import Http404
from psycopg.errors import UniqueViolation
from rest_framework import exceptions
from rest_framework.response import Response

log = structlog.get_logger(__name__)
CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 5


class Problem(exceptions.APIException):
    """A refusal that a door raises: `status`, a stable `code`, and a sentence that says what to do next; `wait`
    are the seconds after which it is worth trying again."""

    def __init__(self, status: int, code: str, detail: str, *, wait: int | None = None) -> None:
        super().__init__(detail, code)
        self.status_code = status
        self.wait = wait


def answer_problem(error: Exception, context: dict[str, Any]) -> Response:
    """The problem details of any error; what we did not foresee is logged and told as 500 without its contents."""
    known = _translate(error)
    if known is None:
        log.exception("request_failed", error=type(error).__name__)
        # Tests and error reporters hear of it as if nobody had caught it.
        got_request_exception.send(sender=type(context.get("view")), request=context.get("request"))
        known = Problem(500, "internal", "The portal made a mistake. It is in the log; try again later.")
    headers = {}
    if getattr(known, "auth_header", None):
        headers["WWW-Authenticate"] = known.auth_header  # type: ignore[attr-defined]
    if getattr(known, "wait", None):
        headers["Retry-After"] = str(known.wait)  # type: ignore[attr-defined]
    return Response(describe_problem(known), status=known.status_code, headers=headers, content_type=CONTENT_TYPE)


def _translate(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.NotFound | Http404):
        # One sentence for every miss: a stranger's row must read like none at all.
        return Problem(404, "not_found", "There is nothing at this address.")
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, PermissionDenied):
        return Problem(403, "permission_denied", str(error) or "This is not yours to do.")
    if isinstance(error, RequestDataTooBig):
        return Problem(413, "too_large", "The request is too large. Send less at a time.")
    if isinstance(error, ProtectedError):
        kinds = sorted({str(row._meta.verbose_name_plural) for row in error.protected_objects})
        return Problem(409, "in_use", f"This is in use by {', '.join(kinds)}. Remove or change those first.")
    if isinstance(error, IntegrityError) and isinstance(error.__cause__, UniqueViolation):
        return Problem(409, "conflict", "Another request saved the same thing a moment ago. Read it and try again.")
    if isinstance(error, OperationalError | InterfaceError):
        # Out of reach, out of disk, too long a wait for a lock: nothing of the request was kept.
        log.warning("database_unavailable", error=type(error.__cause__ or error).__name__)
        detail = "The database does not answer right now. Nothing was kept; send the same again."
        return Problem(503, "unavailable", detail, wait=RETRY_AFTER_S)
    return None


def describe_problem(error: exceptions.APIException) -> dict[str, Any]:
    """{"type", "title", "status", "detail", "code"} and, for a body with faults, "errors" by field."""
    faults = list(list_faults(error.detail)) if isinstance(error, exceptions.ValidationError) else []
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status_code).phrase,
        "status": error.status_code,
    }
    if not faults:
        return body | {"detail": str(error.detail), "code": error.get_codes()}
    codes = {fault["code"] for fault in faults}
    detail = faults[0]["detail"] if len(faults) == 1 else f"{len(faults)} things are not right; see errors."
    return body | {
        "detail": detail,
        "code": "unknown_field" if "unknown_field" in codes else "invalid",
        "errors": faults,
    }


def list_faults(detail: Any, path: tuple[str, ...] = ()) -> Iterator[dict[str, str]]:
    """Each fault of a validation error as {"field": "events.3.at", "code", "detail"}; no field: the whole body."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from list_faults(inner, path if name == "non_field_errors" else (*path, str(name)))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from list_faults(inner, path if isinstance(inner, str) else (*path, str(index)))
    else:
        yield {"field": ".".join(path), "code": detail.code or "invalid", "detail": str(detail)}
