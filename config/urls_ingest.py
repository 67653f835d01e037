"""The paths of an ingest process: pushes, and how it is."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path

from accounts.api.problems import not_found
from config import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("monitors.api.push_urls")),
    re_path(r"^readyz/?$", health.ready),
    re_path(r"^metrics/?$", health.metrics),
    re_path(r"^.*$", not_found),
]
