"""Paths about monitors; the page of one is in incidents/console, since it shows incidents."""

from __future__ import annotations

from django.urls import URLPattern, path

from monitors.console import changes, views

_ONE = "t/<slug:team>/monitors/<uuid:pk>"

urlpatterns: list[URLPattern] = [
    path("t/<slug:team>/monitors/", views.list_monitors, name="monitors"),
    path("t/<slug:team>/monitors/new", views.create, name="monitor-new"),
    path(f"{_ONE}/setup", views.set_up, name="monitor-setup"),
    path(f"{_ONE}/edit", views.edit, name="monitor-edit"),
    path(f"{_ONE}/delete", changes.delete, name="monitor-delete"),
    path(f"{_ONE}/pause", changes.pause, name="monitor-pause"),
    path(f"{_ONE}/resume", changes.resume, name="monitor-resume"),
    path(f"{_ONE}/rotate-slug", changes.change_slug, name="monitor-rotate-slug"),
    path(f"{_ONE}/rotate-token", changes.change_token, name="monitor-rotate-token"),
]
