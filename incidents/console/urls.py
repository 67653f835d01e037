"""Paths about incidents, and the pages that show monitors together with them."""

from __future__ import annotations

from django.urls import URLPattern, path

from incidents.console import acknowledge, channels, home, monitor_page, oncall, rotations, views

_ONE = "t/<slug:team>/incidents/<uuid:pk>"
_CHANNEL = "t/<slug:team>/channels/<uuid:pk>"
_ON_CALL = "t/<slug:team>/on-call"
_ROTATION = f"{_ON_CALL}/rotations/<uuid:pk>"

urlpatterns: list[URLPattern] = [
    path("ack/<str:token>/", acknowledge.acknowledge_by_link, name="acknowledge-link"),
    path("t/<slug:team>/", home.show_home, name="home"),
    path("t/<slug:team>/monitors/<uuid:pk>/", monitor_page.show_monitor, name="monitor"),
    path("t/<slug:team>/incidents/", views.list_incidents, name="incidents"),
    path(f"{_ONE}/", views.show_incident, name="incident"),
    path(f"{_ONE}/acknowledge", views.acknowledge, name="incident-acknowledge"),
    path(f"{_ONE}/snooze", views.snooze, name="incident-snooze"),
    path(f"{_ONE}/assign", views.assign, name="incident-assign"),
    path(f"{_ONE}/resolve", views.resolve, name="incident-resolve"),
    path(f"{_ONE}/notes", views.write_note, name="incident-note"),
    path("t/<slug:team>/channels/", channels.list_channels, name="channels"),
    path("t/<slug:team>/channels/new", channels.create, name="channel-new"),
    path("t/<slug:team>/channels/route", channels.choose_route, name="channel-route"),
    path(f"{_CHANNEL}/test", channels.test, name="channel-test"),
    path(f"{_CHANNEL}/enable", channels.enable, name="channel-enable"),
    path(f"{_CHANNEL}/delete", channels.delete, name="channel-delete"),
    path(f"{_ON_CALL}/", oncall.show_overview, name="oncall"),
    path(f"{_ON_CALL}/rotations/new", rotations.create, name="rotation-new"),
    path(f"{_ROTATION}/", rotations.show_rotation, name="rotation"),
    path(f"{_ROTATION}/edit", rotations.edit, name="rotation-edit"),
    path(f"{_ROTATION}/delete", rotations.delete, name="rotation-delete"),
    path(f"{_ROTATION}/overrides", rotations.override, name="rotation-override"),
    path(f"{_ROTATION}/swap", rotations.swap, name="rotation-swap"),
    path(f"{_ROTATION}/calendar", rotations.change_calendar, name="rotation-calendar"),
    path(
        f"{_ON_CALL}/overrides/<uuid:pk>/delete", rotations.remove_override, name="override-delete"
    ),
]
