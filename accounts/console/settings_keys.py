"""The keys of a team's scripts: made, shown once, and revoked."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.timezone import now as clock
from django.utils.translation import gettext as _

from accounts.access import Access, get_object
from accounts.console.forms import KeyForm
from accounts.console.pages import render_page, team_page
from accounts.console.reauth import require_recent_login
from accounts.console.settings_search import read_search
from accounts.keys import KeyNameTaken, create_api_key, revoke_api_key
from accounts.models import ApiKey, Membership, Scope

PAGE_ROWS = 50
STATES = ("live", "expired", "revoked")


@team_page(Scope.ADMIN)
@require_recent_login
def list_keys(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the team's API keys, and make one: its text is in the answer to that, never again."""
    form = KeyForm(request.POST or None)
    text = None
    if request.method == "POST" and form.is_valid():
        text = _create(access, form)
        form = KeyForm() if text else form
    now = clock()
    search = read_search(request)
    state = request.GET.get("state", "")
    state = state if state in STATES else "live"
    every = ApiKey.objects.filter(name__icontains=search)
    found = _in_state(every, state, now).select_related("created_by__user")
    order = ("-revoked_at", "-id") if state == "revoked" else ("-created_at", "-id")
    page = Paginator(found.order_by(*order), PAGE_ROWS).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "search": search,
        "state": state,
        "counts": {each: _in_state(every, each, now).count() for each in STATES},
        "text": text,
        "section": "settings",
    }
    response = render_page(request, access, "accounts/keys.html", context)
    if text:
        response["Cache-Control"] = "no-store"
    return response


def _create(access: Access, form: KeyForm) -> str | None:
    """Make a key and return its text; None if its name is taken, which the form then says."""
    days: int | None = form.cleaned_data["days"]
    try:
        _key, text = create_api_key(
            team=access.team,
            name=form.cleaned_data["name"],
            scope=Scope(form.cleaned_data["scope"]),
            created_by=Membership.objects.filter(user=access.user).first(),
            expires_at=clock() + timedelta(days=days) if days else None,
        )
    except KeyNameTaken as error:
        form.add_error(
            "name",
            _("A live key is called “%(name)s”. Choose another name, or revoke that one first.")
            % {"name": error},
        )
        return None
    return text


def _in_state(keys: QuerySet[ApiKey], state: str, now: datetime) -> QuerySet[ApiKey]:
    if state == "revoked":
        return keys.filter(revoked_at__isnull=False)
    keys = keys.filter(revoked_at=None)
    if state == "expired":
        return keys.filter(expires_at__lte=now)
    return keys.filter(Q(expires_at=None) | Q(expires_at__gt=now))


@team_page(Scope.ADMIN)
@require_recent_login
def revoke_key(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask once more, by name, and make a key useless from now on."""
    key = get_object(ApiKey.objects.select_related("created_by__user"), pk)
    if request.method == "POST":
        revoke_api_key(key=key, now=clock())
        messages.success(
            request,
            _("The key “%(name)s” is revoked: it opens nothing any more.") % {"name": key.name},
        )
        return redirect("console:keys", team=access.team.slug)
    context = {"key": key, "section": "settings"}
    return render_page(request, access, "accounts/key_revoke.html", context)
