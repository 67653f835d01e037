"""Answers to what no view answers: problems below /api/, pages elsewhere."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import TemplateDoesNotExist

from accounts.api.problems import problem_response

DETAILS = {
    400: "The request cannot be understood, or names a host that is not ours.",
    403: "This is not allowed.",
    404: "Not found.",
    500: "Something went wrong here. It has been noted.",
}


def _answer(request: HttpRequest, status: int) -> HttpResponse:
    if request.path.startswith("/api/"):
        return problem_response(status, DETAILS[status])
    try:
        return render(request, f"{status}.html", status=status)
    except TemplateDoesNotExist:
        text = f"{status} {HTTPStatus(status).phrase}\n{DETAILS[status]}\n"
        return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 400; without a template, since even the host may be wrong."""
    if request.path.startswith("/api/"):
        return problem_response(400, DETAILS[400])
    return HttpResponse(DETAILS[400], status=400, content_type="text/plain; charset=utf-8")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403."""
    return _answer(request, 403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404, the same for what is missing and for what is somebody else's."""
    return _answer(request, 404)


def server_error(request: HttpRequest, *args: Any) -> HttpResponse:
    """Answer 500 without touching the database: it may be what is wrong."""
    if request.path.startswith("/api/"):
        return problem_response(500, DETAILS[500])
    return HttpResponse(DETAILS[500], status=500, content_type="text/plain; charset=utf-8")
