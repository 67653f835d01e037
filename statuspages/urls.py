"""The public paths of status pages, on our own host; custom domains are led here by asgi.py."""

from __future__ import annotations

from django.urls import URLPattern, re_path

from statuspages.serving import subscribing, views

_SUBSCRIBE = r"^status/(?P<slug>[^/]+)/subscribe"
_LINK = r"(?P<token>[A-Za-z0-9_:.-]{1,200})/?$"
urlpatterns: list[URLPattern] = [
    re_path(r"^internal/tls-ask$", views.tls_ask),
    re_path(r"^status/(?P<slug>[^/]*)$", views.add_slash),
    re_path(rf"{_SUBSCRIBE}$", subscribing.subscribe),
    re_path(rf"{_SUBSCRIBE}/asked$", subscribing.asked),
    re_path(rf"{_SUBSCRIBE}/confirm/{_LINK}", subscribing.confirm),
    re_path(rf"{_SUBSCRIBE}/manage/{_LINK}", subscribing.manage),
    re_path(rf"{_SUBSCRIBE}/unsubscribe/{_LINK}", subscribing.unsubscribe),
    re_path(r"^status/(?P<slug>[^/]+)/(?P<path>.*)$", views.page),
]
