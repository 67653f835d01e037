"""What every page of the console shares: who asks, in which team, and how it is rendered."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.functional import SimpleLazyObject
from django.utils.timezone import now as clock
from django_htmx.http import HttpResponseClientRefresh

from accounts.access import Access, access_for_member, existing_teams
from accounts.database.standing import across_teams
from accounts.invitations import invitations_for
from accounts.models import Scope, Team, User

P = ParamSpec("P")
TeamView = Callable[Concatenate[HttpRequest, Access, P], HttpResponse]
LAST_TEAM = "team"  # session key: where `/` leads


def is_htmx(request: HttpRequest) -> bool:
    """Return whether the page's script asks for a fragment."""
    return bool(getattr(request, "htmx", False))


def team_page(needs: Scope = Scope.READ) -> Callable[[TeamView[P]], Callable[..., HttpResponse]]:
    """Make a view of a team's: log-in required, 404 for strangers, 403 below `needs`.

    The view gets the Access and runs inside the team's scope, rendering included.
    """

    def decorate(view: TeamView[P]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def run(request: HttpRequest, team: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            user = request.user
            if not isinstance(user, User):
                if is_htmx(request):  # the log-in page is no fragment: load the whole page anew
                    return HttpResponseClientRefresh()
                return redirect_to_login(request.get_full_path())
            access = access_for_member(user, team)
            with access.inside(address=request.META.get("REMOTE_ADDR") or ""):
                access.require(needs)
                response = view(request, access, *args, **kwargs)
            patch_vary_headers(response, ["HX-Request"])
            return response

        return run

    return decorate


def teams_of(user: User) -> list[Team]:
    """Return the teams that a person has joined, the longest-standing first."""
    with across_teams():
        joined = user.memberships.filter(accepted_at__isnull=False)
        return list(
            existing_teams()
            .filter(pk__in=joined.order_by().values("team_id"))
            .order_by("created_at")
        )


def render_page(
    request: HttpRequest, access: Access, template: str, context: dict[str, Any]
) -> HttpResponse:
    """Render a page or fragment of a team's, with what its layout needs."""
    if not is_htmx(request) and request.session.get(LAST_TEAM) != access.team.slug:
        request.session[LAST_TEAM] = access.team.slug
    shared: dict[str, Any] = {
        "access": access,
        "team": access.team,
        "teams": lambda: teams_of(access.user) if access.user else [],
        # Asked for by the account menu alone, which is in a page twice.
        "invited": SimpleLazyObject(
            lambda: invitations_for(access.user, now=clock()) if access.user else []
        ),
        "can_write": access.allows(Scope.WRITE),
        "can_admin": access.allows(Scope.ADMIN),
        "now": clock(),
    }
    return render(request, template, shared | context)
