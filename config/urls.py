"""Every path of the console, the API and the push endpoints."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from accounts.api.problems import not_found
from config import health, metrics, wellknown
from incidents.watching import receiving
from monitors.badges import show_badge

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("monitors.api.push_urls")),
    re_path(r"^readyz/?$", health.ready),
    re_path(r"^metrics/?$", metrics.metrics),
    path("watchdog", receiving.receive),
    path("robots.txt", wellknown.robots),
    path("favicon.ico", wellknown.favicon),
    re_path(r"^badge/(?P<key>[0-9A-Za-z]{22})\.(?P<form>svg|json)$", show_badge),
    path("", include("statuspages.urls")),
    path("api/v1/", include("config.urls_api")),
    re_path(r"^api/.*$", csrf_exempt(not_found)),
    path("accounts/", include("accounts.console.account_urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("config.urls_staff")),
    path("", include("config.urls_console")),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.forbidden"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
