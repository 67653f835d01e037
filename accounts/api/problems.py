"""Errors as application/problem+json (RFC 9457), for every answer of ours from 400 on."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from psycopg.errors import DeadlockDetected, LockNotAvailable
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

CONTENT_TYPE = "application/problem+json"
log = logging.getLogger(__name__)


class QuotaReached(exceptions.APIException):
    """The plan's number of monitors is used up (402)."""

    status_code = HTTPStatus.PAYMENT_REQUIRED
    default_code = "quota"


class Conflict(exceptions.APIException):
    """The name is taken, or the change meets another one (409)."""

    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"


class PreconditionFailed(exceptions.APIException):
    """The thing is no longer as `If-Match` says (412)."""

    status_code = HTTPStatus.PRECONDITION_FAILED
    default_code = "precondition_failed"
    default_detail = "It was changed since you read it: read it again, and decide anew."


class Unavailable(exceptions.APIException):
    """It cannot be done now, or is not known to be done (503)."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "unavailable"


class TooLarge(exceptions.APIException):
    """The body is larger than this endpoint takes (413)."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class TooSlow(exceptions.APIException):
    """The body did not arrive in time (408)."""

    status_code = HTTPStatus.REQUEST_TIMEOUT
    default_code = "too_slow"


def problem(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """Return the members of a problem document."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    if errors:
        body["errors"] = errors
    return body


def validation_errors(detail: Any, path: str = "") -> list[dict[str, str]]:
    """Return DRF's nested validation detail as a flat list of field, code and detail."""
    if isinstance(detail, dict):
        errors = []
        for name, value in detail.items():
            field = path if name == "non_field_errors" else f"{path}.{name}" if path else str(name)
            errors += validation_errors(value, field)
        return errors
    if isinstance(detail, list):
        errors = []
        for index, value in enumerate(detail):
            nested = isinstance(value, (dict, list))
            errors += validation_errors(value, f"{path}[{index}]" if nested and value else path)
        return errors
    return [{"field": path, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}]


_WAITED = (LockNotAvailable, DeadlockDetected)


def _waited_in_vain(error: BaseException) -> bool:
    """Return whether the database gave up waiting for a lock of somebody else's."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, _WAITED):
        cause = cause.__cause__
    return cause is not None


def _unavailable(error: Exception) -> Unavailable | None:
    """Return what to say where the database was not to be had, None for any other error."""
    if _waited_in_vain(error):
        log.warning("a change gave up waiting for a lock: %s", type(error).__name__)
        return Unavailable("Another change of the same things is under way. Try again.")
    if isinstance(error, (OperationalError, InterfaceError)):
        log.warning("no database for a request: %s", error)
        return Unavailable("It is not known to be done: the database does not answer. Try again.")
    return None


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the problem for an exception of a view; None lets Django treat it as a 500."""
    error = _unavailable(error) or error
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied(*error.args)
    if not isinstance(error, exceptions.APIException):
        return None
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait) or 1)  # type: ignore[attr-defined]
    if error.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    if isinstance(error, exceptions.ValidationError):
        found = validation_errors(error.detail)
        first = found[0] if found else {"field": "", "detail": "Invalid."}
        text = f"{first['field']}: {first['detail']}" if first["field"] else first["detail"]
        body = problem(error.status_code, text, found)
    else:
        body = problem(error.status_code, str(error.detail))
    set_rollback()
    answer = Response(body, status=error.status_code, headers=headers, content_type=CONTENT_TYPE)
    if error.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        answer._has_been_logged = True  # type: ignore[attr-defined]  # its cause was logged once; not every caller that comes
    return answer


def problem_response(
    status: int, detail: str, headers: dict[str, str] | None = None
) -> HttpResponse:
    """Return a problem outside DRF: for handlers of whole paths."""
    return JsonResponse(
        problem(status, detail), status=status, content_type=CONTENT_TYPE, headers=headers
    )


def not_found(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """Answer any path under /api/ that does not exist."""
    return problem_response(404, "Not found.")
