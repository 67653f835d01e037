"""The operator's staff in tests: with a second factor that they have just shown, or without."""

from __future__ import annotations

import time

from allauth.account.internal.flows.login import (
    _AUTHENTICATION_METHODS_USER_SESSION_KEY,
    AUTHENTICATION_METHODS_SESSION_KEY,
)
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from accounts.models import User
from accounts.teams import verify_address

PASSWORD = "correct horse battery staple"


def make_operator(
    email: str = "ops@tocsin.example", *, superuser: bool = True, factor: bool = True
) -> User:
    user = User.objects.create_user(email, PASSWORD, is_staff=True, is_superuser=superuser)
    verify_address(user)
    if factor:
        TOTP.activate(user, generate_totp_secret())
    return user


def staff_client(user: User, *, shown_ago: float | None = 0.0) -> Client:
    """Return a client that is logged in, and showed its second factor so many seconds ago."""
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    if shown_ago is not None:
        session = client.session
        record = {"method": "mfa", "at": time.time() - shown_ago, "reauthenticated": True}
        session[AUTHENTICATION_METHODS_SESSION_KEY] = [record]
        session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(user.pk)
        session.save()
    return client
