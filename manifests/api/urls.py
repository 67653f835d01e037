"""Paths of documents below /api/v1/."""

from __future__ import annotations

from django.urls import path

from manifests.api.views import ApplyViewSet, ExportViewSet, ManifestSchemaView

urlpatterns = [
    path("apply", ApplyViewSet.as_view({"post": "create"})),
    path("export", ExportViewSet.as_view({"get": "list"})),
    path("manifests/schema", ManifestSchemaView.as_view()),
]
