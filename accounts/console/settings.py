"""A team's members: who belongs to it, who is invited, and what they may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.timezone import now as clock
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.forms import InviteForm
from accounts.console.pages import render_page, team_page
from accounts.console.reauth import confirm_recent_login, require_recent_login
from accounts.console.settings_search import read_search
from accounts.invitations import (
    MOST_OPEN,
    AlreadyInvited,
    AlreadyMember,
    MailNotSent,
    SentJustNow,
    TooManyOpen,
    create_invitation,
    open_invitations,
    resend_invitation,
    revoke_invitation,
)
from accounts.members import LastOwner, NotJoined, change_role, remove_member, transfer_ownership
from accounts.models import Invitation, Membership, Role, Scope

_ROLE_ORDER = ["owner", "admin", "member", "viewer"]
_NOT_SENT = (
    "The mail server did not take the invitation to {}. It is kept: send it again when the mail "
    "works."
)
_LAST_OWNER = "{} is the last owner, and a team needs one. Make somebody else an owner first."


# What each role may do: a row for each duty, yes or no from owner to viewer.
DUTIES = [
    (_lazy("Look at everything: monitors, incidents, on-call, pages"), (True, True, True, True)),
    (_lazy("Be on call, and acknowledge through the link in a page"), (True, True, True, True)),
    (
        _lazy("Change monitors, incidents, rotations, rules, channels, status pages, namespaces"),
        (True, True, True, False),
    ),
    (_lazy("Invite and remove people, change roles"), (True, True, False, False)),
    (_lazy("API keys, audit log, export, the team's name"), (True, True, False, False)),
    (_lazy("Make and remove owners, hand the team over"), (True, False, False, False)),
    (_lazy("Delete the team, and keep it after all"), (True, False, False, False)),
    (_lazy("Mailed about incidents that no rule sends elsewhere"), (True, False, False, False)),
]


@dataclass(frozen=True)
class Person:
    """A row of the list: a member, an invitation, or the one with the other."""

    email: str
    role: str
    name: str = ""
    member: Membership | None = None
    invitation: Invitation | None = None

    @property
    def role_word(self) -> str:
        """Return the role as people read it."""
        return str(Role(self.role).label)

    @property
    def pending(self) -> bool:
        """Return whether the person has yet to accept."""
        return self.member is None or self.member.accepted_at is None


def _back(access: Access) -> HttpResponse:
    return redirect("console:members", team=access.team.slug)


def _people(access: Access) -> list[Person]:
    invited = {row.email: row for row in open_invitations(access.team)}
    people = [
        Person(
            email=member.user.email,
            name=member.name,
            role=member.role,
            member=member,
            invitation=invited.pop(member.user.email, None) if not member.accepted_at else None,
        )
        for member in Membership.objects.select_related("user")
    ]
    people += [Person(email=row.email, role=row.role, invitation=row) for row in invited.values()]
    return sorted(people, key=lambda p: (p.pending, _ROLE_ORDER.index(p.role), p.email))


def _appointable(access: Access) -> list[str]:
    return [role for role in reversed(_ROLE_ORDER) if access.may_appoint(role)]


def _render_members(request: HttpRequest, access: Access, form: InviteForm) -> HttpResponse:
    everyone = _people(access)
    search = read_search(request)
    wanted = request.GET.get("role", "")
    people = [
        person
        for person in everyone
        if search.lower() in f"{person.email} {person.name}".lower()
        and (wanted not in _ROLE_ORDER or wanted == person.role)
    ]
    context = {
        "joined": sum(not person.pending for person in everyone),
        "everyone": len(everyone),
        "people": people,
        "search": search,
        "role": wanted if wanted in _ROLE_ORDER else "",
        "every_role": [(role, Role(role).label) for role in _ROLE_ORDER],
        "duties": DUTIES,
        "form": form,
        "roles": [(role, Role(role).label) for role in _appointable(access)],
        "appointable": _appointable(access),
        "section": "settings",
    }
    return render_page(request, access, "accounts/members.html", context)


@team_page()
def list_members(request: HttpRequest, access: Access) -> HttpResponse:
    """Show who belongs to the team and what they may do."""
    return _render_members(request, access, InviteForm(roles=_appointable(access)))


@require_POST
@team_page(Scope.ADMIN)
def invite(request: HttpRequest, access: Access) -> HttpResponse:
    """Mail an invitation; what is wrong with it is said beside the form."""
    form = InviteForm(request.POST, roles=_appointable(access))
    if form.is_valid():
        _confirm_power(request, form.cleaned_data["role"])
    if form.is_valid() and (words := _refusal(request, lambda: _create(access, form))):
        form.add_error("email", words)
    return _render_members(request, access, form) if form.errors else _back(access)


@require_POST
@team_page(Scope.ADMIN)
def invite_again(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Invite a person whose place is still unaccepted and whose invitation is gone."""
    member = get_object(Membership.objects.select_related("user"), pk)
    form = InviteForm({"email": member.user.email, "role": member.role}, roles=_appointable(access))
    access.require_appoint(member.role)
    _confirm_power(request, member.role)
    if form.is_valid() and (words := _refusal(request, lambda: _create(access, form))):
        messages.error(request, words)
    return _back(access)


