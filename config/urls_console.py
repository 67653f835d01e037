"""Every page of the console, below one name: reverse them as `console:monitor` and the like."""

from __future__ import annotations

from django.urls import URLPattern, re_path

from accounts.console import finders as accounts_finders
from accounts.console import finding
from accounts.console import urls as accounts_urls
from accounts.console.start import add_slash
from incidents.console import finders as incidents_finders
from incidents.console import urls as incidents_urls
from manifests.console import urls as manifests_urls
from monitors.console import finders as monitors_finders
from monitors.console import urls as monitors_urls
from statuspages.console import finders as statuspages_finders
from statuspages.console import urls as statuspages_urls

# In the order in which the palette and the search page show them.
finding.register((), [incidents_finders.HOME])
for room in (monitors_finders, incidents_finders, statuspages_finders, accounts_finders):
    finding.register(room.FINDERS, room.PLACES)

app_name = "console"
urlpatterns: list[URLPattern] = [
    *accounts_urls.urlpatterns,
    *monitors_urls.urlpatterns,
    *incidents_urls.urlpatterns,
    *statuspages_urls.urlpatterns,
    *manifests_urls.urlpatterns,
    re_path(r"^(?P<path>t/.*[^/])$", add_slash),
]
