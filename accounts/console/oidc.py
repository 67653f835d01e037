"""Leaving for the OpenID Connect server of the environment, and confirming with it who one is."""

from __future__ import annotations

from allauth.core import ratelimit
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from requests import RequestException

_PROCESSES = {AuthProcess.LOGIN, AuthProcess.CONNECT}


@never_cache
@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Lead the browser to the server.

    By a page, not by a redirect: the policy lets forms lead nowhere but here, and browsers hold
    it against every redirect that follows a form.
    """
    if settings.OIDC is None:
        raise Http404
    too_many: HttpResponse | None = ratelimit.consume_or_429(request, action="login")
    if too_many:
        return too_many
    process = request.POST.get("process", "")
    process = process if process in _PROCESSES else AuthProcess.LOGIN
    following = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        following, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    try:
        provider = get_adapter().get_provider(request, settings.OIDC.id)
        answer = provider.redirect(request, process, next_url=following if safe else None)
        address = answer["Location"]
    except (RequestException, KeyError, ValueError, TypeError, AttributeError):
        # It does not answer, or with something that is no description of a server.
        return render(request, "socialaccount/server_away.html", status=502)
    if not address.startswith(("https://", "http://")):
        return render(request, "socialaccount/server_away.html", status=502)
    return render(request, "socialaccount/leave.html", {"address": address})


@never_cache
@login_required
def reauthenticate(request: HttpRequest) -> HttpResponse:
    """Ask somebody who has neither password nor passkey to log in at the server again."""
    if settings.OIDC is None:
        raise Http404
    return render(request, "socialaccount/reauthenticate.html", {"next": request.GET.get("next")})
