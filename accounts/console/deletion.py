"""The end of a team: asked for by typing its short name, called off until its time comes."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import Access
from accounts.console.forms import DeletionForm
from accounts.console.pages import render_page, team_page
from accounts.console.reauth import require_recent_login
from accounts.deletion import TooLate, WrongName, ask_deletion, keep_team
from accounts.models import Role, Scope


@team_page(Scope.ADMIN)
@require_recent_login
def ask(request: HttpRequest, access: Access) -> HttpResponse:
    """Say what goes and when, and ask for the team's short name."""
    _require_owner(access)
    if access.team.delete_at is not None:
        return redirect("console:team-settings", team=access.team.slug)
    form = DeletionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            ask_deletion(access=access, typed=form.cleaned_data["slug"])
        except WrongName:
            form.add_error(
                "slug",
                _("This is not the team's short name. Type %(slug)s.") % {"slug": access.team.slug},
            )
        else:
            messages.success(request, _("The team will be deleted. Owners and admins are told."))
            return redirect("console:team-settings", team=access.team.slug)
    context = {"form": form, "days": settings.TEAM_DELETION_DAYS, "section": "settings"}
    return render_page(request, access, "accounts/team_delete.html", context)


@require_POST
@team_page(Scope.ADMIN)
def keep(request: HttpRequest, access: Access) -> HttpResponse:
    """Call the deletion off."""
    _require_owner(access)
    try:
        keep_team(access=access)
    except TooLate:  # the next page is a 404: there is nothing left to be kept
        messages.error(request, _("It is too late: the team is being erased."))
    else:
        messages.success(request, _("The team is kept. Owners and admins are told."))
    return redirect("console:team-settings", team=access.team.slug)


def _require_owner(access: Access) -> None:
    if access.role is not Role.OWNER:
        raise PermissionDenied("Only an owner can do this.")