def _confirm_power(request: HttpRequest, role: str) -> None:
    """Ask again who is there before a link goes out that lets somebody run the team."""
    if role in {Role.OWNER, Role.ADMIN}:
        confirm_recent_login(request)


def _create(access: Access, form: InviteForm) -> str:
    email: str = form.cleaned_data["email"]
    create_invitation(access=access, email=email, role=form.cleaned_data["role"], now=clock())
    return email


def _refusal(request: HttpRequest, send: Callable[[], str]) -> str:
    """Send an invitation and say so; return why it was refused, or nothing."""
    try:
        email = send()
    except AlreadyMember:
        return "This person is a member already."
    except AlreadyInvited:
        return "This address is invited already. You can send the mail again in the list."
    except TooManyOpen:
        return f"{MOST_OPEN} invitations are open. Revoke some of them first."
    except SentJustNow as error:
        return f"The mail went out just now. Wait {error.wait} s before you send it again."
    except MailNotSent as error:
        messages.error(request, _NOT_SENT.format(error))
        return ""
    messages.success(request, f"An invitation is on its way to {email}. It works for 7 days.")
    return ""


@require_POST
@team_page(Scope.ADMIN)
def resend(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Mail a new link in place of the old one."""
    invitation = get_object(open_invitations(access.team), pk)
    _confirm_power(request, invitation.role)

    def send() -> str:
        return resend_invitation(invitation=invitation, now=clock()).email

    if words := _refusal(request, send):
        messages.error(request, words)
    return _back(access)


@require_POST
@team_page(Scope.ADMIN)
def revoke_invite(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Make an invitation's link useless."""
    invitation = get_object(open_invitations(access.team), pk)
    revoke_invitation(invitation=invitation)
    messages.success(request, f"The invitation of {invitation.email} is revoked.")
    return _back(access)


@require_POST
@team_page(Scope.ADMIN)
@require_recent_login
def set_role(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Let a member do more or less."""
    member = get_object(Membership.objects.select_related("user"), pk)
    role = request.POST.get("role", "")
    email = member.user.email
    if role not in Role.values:
        messages.error(request, "There is no such role. Choose one of the list.")
        return _back(access)
    if Role.OWNER in (role, member.role) and role != member.role:
        access.require_appoint(role, member.role)
        confirm_recent_login(request)
    try:
        change_role(access=access, member=member, role=role)
    except LastOwner:
        messages.error(request, _LAST_OWNER.format(email))
    else:
        messages.success(request, f"{email} is now {Role(role).label.lower()}.")
    return _back(access)


@team_page(Scope.ADMIN)
@require_recent_login
def remove(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask once more, by name, and take a person out of the team."""
    member = get_object(Membership.objects.select_related("user"), pk)
    access.require_appoint(member.role)
    if access.user and member.user_id == access.user.pk:
        return redirect("console:member-leave", team=access.team.slug)
    if request.method == "POST":
        email = member.user.email
        try:
            remove_member(access=access, member=member)
        except LastOwner:
            messages.error(request, _LAST_OWNER.format(email))
        else:
            messages.success(request, f"{email} is no longer in the team.")
        return _back(access)
    context = {"member": member, "section": "settings"}
    return render_page(request, access, "accounts/member_remove.html", context)


@team_page()
def leave(request: HttpRequest, access: Access) -> HttpResponse:
    """Ask once more, and take the person who asks out of the team."""
    member = Membership.objects.select_related("user").get(user=access.user)
    if request.method == "POST":
        try:
            remove_member(access=access, member=member)
        except LastOwner:
            messages.error(request, _LAST_OWNER.format(member.user.email))
            return _back(access)
        messages.success(request, f"You have left {access.team.name}.")
        return redirect("console:start")
    context = {"member": member, "section": "settings"}
    return render_page(request, access, "accounts/member_leave.html", context)


@team_page(Scope.ADMIN)
@require_recent_login
def hand_over(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask once more, by name, and make somebody else the owner."""
    access.require_appoint(Role.OWNER)
    member = get_object(Membership.objects.select_related("user"), pk)
    if access.user and member.user_id == access.user.pk:
        messages.error(request, _("You are an owner already."))
        return _back(access)
    if request.method == "POST":
        email = member.user.email
        try:
            transfer_ownership(access=access, member=member)
        except NotJoined:
            messages.error(request, _("%(email)s has not joined yet.") % {"email": email})
        else:
            messages.success(
                request, _("%(email)s is now owner, and you are admin.") % {"email": email}
            )
        return _back(access)
    context = {"member": member, "section": "settings"}
    return render_page(request, access, "accounts/member_owner.html", context)
