"""A team's settings: its members, and the keys of its scripts."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.timezone import now as clock
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.forms import KeyForm
from accounts.console.pages import render_page, team_page
from accounts.keys import create_api_key
from accounts.models import ApiKey, Membership, Scope

_ROLE_ORDER = ["owner", "admin", "member", "viewer"]


@team_page()
def list_members(request: HttpRequest, access: Access) -> HttpResponse:
    """Show who belongs to the team and what they may do."""
    members = sorted(
        Membership.objects.select_related("user"),
        key=lambda member: (_ROLE_ORDER.index(member.role), member.user.email),
    )
    return render_page(
        request, access, "accounts/members.html", {"members": members, "section": "settings"}
    )


@team_page(Scope.ADMIN)
def list_keys(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the team's API keys, and make one: its text is in the answer to that, never again."""
    form = KeyForm(request.POST or None)
    text = None
    if request.method == "POST" and form.is_valid():
        _, text = create_api_key(
            team=access.team,
            name=form.cleaned_data["name"],
            scope=Scope(form.cleaned_data["scope"]),
            created_by=Membership.objects.filter(user=access.user).first(),
        )
        form = KeyForm()
    keys = ApiKey.objects.select_related("created_by__user").order_by("-created_at")
    response = render_page(
        request,
        access,
        "accounts/keys.html",
        {
            "form": form,
            "keys": keys.filter(revoked_at=None),
            "revoked": keys.exclude(revoked_at=None)[:20],
            "text": text,
            "section": "settings",
        },
    )
    if text:
        response["Cache-Control"] = "no-store"
    return response


@require_POST
@team_page(Scope.ADMIN)
def revoke_key(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Make a key useless from now on."""
    key = get_object(ApiKey.objects.all(), pk)
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=clock())
    messages.success(request, f"The key “{key.name}” is revoked: it opens nothing any more.")
    return redirect("console:keys", team=access.team.slug)
