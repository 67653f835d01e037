"""Paths about people and teams."""

from __future__ import annotations

from django.urls import URLPattern, path
from django.views.generic import RedirectView

from accounts.console import audit, invitations, settings, start

urlpatterns: list[URLPattern] = [
    path("", start.show_start, name="start"),
    path("t/new", start.create_first_team, name="team-new"),
    path("invitations/", invitations.list_mine, name="invitations"),
    path("invitations/<uuid:pk>/accept", invitations.accept_mine, name="invitation-accept"),
    path("invitations/<str:token>/", invitations.show_invitation, name="invitation"),
    path("invitations/<str:token>", invitations.show_invitation),
    path(
        "t/<slug:team>/settings/",
        RedirectView.as_view(pattern_name="console:members"),
        name="settings",
    ),
    path("t/<slug:team>/settings/members", settings.list_members, name="members"),
    path("t/<slug:team>/settings/members/invite", settings.invite, name="member-invite"),
    path("t/<slug:team>/settings/members/leave", settings.leave, name="member-leave"),
    path("t/<slug:team>/settings/members/<uuid:pk>/role", settings.set_role, name="member-role"),
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
    path("t/<slug:team>/settings/audit", audit.list_events, name="audit"),
    path("t/<slug:team>/settings/keys", settings.list_keys, name="keys"),
    path("t/<slug:team>/settings/keys/<uuid:pk>/revoke", settings.revoke_key, name="key-revoke"),
]
