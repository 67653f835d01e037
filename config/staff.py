"""The door of `/staff/`: the operator's own, who have a second factor and have lately shown it.

Who is nobody's staff gets 404, as for a page that is not there; who is not logged in is led to the
log-in, as everywhere. Staff without a second factor are led to set one up: a first installation
locks nobody out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.reauthentication import suspend_request
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRefresh

from accounts.console.pages import is_htmx, teams_of
from accounts.models import User

P = ParamSpec("P")
# How long a second factor that was shown in this session opens the door.
CONFIRMED_SECONDS = 3600
FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


def refuse(request: HttpRequest) -> HttpResponse | None:
    """Return what to answer instead of a staff page, None for whoever may see it.

    Raises Http404 for people who are not staff.
    """
    user = request.user
    if not isinstance(user, User):
        if is_htmx(request):
            return HttpResponseClientRefresh()
        return redirect_to_login(request.get_full_path())
    if not user.is_staff:
        raise Http404
    if not is_mfa_enabled(user, types=FACTORS):
        if is_htmx(request):
            return HttpResponseClientRefresh()
        context = {"teams": teams_of(user)}
        return render(request, "staff/second_factor.html", context, status=403)
    if not _is_confirmed(request, user):
        if is_htmx(request):
            return HttpResponseClientRefresh()
        # A form that was sent too late is kept, and goes on after the confirmation.
        asked: HttpResponse = suspend_request(request, reverse(_question(user)))
        return asked
    return None


def _question(user: User) -> str:
    """Return the name of the page where the person can show the factor that they have.

    The page for codes would lead whoever has a passkey alone on to the one for passwords, and a
    password opens nothing here.
    """
    if is_mfa_enabled(user, types=[Authenticator.Type.TOTP]):
        return "mfa_reauthenticate"
    return "mfa_reauthenticate_webauthn"


def _is_confirmed(request: HttpRequest, user: User) -> bool:
    shown = [
        record.get("at", 0.0)
        for record in get_authentication_records(request, user)
        if record.get("method") == "mfa"
    ]
    return bool(shown) and time.time() - max(shown) < CONFIRMED_SECONDS


def staff_page(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Make a view the staff's: see `refuse`. It is never cached."""

    @wraps(view)
    def run(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        refusal = refuse(request)
        return view(request, *args, **kwargs) if refusal is None else refusal

    return never_cache(run)


@staff_page
def add_slash(request: HttpRequest) -> HttpResponse:
    """Lead from `/staff` to the page that is meant."""
    return redirect("admin:index")
