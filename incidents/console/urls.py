"""Paths about incidents, and the pages that show monitors together with them."""

from __future__ import annotations

from django.urls import URLPattern, path

from incidents.console import (
    acknowledge,
    channels,
    contacts,
    deliveries,
    home,
    insights,
    listing,
    maintenance,
    monitor_history,
    monitor_page,
    onboarding,
    oncall,
    overrides,
    policies,
    rotations,
    rules,
    views,
)

_ONE = "t/<slug:team>/incidents/<uuid:pk>"
_CHANNEL = "t/<slug:team>/channels/<uuid:pk>"
_ON_CALL = "t/<slug:team>/on-call"
_POLICY = f"{_ON_CALL}/policies/<uuid:pk>"
_RULE = f"{_ON_CALL}/rules/<uuid:pk>"
_CONTACTS = f"{_ON_CALL}/contacts"
_CONTACT = f"{_CONTACTS}/<uuid:pk>"
_ROTATION = f"{_ON_CALL}/rotations/<uuid:pk>"
_OVERRIDE = f"{_ON_CALL}/overrides/<uuid:pk>"

_WINDOW = "t/<slug:team>/maintenance/<uuid:pk>"

urlpatterns: list[URLPattern] = [
    path("ack/<str:token>/", acknowledge.acknowledge_by_link, name="acknowledge-link"),
    path("t/<slug:team>/", home.show_home, name="home"),
    path("t/<slug:team>/start/", onboarding.show_setup, name="onboarding"),
    path("t/<slug:team>/start/paging", onboarding.choose_paging, name="onboarding-paging"),
    path("t/<slug:team>/start/test", onboarding.try_page, name="onboarding-test"),
    path("t/<slug:team>/monitors/<uuid:pk>/", monitor_page.show_monitor, name="monitor"),
    path(
        "t/<slug:team>/monitors/<uuid:pk>/history",
        monitor_history.show_history,
        name="monitor-history",
    ),
    path("t/<slug:team>/incidents/", listing.list_incidents, name="incidents"),
    path("t/<slug:team>/incidents/insights", insights.show_insights, name="incident-insights"),
    path("t/<slug:team>/incidents/insights.csv", insights.export_insights, name="insights-csv"),
    path(
        "t/<slug:team>/incidents/acknowledge",
        listing.acknowledge_many,
        name="incidents-acknowledge",
    ),
    path(f"{_ONE}/", views.show_incident, name="incident"),
    path(f"{_ONE}/acknowledge", views.acknowledge, name="incident-acknowledge"),
    path(f"{_ONE}/snooze", views.snooze, name="incident-snooze"),
    path(f"{_ONE}/assign", views.assign, name="incident-assign"),
    path(f"{_ONE}/resolve", views.resolve, name="incident-resolve"),
    path(f"{_ONE}/notes", views.write_note, name="incident-note"),
    path("t/<slug:team>/maintenance/", maintenance.list_maintenances, name="maintenances"),
    path("t/<slug:team>/maintenance/new", maintenance.create, name="maintenance-new"),
    path(f"{_WINDOW}/", maintenance.show, name="maintenance"),
    path(f"{_WINDOW}/edit", maintenance.edit, name="maintenance-edit"),
    path(f"{_WINDOW}/end", maintenance.end_now, name="maintenance-end"),
    path(f"{_WINDOW}/delete", maintenance.delete, name="maintenance-delete"),
    path("t/<slug:team>/channels/", channels.list_channels, name="channels"),
    path("t/<slug:team>/channels/new", channels.create, name="channel-new"),
    path("t/<slug:team>/channels/deliveries/", deliveries.list_deliveries, name="deliveries"),
    path("t/<slug:team>/channels/deliveries/<uuid:pk>/", deliveries.show_delivery, name="delivery"),
    path("t/<slug:team>/channels/route", channels.choose_route, name="channel-route"),
    path(f"{_CHANNEL}/edit", channels.edit, name="channel-edit"),
    path(f"{_CHANNEL}/test", channels.test, name="channel-test"),
    path(f"{_CHANNEL}/enable", channels.enable, name="channel-enable"),
    path(f"{_CHANNEL}/delete", channels.delete, name="channel-delete"),
    path(f"{_ON_CALL}/", oncall.show_overview, name="oncall"),
    path(f"{_CONTACTS}/", contacts.list_contacts, name="contacts"),
    path(f"{_CONTACTS}/new", contacts.create, name="contact-new"),
    path(f"{_CONTACT}/edit", contacts.edit, name="contact-edit"),
    path(f"{_CONTACT}/quiet", contacts.quiet, name="contact-quiet"),
    path(f"{_CONTACT}/verify", contacts.verify, name="contact-verify"),
    path(f"{_CONTACT}/code", contacts.resend, name="contact-code"),
    path(f"{_CONTACT}/test", contacts.test, name="contact-test"),
    path(f"{_CONTACT}/move", contacts.move, name="contact-move"),
    path(f"{_CONTACT}/enable", contacts.enable, name="contact-enable"),
    path(f"{_CONTACT}/delete", contacts.delete, name="contact-delete"),
    path(f"{_ON_CALL}/rotations/new", rotations.create, name="rotation-new"),
    path(f"{_ROTATION}/", rotations.show_rotation, name="rotation"),
    path(f"{_ROTATION}/edit", rotations.edit, name="rotation-edit"),
    path(f"{_ROTATION}/delete", rotations.delete, name="rotation-delete"),
    path(f"{_ROTATION}/overrides", rotations.override, name="rotation-override"),
    path(f"{_ROTATION}/swap", rotations.swap, name="rotation-swap"),
    path(f"{_ROTATION}/calendar", rotations.change_calendar, name="rotation-calendar"),
    path(f"{_OVERRIDE}/edit", overrides.edit, name="override-edit"),
    path(f"{_OVERRIDE}/delete", overrides.delete, name="override-delete"),
    path(f"{_ON_CALL}/policies/", policies.list_policies, name="policies"),
    path(f"{_ON_CALL}/policies/new", policies.create, name="policy-new"),
    path(f"{_POLICY}/edit", policies.edit, name="policy-edit"),
    path(f"{_POLICY}/delete", policies.delete, name="policy-delete"),
    path(f"{_ON_CALL}/rules/", rules.list_rules, name="rules"),
    path(f"{_ON_CALL}/rules/new", rules.create, name="rule-new"),
    path(f"{_RULE}/edit", rules.edit, name="rule-edit"),
    path(f"{_RULE}/move", rules.move, name="rule-move"),
    path(f"{_RULE}/delete", rules.delete, name="rule-delete"),
]
