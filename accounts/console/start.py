"""The way in: what visitors see, where members are led, and the first team."""

from __future__ import annotations

import re
import unicodedata

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve
from django.utils.timezone import now as clock
from django.utils.translation import gettext as _

from accounts.audit import acting
from accounts.console.forms import TeamForm
from accounts.console.pages import LAST_TEAM, teams_of
from accounts.invitations import invitations_for
from accounts.models import Team, User
from accounts.teams import NameTaken, sign_up_team

LEAST_NAME = 3


def show_start(request: HttpRequest) -> HttpResponse:
    """Show visitors what Tocsin does; lead members to their team."""
    user = request.user
    if not isinstance(user, User):
        return render(request, "accounts/start.html", {"base_url": settings.BASE_URL})
    slugs = [team.slug for team in teams_of(user)]
    if not slugs:
        invited = invitations_for(user, now=clock())
        return redirect("console:invitations" if invited else "console:team-new")
    last = request.session.get(LAST_TEAM)
    return redirect("console:home", team=last if last in slugs else slugs[0])


@login_required
def create_first_team(request: HttpRequest) -> HttpResponse:
    """Name a team, and go on to its first monitor."""
    user = request.user
    assert isinstance(user, User)
    form = TeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        slug = form.cleaned_data["slug"]
        try:
            with acting(user.email, address=request.META.get("REMOTE_ADDR") or ""):
                sign_up_team(slug=slug, name=form.cleaned_data["name"], owner=user)
        except NameTaken:
            form.add_error(
                "slug",
                _("“%(slug)s” is taken. Choose another short name.") % {"slug": slug},
            )
        except ValidationError as error:
            form.add_error("slug", error)
        else:
            return redirect("console:monitor-new", team=slug)
    elif request.method != "POST":
        slug = suggest_slug(user.email)
        free = not Team.objects.filter(slug=slug).exists()
        form = TeamForm(initial={"slug": slug if free else ""})
    context = {
        "form": form,
        "teams": teams_of(user),
        "invited": invitations_for(user, now=clock()),
    }
    return render(request, "accounts/team_new.html", context)


def suggest_slug(email: str) -> str:
    """Return a short name out of an address: the company's rather than the mail provider's."""
    local, _, domain = email.partition("@")
    labels = domain.split(".")
    company = labels[-2] if len(labels) > 1 else ""
    shared = {"gmail", "googlemail", "outlook", "hotmail", "live", "yahoo", "icloud", "proton"}
    shared |= {"protonmail", "gmx", "web", "mail", "fastmail", "example", "aol", "co", "com"}
    source = local if company in shared or len(company) < LEAST_NAME else company
    plain = unicodedata.normalize("NFKD", source).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40]


def add_slash(request: HttpRequest, path: str) -> HttpResponse:
    """Lead from an address typed without its last slash to the page that is meant."""
    try:
        resolve(f"/{path}/")
    except Resolver404:
        raise Http404 from None
    if request.method not in {"GET", "HEAD"}:
        raise Http404
    query = request.META.get("QUERY_STRING", "")
    return redirect(f"/{path}/" + (f"?{query}" if query else ""))
