"""A team's own page: its name, its short name, and how it ends."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import Access
from accounts.console.forms import RenameForm
from accounts.console.pages import render_page, team_page
from accounts.models import Membership, Namespace, Role, Scope
from accounts.teams import rename_team


@team_page()
def show_team(request: HttpRequest, access: Access) -> HttpResponse:
    """Show what the team is called; owners find its end here too."""
    return _render(request, access, RenameForm(initial={"name": access.team.name}))


@require_POST
@team_page(Scope.ADMIN)
def rename(request: HttpRequest, access: Access) -> HttpResponse:
    """Give the team another name."""
    form = RenameForm(request.POST)
    if not form.is_valid():
        return _render(request, access, form)
    rename_team(team=access.team, name=form.cleaned_data["name"])
    messages.success(request, _("The team is now called %(name)s.") % form.cleaned_data)
    return redirect("console:team-settings", team=access.team.slug)


def _render(request: HttpRequest, access: Access, form: RenameForm) -> HttpResponse:
    joined = Membership.objects.filter(accepted_at__isnull=False)
    context = {
        "form": form,
        "people": joined.count(),
        "owners": joined.filter(role=Role.OWNER).select_related("user").order_by("created_at"),
        "namespaces": Namespace.objects.count(),
        "section": "settings",
    }
    return render_page(request, access, "accounts/team.html", context)
