"""The page on which a person deletes their account."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from accounts.closing import LeavesTeams, close_account, teams_without_other_owner
from accounts.console.pages import teams_of
from accounts.console.reauth import require_recent_login
from accounts.models import User


@never_cache
@login_required
@require_recent_login
def close(request: HttpRequest) -> HttpResponse:
    """Ask once more, by name, and delete the account; refused while a team would lose its owner."""
    user = request.user
    assert isinstance(user, User)
    alone = teams_without_other_owner(user)
    if request.method == "POST" and not alone:
        email = user.email
        try:
            close_account(user=user, address=request.META.get("REMOTE_ADDR") or "")
        except LeavesTeams as error:
            alone = error.teams
        else:
            logout(request)
            messages.success(
                request,
                _("The account of %(email)s is deleted. The address is free again.")
                % {"email": email},
            )
            return redirect("console:start")
    context = {"alone": alone, "teams": teams_of(user), "page": "close"}
    status = 409 if request.method == "POST" else 200
    return render(request, "account/close.html", context, status=status)
