"""Every page of the console, below one name: reverse them as `console:monitor` and the like."""

from __future__ import annotations

from django.urls import URLPattern, path

from accounts.console import urls as accounts_urls
from accounts.console.start import add_slash
from incidents.console import urls as incidents_urls
from monitors.console import urls as monitors_urls

app_name = "console"
urlpatterns: list[URLPattern] = [
    *accounts_urls.urlpatterns,
    *monitors_urls.urlpatterns,
    *incidents_urls.urlpatterns,
    path("t/<path:path>", lambda request, path: add_slash(request, f"t/{path}")),
]
