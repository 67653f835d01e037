"""Paths about people and teams."""

from __future__ import annotations

from django.urls import URLPattern, path
from django.views.generic import RedirectView

from accounts.console import settings, start

urlpatterns: list[URLPattern] = [
    path("", start.show_start, name="start"),
    path("t/new", start.create_first_team, name="team-new"),
    path(
        "t/<slug:team>/settings/",
        RedirectView.as_view(pattern_name="console:members"),
        name="settings",
    ),
    path("t/<slug:team>/settings/members", settings.list_members, name="members"),
    path("t/<slug:team>/settings/keys", settings.list_keys, name="keys"),
    path("t/<slug:team>/settings/keys/<uuid:pk>/revoke", settings.revoke_key, name="key-revoke"),
]
