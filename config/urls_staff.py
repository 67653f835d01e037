"""The operator's paths, below `/staff/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from config import staff, staff_health, staff_support
from config.admin import site

urlpatterns: list[URLPattern | URLResolver] = [
    path("staff", staff.add_slash, name="staff"),
    path("staff/health", staff_health.show_health, name="staff-health"),
    path("staff/teams/", staff_support.list_teams, name="staff-teams"),
    path("staff/teams/<str:slug>", staff_support.show_team, name="staff-team"),
    path("staff/", site.urls),
]
