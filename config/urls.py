"""Every path of the console, the API and the push endpoints."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path

from accounts.api.problems import not_found
from config import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("monitors.api.push_urls")),
    re_path(r"^readyz/?$", health.ready),
    re_path(r"^metrics/?$", health.metrics),
    path("api/v1/", include("config.urls_api")),
    re_path(r"^api/.*$", not_found),
    path("accounts/", include("allauth.urls")),
    path("", include("config.urls_console")),
]
