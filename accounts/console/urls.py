"""Paths about people and teams."""

from __future__ import annotations

from django.urls import URLPattern, path
from django.views.generic import RedirectView

from accounts.console import (
    audit,
    deletion,
    export,
    finding,
    invitations,
    namespaces,
    settings,
    settings_keys,
    start,
    team,
    team_switch,
)

urlpatterns: list[URLPattern] = [
    path("", start.show_start, name="start"),
    path("t/new", start.create_first_team, name="team-new"),
    path("teams/", team_switch.list_teams, name="teams"),
    path("invitations/", invitations.list_mine, name="invitations"),
    path("invitations/<uuid:pk>/accept", invitations.accept_mine, name="invitation-accept"),
    path("invitations/<str:token>/", invitations.show_invitation, name="invitation"),
    path("invitations/<str:token>", invitations.show_invitation),
    path(
        "t/<slug:team>/settings/",
        RedirectView.as_view(pattern_name="console:team-settings"),
        name="settings",
    ),
    path("t/<slug:team>/settings/team", team.show_team, name="team-settings"),
    path("t/<slug:team>/settings/team/rename", team.rename, name="team-rename"),
    path("t/<slug:team>/settings/team/delete", deletion.ask, name="team-delete"),
    path("t/<slug:team>/settings/team/keep", deletion.keep, name="team-keep"),
    path("t/<slug:team>/settings/export", export.export, name="team-export"),
    path("t/<slug:team>/settings/namespaces", namespaces.list_namespaces, name="namespaces"),
    path(
        "t/<slug:team>/settings/namespaces/<uuid:pk>/release",
        namespaces.release,
        name="namespace-release",
    ),
    path("t/<slug:team>/settings/members", settings.list_members, name="members"),
    path("t/<slug:team>/settings/members/invite", settings.invite, name="member-invite"),
    path("t/<slug:team>/settings/members/leave", settings.leave, name="member-leave"),
    path("t/<slug:team>/settings/members/<uuid:pk>/role", settings.set_role, name="member-role"),
    path("t/<slug:team>/settings/members/<uuid:pk>/owner", settings.hand_over, name="member-owner"),
    path("t/<slug:team>/settings/members/<uuid:pk>/remove", settings.remove, name="member-remove"),
    path(
        "t/<slug:team>/settings/members/<uuid:pk>/invite",
        settings.invite_again,
        name="member-invite-again",
    ),
    path(
        "t/<slug:team>/settings/invitations/<uuid:pk>/resend",
        settings.resend,
        name="invitation-resend",
    ),
    path(
        "t/<slug:team>/settings/invitations/<uuid:pk>/revoke",
        settings.revoke_invite,
        name="invitation-revoke",
    ),
    path("t/<slug:team>/find", finding.show_found, name="find"),
    path("t/<slug:team>/settings/audit", audit.list_events, name="audit"),
    path("t/<slug:team>/settings/keys", settings_keys.list_keys, name="keys"),
    path(
        "t/<slug:team>/settings/keys/<uuid:pk>/revoke",
        settings_keys.revoke_key,
        name="key-revoke",
    ),
]
