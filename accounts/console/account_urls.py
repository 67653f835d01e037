"""Paths of a person's own pages that allauth has not, or that ours replace; below /accounts/."""

from __future__ import annotations

from django.urls import URLPattern, path
from django.views.generic import RedirectView

from accounts.console import closing, oidc, profile

app_name = "me"
urlpatterns: list[URLPattern] = [
    path("", RedirectView.as_view(pattern_name="me:profile")),
    path("profile/", profile.edit_profile, name="profile"),
    path("password/set/", profile.set_password, name="password-set"),
    path("sessions/", profile.list_sessions, name="sessions"),
    path("sessions/<int:pk>/end/", profile.end_session, name="session-end"),
    path("close/", closing.close, name="close"),
    path("oidc/start/", oidc.start, name="oidc"),
    path("oidc/confirm/", oidc.reauthenticate, name="reauthenticate-oidc"),
]
