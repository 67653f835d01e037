"""Every request of Django's: its id, its line in the log, its trace, and how long it took."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from time import perf_counter
from uuid import uuid4

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.measures import Counter, Histogram
from accounts.observing import working
from monitors.ingest.measures import count_refusal

HEADER = "X-Request-ID"
_SANE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:-]{7,63}")
# What a path begins with, and the group that it counts for.
_GROUPS = (
    ("/api/push/", "push"),
    ("/api/ping/", "push"),
    ("/api/", "api"),
    ("/status/", "status-page"),
    ("/badge/", "badge"),
    ("/static/", "static"),
    ("/accounts/", "account"),
    ("/staff/", "staff"),
    ("/admin/", "staff"),
    ("/readyz", "health"),
    ("/metrics", "health"),
    ("/internal/", "health"),
)
CONSOLE = "console"
CLASSES = ("2xx", "3xx", "4xx", "5xx")

REQUESTS = Histogram(
    "tocsin_http_request_seconds",
    "How long Django took for a request, by group of routes and class of status. Pushes that the "
    "lane answers are not among them.",
    bounds=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    route=(*dict.fromkeys(group for _, group in _GROUPS), CONSOLE),
    status=CLASSES,
)
BUSY = Counter(
    "tocsin_http_busy_total", "Requests answered 503 because too many others were waiting."
)

log = logging.getLogger("tocsin.access")


def route_group(path: str) -> str:
    """Return the group of routes that a path belongs to."""
    return next((group for prefix, group in _GROUPS if path.startswith(prefix)), CONSOLE)


def sane_id(given: str) -> str | None:
    """Return a request id that a proxy or client gave, None if it is not one."""
    return given if _SANE.fullmatch(given) else None


class ObserveRequests:
    """The outermost middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request under an id, which the answer bears too."""
        request_id = sane_id(request.headers.get(HEADER, "")) or uuid4().hex
        group = route_group(request.path)
        method = request.method if request.method in _METHODS else "other"
        started = perf_counter()
        with working("request", request_id=request_id, route=group, method=method):
            response = self._get_response(request)
            seconds = perf_counter() - started
            self._note(request, response, group, seconds)
        response[HEADER] = request_id
        return response

    def _note(
        self, request: HttpRequest, response: HttpResponseBase, group: str, seconds: float
    ) -> None:
        status = response.status_code
        REQUESTS.observe(seconds, group, f"{status // 100}xx")
        if group == "push":
            count_refusal(status)
        if group != "health" and log.isEnabledFor(logging.INFO):
            # The pattern and not the path: that may hold a slug, a token or a link's secret.
            found = request.resolver_match
            facts = {
                "route": found.route if found else group,
                "method": request.method,
                "status": status,
                "seconds": round(seconds, 4),
            }
            log.info("request answered", extra=facts)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
