"""What we ask of an OpenID Connect server, and which of its answers we believe.

Whoever is logged in and comes by the server again confirms who they are. The server is then told
to ask them, and must say that it did: a session there that is still open proves nothing.
"""

from __future__ import annotations

import time
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.sessions import set_proved_at

CLOCK_SECONDS = 60  # how far apart the server's clock and ours may be
_ASKED_AT = "asked_at"  # in what we keep of a leave for the server: Unix seconds
_NO_LOGIN = {AuthProcess.CONNECT, AuthProcess.REDIRECT}
_ASK_AGAIN = {"prompt": "login", "max_age": "0"}


class SignInServer(OpenIDConnectProvider):  # type: ignore[misc]
    """The server of `OIDC_…`."""

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, **rest: Any
    ) -> HttpResponse:
        """Lead to the server; it asks anew who they are if somebody is logged in here."""
        if request.user.is_authenticated and process not in _NO_LOGIN:
            told = rest.get("auth_params") or self.get_auth_params()
            rest |= {"auth_params": {**told, **_ASK_AGAIN}, _ASKED_AT: time.time()}
        answer: HttpResponse = super().redirect(request, process, next_url, **rest)
        return answer

    def extract_uid(self, data: dict[str, Any]) -> str:
        """Return the server's name for a person; an answer without one is refused with a page."""
        told = data.get("userinfo") or data.get("id_token") or data
        subject = told.get("sub") if isinstance(told, dict) else None
        longest = SocialAccount._meta.get_field("uid").max_length
        if not isinstance(subject, str | int) or isinstance(subject, bool):
            raise ImmediateHttpResponse(_refuse(self.request, "socialaccount/nobody.html"))
        if not 0 < len(str(subject)) <= longest or "\0" in str(subject):
            raise ImmediateHttpResponse(_refuse(self.request, "socialaccount/nobody.html"))
        return str(subject)


def check_confirmation(request: HttpRequest, sociallogin: SocialLogin) -> None:
    """Note when the person proved to the server who they are, for the session's stamp.

    Raises ImmediateHttpResponse, with a page, if they were to be asked and the server does not
    say that they were: without `auth_time`, or with one before we sent them there.
    """
    if sociallogin.state.get("process") in _NO_LOGIN:
        return
    token = sociallogin.account.extra_data.get("id_token")
    said = token.get("auth_time") if isinstance(token, dict) else None
    proved_at = said if isinstance(said, int | float) and not isinstance(said, bool) else None
    now = time.time()
    asked_at = sociallogin.state.get(_ASKED_AT)
    if asked_at is not None:
        earliest, latest = asked_at - CLOCK_SECONDS, now + CLOCK_SECONDS
        if proved_at is None or not earliest <= proved_at <= latest:
            raise ImmediateHttpResponse(_refuse(request, "socialaccount/not_confirmed.html"))
        set_proved_at(request, now)
    elif proved_at is not None:
        set_proved_at(request, min(proved_at, now))
    elif request.user.is_authenticated:  # they logged in elsewhere while they were at the server
        set_proved_at(request, 0)


def _refuse(request: HttpRequest, template: str) -> HttpResponse:
    return render(request, template, status=401)
