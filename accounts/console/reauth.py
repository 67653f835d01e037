"""Asking once more who is there, before what would hurt most in wrong hands.

    @team_page(Scope.ADMIN)
    @require_recent_login
    def list_keys(request, access): ...

A form that was sent is kept: after the answer it goes on as if nothing had been asked. Whoever
logged in or answered within ACCOUNT_REAUTHENTICATION_TIMEOUT is not asked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from urllib.parse import urlencode, urlsplit

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import suspend_request
from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django_htmx.http import HttpResponseClientRedirect

from accounts.console.pages import is_htmx
from accounts.sessions import signed_in_recently

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
_LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})


def require_recent_login(view: View[P]) -> View[P]:
    """Make a view ask again before it changes anything; looking at it asks nothing.

    It stands closest to the view, below `team_page`: strangers get their 404 first.
    """

    @wraps(view)
    def run(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.method not in _LOOKING:
            confirm_recent_login(request)
        return view(request, *args, **kwargs)

    return cast("View[P]", run)


def confirm_recent_login(request: HttpRequest) -> None:
    """Go on only if the person logged in recently; for views that know when to ask.

    Raises what AccountMiddleware answers by leading to the page that asks.
    """
    if signed_in_recently(request):
        return
    methods = get_adapter().get_reauthentication_methods(request.user)
    if not methods:
        raise ReauthenticationRequired  # nobody is logged in: the log-in page
    way = methods[0]
    suspend_request(request, way["url"])
    # By the path alone allauth knows the form again that it keeps; its query is kept with it.
    following = request.path
    if way["id"] == "oidc":  # a new log-in is a new session, and the form is gone with the old one
        following = _page_of_form(request)
    asked = f"{way['url']}?{urlencode({REDIRECT_FIELD_NAME: following})}"
    if is_htmx(request):  # a fragment has no room for the question: load it as a page
        raise ImmediateHttpResponse(HttpResponseClientRedirect(asked))
    raise ImmediateHttpResponse(HttpResponseRedirect(asked))


def _page_of_form(request: HttpRequest) -> str:
    """Return the path of the page that the form stands on, as the browser says."""
    came_from = urlsplit(request.headers.get("Referer", ""))
    here = came_from.netloc == request.get_host()
    return came_from.path if here and came_from.path.startswith("/") else "/"
