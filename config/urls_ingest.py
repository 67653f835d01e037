"""The paths of an ingest process: pushes, and how it is."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from accounts.api.problems import not_found
from config import health, metrics
from incidents.watching import receiving

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("monitors.api.push_urls")),
    re_path(r"^readyz/?$", health.ready),
    re_path(r"^metrics/?$", metrics.metrics),
    path("watchdog", receiving.receive),
    re_path(r"^.*$", csrf_exempt(not_found)),
]

handler400 = "config.errors.bad_request"
handler500 = "config.errors.server_error"
