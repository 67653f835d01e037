"""The people of a team: who has a place, and as what. A team always keeps an owner."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet

from accounts.access import Access, get_object
from accounts.invitations import (
    AlreadyMember,
    changing_people,
    find_place,
    invitations_of,
    mail_link,
    open_invitation,
    open_invitations,
)
from accounts.models import Membership, Role, Team, User


class LastOwner(Exception):  # noqa: N818 - it names what happened
    """The team would be left without an owner."""


class NotJoined(Exception):  # noqa: N818
    """The person has not accepted their place."""


def add_member(*, access: Access, email: str, name: str, role: str, now: datetime) -> Membership:
    """Make a place for an address (in lower case) and mail an invitation to take it.

    Until it is accepted the place can be planned with, and nothing pages the person. `name` is
    shown until then: whether the address has an account, and whose, is not this team's to know.
    An invitation that is open already is not mailed again.
    Raises AlreadyMember, TooManyOpen, PermissionDenied, and MailNotSent, after which both stay.
    """
    access.require_appoint(role)
    issued = None
    with changing_people(access.team):
        if find_place(access.team, email) is not None:
            raise AlreadyMember
        # Not whoever has proved the address besides another one, which would be shown.
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            user = User.objects.create_user(email)
        member = Membership.objects.create(
            team=access.team, user=user, role=role, accepted_at=None, given_name=name
        )
        live = open_invitations(access.team, email).filter(expires_at__gt=now)
        if not live.update(role=role):
            issued = open_invitation(access=access, email=email, role=role, now=now)
    if issued is not None:
        mail_link(*issued)
    return member


def change_role(*, access: Access, member: Membership, role: str) -> Membership:
    """Let a member do more or less. Raises LastOwner, PermissionDenied, Http404 if it is gone."""
    with changing_people(access.team):
        member = get_object(_members(access.team), member.pk)
        access.require_appoint(member.role, role)
        if role != Role.OWNER:
            _keep_an_owner(member)
        member.role = role
        member.save(update_fields=["role"])
        if member.accepted_at is None:
            invitations_of(access.team, member.user).update(role=role)
    return member


def transfer_ownership(*, access: Access, member: Membership) -> Membership:
    """Make a member the owner and whoever hands over an admin; other owners stay owners.

    Raises NotJoined, PermissionDenied for anybody but an owner, Http404 if it is gone.
    """
    with changing_people(access.team):
        member = get_object(_members(access.team), member.pk)
        mine = _members(access.team).filter(user=access.user, role=Role.OWNER).first()
        if mine is None or access.role is not Role.OWNER:
            raise PermissionDenied("Only an owner can do this.")
        if member.accepted_at is None:
            raise NotJoined
        if member.pk != mine.pk:
            member.role = Role.OWNER
            member.save(update_fields=["role"])
            mine.role = Role.ADMIN
            mine.save(update_fields=["role"])
    return member


def remove_member(*, access: Access, member: Membership) -> None:
    """Take a person out of the team, and what they are part of, or withdraw an unaccepted place.

    One may always leave oneself. Raises LastOwner, PermissionDenied, Http404 if it is gone.
    """
    with changing_people(access.team):
        member = get_object(_members(access.team), member.pk)
        if access.user is None or member.user_id != access.user.pk:
            access.require_appoint(member.role)
        _keep_an_owner(member)
        invitations_of(access.team, member.user).delete()
        member.delete()


def _members(team: Team) -> QuerySet[Membership]:
    return Membership.objects.select_related("user").filter(team=team)


def _keep_an_owner(member: Membership) -> None:
    """Raise LastOwner if there is no owner but this one who has accepted."""
    if member.role != Role.OWNER or member.accepted_at is None:
        return
    owners = _members(member.team).filter(role=Role.OWNER, accepted_at__isnull=False)
    if not owners.exclude(pk=member.pk).exists():
        raise LastOwner
