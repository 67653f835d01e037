"""The push endpoints' paths: a trailing slash is tolerated, nothing redirects."""

from __future__ import annotations

from django.urls import URLPattern, re_path

from monitors.api.alertmanager import AlertmanagerPushView
from monitors.api.push import FailPingView, NamePushView, PingView, SlugPushView

urlpatterns: list[URLPattern] = [
    re_path(r"^api/push/(?P<slug>[^/]+)/results/?$", SlugPushView.as_view(), name="push"),
    re_path(r"^api/push/(?P<namespace>[^/]+)/(?P<name>[^/]+)/?$", NamePushView.as_view()),
    re_path(r"^api/ping/(?P<slug>[^/]+)/?$", PingView.as_view(), name="ping"),
    re_path(r"^api/ping/(?P<slug>[^/]+)/fail/?$", FailPingView.as_view()),
    re_path(r"^api/ping/(?P<slug>[^/]+)/alertmanager/?$", AlertmanagerPushView.as_view()),
]
