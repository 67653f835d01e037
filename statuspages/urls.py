"""The public paths of status pages, on our own host; custom domains are led here by asgi.py."""

from __future__ import annotations

from django.urls import URLPattern, re_path

from statuspages.serving import views

urlpatterns: list[URLPattern] = [
    re_path(r"^internal/tls-ask$", views.tls_ask),
    re_path(r"^status/(?P<slug>[^/]*)$", views.add_slash),
    re_path(r"^status/(?P<slug>[^/]+)/(?P<path>.*)$", views.page),
]
