"""Everything below /api/v1/; what is not there is a problem document too."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from accounts.api.problems import not_found
from accounts.api.schema import DocsView, SchemaView

urlpatterns: list[URLPattern | URLResolver] = [
    path("schema", SchemaView.as_view(), name="api-schema"),
    path("docs", DocsView.as_view(), name="api-docs"),
    path("", include("accounts.api.urls")),
    path("", include("monitors.api.urls")),
    path("", include("incidents.api.urls")),
    path("", include("statuspages.api.urls")),
    path("", include("manifests.api.urls")),
    # A form's token is asked for before the view is: an unknown path must not answer 403.
    re_path(r"^", csrf_exempt(not_found)),
]
