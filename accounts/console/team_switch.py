"""All teams of a person, for whoever has more of them than a menu holds."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.access import existing_teams
from accounts.console.settings_search import read_search
from accounts.database.standing import across_teams
from accounts.models import Membership, Role, User


@login_required
@never_cache
def list_teams(request: HttpRequest) -> HttpResponse:
    """Show the teams that a person has joined, by name; `search` narrows them."""
    user = request.user
    assert isinstance(user, User)
    search = read_search(request)
    with across_teams():
        places = Membership.objects.filter(
            user=user, accepted_at__isnull=False, team__in=existing_teams()
        )
        every = list(places.select_related("team").order_by("team__name", "team__slug"))
    found = [
        (place.team, Role(place.role).label)
        for place in every
        if search.lower() in f"{place.team.name} {place.team.slug}".lower()
    ]
    context = {"places": found, "total": len(every), "search": search}
    return render(request, "accounts/teams.html", context)
