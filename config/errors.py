"""Answers to what no view answers: problems below /api/, pages elsewhere."""

from __future__ import annotations

import logging
import sys
from http import HTTPStatus
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string

from accounts.api.problems import problem_response

logger = logging.getLogger(__name__)

DETAILS = {
    400: "The request cannot be understood, or names a host that is not ours.",
    403: "This is not allowed.",
    404: "Not found.",
    500: "Something went wrong here. It has been noted.",
    503: "The database does not answer. Try again in a second.",
}


def _answer(request: HttpRequest, status: int) -> HttpResponse:
    if request.path.startswith("/api/"):
        return problem_response(status, DETAILS[status])
    try:
        return render(request, f"{status}.html", status=status)
    except TemplateDoesNotExist:
        text = f"{status} {HTTPStatus(status).phrase}\n{DETAILS[status]}\n"
        return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")


def _answer_alone(request: HttpRequest, status: int) -> HttpResponse:
    """Answer with a page that asks nothing: neither who looks, nor which host was asked for."""
    if request.path.startswith("/api/"):
        return problem_response(status, DETAILS[status])
    template = "500.html" if status == HTTPStatus.SERVICE_UNAVAILABLE else f"{status}.html"
    try:
        page = render_to_string(template, {"csp_nonce": getattr(request, "csp_nonce", "")})
    except Exception:  # whatever is wrong with the page, this is an answer still
        logger.exception("the page of an error cannot be made")
        plain = "text/plain; charset=utf-8"
        return HttpResponse(DETAILS[status], status=status, content_type=plain)
    return HttpResponse(page, status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 400, where even the host may be wrong."""
    return _answer_alone(request, 400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403."""
    return _answer(request, 403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404, the same for what is missing and for what is somebody else's."""
    return _answer(request, 404)


def server_error(request: HttpRequest, *args: Any) -> HttpResponse:
    """Answer 500, or 503 while the database is away, without touching the database."""
    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        answer = _answer_alone(request, 503)
        answer.headers["Retry-After"] = "1"
        return answer
    return _answer_alone(request, 500)
