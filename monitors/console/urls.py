"""Paths about monitors; the page of one is in incidents/console, since it shows incidents."""

from __future__ import annotations

from django.urls import URLPattern, path

from monitors.console import (
    badge_page,
    bulk,
    changes,
    clone,
    importing,
    list_page,
    overlap_pages,
    results_page,
    saved_views,
    undoing,
    usage,
    views,
)

_ONE = "t/<slug:team>/monitors/<uuid:pk>"
_VIEW = "t/<slug:team>/monitors/views/<uuid:pk>"

urlpatterns: list[URLPattern] = [
    path("t/<slug:team>/settings/usage", usage.show_usage, name="usage"),
    path(
        "t/<slug:team>/settings/usage/<str:month>.csv",
        usage.download_statement,
        name="usage-statement-csv",
    ),
    path("t/<slug:team>/settings/usage/<str:month>", usage.show_statement, name="usage-statement"),
    path("t/<slug:team>/monitors/", list_page.list_monitors, name="monitors"),
    path("t/<slug:team>/monitors/bulk", bulk.change_many, name="monitors-bulk"),
    path("t/<slug:team>/monitors/undo/", undoing.list_steps, name="monitors-undo"),
    path("t/<slug:team>/monitors/undo/<uuid:pk>", undoing.take_back, name="undo-step"),
    path("t/<slug:team>/monitors/views/", saved_views.list_views, name="views"),
    path("t/<slug:team>/monitors/views/new", saved_views.save, name="view-save"),
    path(f"{_VIEW}/edit", saved_views.rename, name="view-edit"),
    path(f"{_VIEW}/delete", saved_views.delete, name="view-delete"),
    path("t/<slug:team>/monitors/import", importing.import_csv, name="monitors-import"),
    path(
        "t/<slug:team>/monitors/import/tokens",
        importing.download_tokens,
        name="monitors-import-tokens",
    ),
    path("t/<slug:team>/monitors/new", views.create, name="monitor-new"),
    path(f"{_ONE}/setup", views.set_up, name="monitor-setup"),
    path(f"{_ONE}/edit", views.edit, name="monitor-edit"),
    path(f"{_ONE}/clone", clone.clone, name="monitor-clone"),
    path(f"{_ONE}/delete", changes.delete, name="monitor-delete"),
    path(f"{_ONE}/pause", changes.pause, name="monitor-pause"),
    path(f"{_ONE}/resume", changes.resume, name="monitor-resume"),
    path(f"{_ONE}/rotate-slug", changes.change_slug, name="monitor-rotate-slug"),
    path(f"{_ONE}/rotate-token", changes.change_token, name="monitor-rotate-token"),
    path(f"{_ONE}/old-slug", overlap_pages.end_slug, name="monitor-old-slug"),
    path(f"{_ONE}/old-token", overlap_pages.end_token, name="monitor-old-token"),
    path(f"{_ONE}/badge", badge_page.show_badge_page, name="monitor-badge"),
    path(f"{_ONE}/badge/change", badge_page.change_badge, name="monitor-badge-change"),
    path(f"{_ONE}/results/<uuid:result>", results_page.show_result, name="monitor-result"),
    path(
        f"{_ONE}/results.csv",
        results_page.download,
        {"form": "csv"},
        name="monitor-results-csv",
    ),
    path(
        f"{_ONE}/results.json",
        results_page.download,
        {"form": "json"},
        name="monitor-results-json",
    ),
]
