"""Paths of pages about documents."""

from __future__ import annotations

from django.urls import URLPattern, path

from manifests.console import importing

urlpatterns: list[URLPattern] = [
    path(
        "t/<slug:team>/monitors/import/manifest",
        importing.import_manifest,
        name="manifests-import",
    ),
]
