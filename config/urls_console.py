"""Every page of the console, below one name: reverse them as `console:monitor` and the like."""

from __future__ import annotations

from django.urls import URLPattern, re_path

from accounts.console import urls as accounts_urls
from accounts.console.start import add_slash
from incidents.console import urls as incidents_urls
from monitors.console import urls as monitors_urls
from statuspages.console import urls as statuspages_urls

app_name = "console"
urlpatterns: list[URLPattern] = [
    *accounts_urls.urlpatterns,
    *monitors_urls.urlpatterns,
    *incidents_urls.urlpatterns,
    *statuspages_urls.urlpatterns,
    re_path(r"^(?P<path>t/.*[^/])$", add_slash),
]
