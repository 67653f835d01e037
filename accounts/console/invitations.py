"""What somebody sees who is invited: the invitation behind a mailed link, and those of their own.

Looking never accepts: mail scanners follow links. A button does.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.timezone import now as clock
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django_scopes import scopes_disabled

from accounts.audit import acting
from accounts.console.forms import JoinForm
from accounts.console.pages import teams_of
from accounts.invitation_mail import ROLE_WORDS
from accounts.invitations import (
    HasPassword,
    InvitationGone,
    NotTheInvited,
    accept_invitation,
    find_invitation,
    find_person,
    find_place,
    has_proved,
    invitations_for,
    is_usable,
    sign_up_invited,
)
from accounts.models import Invitation, Membership, Role, User

_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@sensitive_post_parameters("password")
@never_cache
def show_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show who invites whom to what; a POST accepts, or signs up and accepts."""
    invitation = find_invitation(token)
    user = request.user
    if invitation is None:
        return _show_gone(request)
    if isinstance(user, User):
        return _show_to_member(request, invitation, user)
    if not is_usable(invitation, now=clock()):
        return _show_gone(request)
    return _show_to_visitor(request, invitation, token)


def _show_to_member(request: HttpRequest, invitation: Invitation, user: User) -> HttpResponse:
    proved = has_proved(user, invitation.email)
    if not is_usable(invitation, now=clock()):
        if proved and invitation.team in teams_of(user):
            return redirect("console:home", team=invitation.team.slug)
        return _show_gone(request)
    if request.method == "POST" and proved:
        return _accept(request, invitation, user)
    own = find_person(invitation.email) == user
    return _render(request, invitation, proved=proved, own=own)


def _show_to_visitor(request: HttpRequest, invitation: Invitation, token: str) -> HttpResponse:
    known = find_person(invitation.email)
    form = None
    if known is None or not known.has_usable_password():
        # The link was mailed to this address: a sign-up elsewhere need not confirm it again.
        get_adapter().stash_verified_email(request, invitation.email)
    by_server = settings.OIDC is not None and settings.OIDC.only
    if not by_server and (known is None or not known.has_usable_password()):
        with scopes_disabled():
            place = find_place(invitation.team, invitation.email)
        name = place.given_name if place else ""
        form = JoinForm(request.POST or None, email=invitation.email, initial={"name": name})
        if request.method == "POST" and form.is_valid():
            try:
                with acting(invitation.email, address=request.META.get("REMOTE_ADDR") or ""):
                    member = sign_up_invited(
                        invitation=invitation,
                        name=form.cleaned_data["name"],
                        password=form.cleaned_data["password"],
                        now=clock(),
                    )
            except InvitationGone:
                return _show_gone(request)
            except HasPassword:
                form = None  # signed up in the meantime: what is left is to log in
            else:
                login(request, member.user, backend=_BACKEND)
                return _welcome(request, member)
    here = reverse("console:invitation", kwargs={"token": token})
    login_url = f"{reverse('account_login')}?{urlencode({'next': here})}"
    return _render(
        request, invitation, form=form, login_url=login_url, here=here, by_server=by_server
    )


def _accept(request: HttpRequest, invitation: Invitation, user: User) -> HttpResponse:
    try:
        with acting(user.email, address=request.META.get("REMOTE_ADDR") or ""):
            member = accept_invitation(invitation=invitation, user=user, now=clock())
    except (InvitationGone, NotTheInvited):
        return _show_gone(request)
    return _welcome(request, member)


def _welcome(request: HttpRequest, member: Membership) -> HttpResponse:
    role = ROLE_WORDS[Role(member.role)]
    messages.success(request, f"You have joined {member.team.name} as {role}.")
    return redirect("console:home", team=member.team.slug)


def _render(request: HttpRequest, invitation: Invitation, **context: Any) -> HttpResponse:
    role = ROLE_WORDS[Role(invitation.role)]
    shared = {"invitation": invitation, "team": invitation.team, "role": role, "now": clock()}
    return render(request, "accounts/invitation.html", shared | context)


def _show_gone(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/invitation_gone.html", status=404)


@login_required
@never_cache
def list_mine(request: HttpRequest) -> HttpResponse:
    """Show the invitations to the person who is logged in."""
    user = request.user
    assert isinstance(user, User)
    rows = [(row, ROLE_WORDS[Role(row.role)]) for row in invitations_for(user, now=clock())]
    context = {"invitations": rows, "teams": teams_of(user), "now": clock()}
    return render(request, "accounts/invitations.html", context)


@require_POST
@login_required
def accept_mine(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Accept an invitation to an address of one's own; 404 for any other."""
    user = request.user
    assert isinstance(user, User)
    found = [row for row in invitations_for(user, now=clock()) if row.pk == pk]
    return _accept(request, found[0], user) if found else _show_gone(request)
