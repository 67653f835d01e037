"""Paths about incidents, and the pages that show monitors together with them."""

from __future__ import annotations

from django.urls import URLPattern, path

from incidents.console import channels, home, monitor_page, views

_ONE = "t/<slug:team>/incidents/<uuid:pk>"
_CHANNEL = "t/<slug:team>/channels/<uuid:pk>"

urlpatterns: list[URLPattern] = [
    path("t/<slug:team>/", home.show_home, name="home"),
    path("t/<slug:team>/monitors/<uuid:pk>/", monitor_page.show_monitor, name="monitor"),
    path("t/<slug:team>/incidents/", views.list_incidents, name="incidents"),
    path(f"{_ONE}/", views.show_incident, name="incident"),
    path(f"{_ONE}/acknowledge", views.acknowledge, name="incident-acknowledge"),
    path(f"{_ONE}/resolve", views.resolve, name="incident-resolve"),
    path(f"{_ONE}/notes", views.write_note, name="incident-note"),
    path("t/<slug:team>/channels/", channels.list_channels, name="channels"),
    path("t/<slug:team>/channels/new", channels.create, name="channel-new"),
    path("t/<slug:team>/channels/route", channels.choose_route, name="channel-route"),
    path(f"{_CHANNEL}/test", channels.test, name="channel-test"),
    path(f"{_CHANNEL}/enable", channels.enable, name="channel-enable"),
    path(f"{_CHANNEL}/delete", channels.delete, name="channel-delete"),
]
