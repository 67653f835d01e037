"""Invitations: a mailed link that gives one address a place in a team, once.

The link proves the address, for it was mailed there: whoever signs up through it need not confirm
the address again. Only a hash of its token is stored, so sending it again means a new link.
Whoever changes the people of a team holds the team's lock.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import Q, QuerySet
from django_scopes import scopes_disabled

from accounts.access import Access, get_object
from accounts.database.standing import across_teams
from accounts.invitation_mail import MailNotSent, send_invitation
from accounts.keys import hash_token
from accounts.models import Invitation, Membership, Team, User
from accounts.teams import verify_address

__all__ = ["MailNotSent"]  # which creating and re-sending raise

LIFETIME = timedelta(days=7)
SEND_EVERY = timedelta(minutes=1)
MOST_OPEN = 50


class AlreadyMember(Exception):  # noqa: N818 - these name what happened
    """The person is in the team."""


class AlreadyInvited(Exception):  # noqa: N818
    """The address has an open invitation."""


class TooManyOpen(Exception):  # noqa: N818
    """The team has as many open invitations as it may."""


class SentJustNow(Exception):  # noqa: N818
    """The mail went out less than a minute ago; `wait` is how many seconds are left."""

    def __init__(self, wait: int) -> None:
        super().__init__(wait)
        self.wait = wait


class InvitationGone(Exception):  # noqa: N818
    """The invitation was used or revoked, or has expired."""


class NotTheInvited(Exception):  # noqa: N818
    """The person has not proved the address that the invitation is for."""


class HasPassword(Exception):  # noqa: N818
    """The address has an account: its owner logs in."""


def create_invitation(*, access: Access, email: str, role: str, now: datetime) -> Invitation:
    """Invite an address (in lower case) and mail the link.

    Raises AlreadyMember, AlreadyInvited, TooManyOpen, PermissionDenied, and MailNotSent, after
    which the invitation stays and can be sent again.
    """
    access.require_appoint(role)
    with changing_people(access.team):
        place = find_place(access.team, email)
        if place is not None and place.accepted_at is not None:
            raise AlreadyMember
        if place is not None and place.role != role:
            access.require_appoint(place.role)
            place.role = role
            place.save(update_fields=["role"])
        if open_invitations(access.team, email).filter(expires_at__gt=now).exists():
            raise AlreadyInvited
        invitation, token = open_invitation(access=access, email=email, role=role, now=now)
    mail_link(invitation, token)
    return invitation


def open_invitation(
    *, access: Access, email: str, role: str, now: datetime
) -> tuple[Invitation, str]:
    """Store an invitation in place of one that has expired; return it with its link's token.

    It counts as sent now; `mail_link` is for after the commit. Raises TooManyOpen.
    """
    open_invitations(access.team, email).delete()
    if open_invitations(access.team).filter(expires_at__gt=now).count() >= MOST_OPEN:
        raise TooManyOpen
    token = new_token()
    invitation = Invitation.objects.create(
        team=access.team,
        email=email,
        role=role,
        token_hash=hash_token(token),
        invited_by=access.actor[:254],
        sent_at=now,
        expires_at=now + LIFETIME,
    )
    return invitation, token


def mail_link(invitation: Invitation, token: str, *, before: Invitation | None = None) -> None:
    """Mail the link. If that fails, put back what was `before`, so that it can be sent again.

    Raises MailNotSent.
    """
    try:
        send_invitation(invitation, token)
    except MailNotSent:
        fields = {"sent_at": None}
        if before is not None:
            kept = ("sent_at", "token_hash", "expires_at")
            fields = {name: getattr(before, name) for name in kept}
        with scopes_disabled():
            mine = Invitation.objects.filter(pk=invitation.pk, token_hash=invitation.token_hash)
            mine.update(**fields)
        raise


def resend_invitation(*, invitation: Invitation, now: datetime) -> Invitation:
    """Mail a new link, good for seven days; the link before it works no longer.

    Raises SentJustNow, Http404 if the invitation is gone, and MailNotSent, after which the link
    before goes on working.
    """
    token = new_token()
    with changing_people(invitation.team):
        before = get_object(open_invitations(invitation.team), invitation.pk)
        if before.sent_at is not None and now - before.sent_at < SEND_EVERY:
            raise SentJustNow(wait=-int(-(before.sent_at + SEND_EVERY - now).total_seconds() // 1))
        invitation = copy(before)
        invitation.token_hash = hash_token(token)
        invitation.sent_at, invitation.expires_at = now, now + LIFETIME
        invitation.save(update_fields=["token_hash", "sent_at", "expires_at"])
    mail_link(invitation, token, before=before)
    return invitation


def revoke_invitation(*, invitation: Invitation) -> None:
    """Make the link useless. A place that was made for the person stays, unaccepted."""
    with changing_people(invitation.team):
        open_invitations(invitation.team).filter(pk=invitation.pk).delete()


def change_invited_role(*, access: Access, invitation: Invitation, role: str) -> Invitation:
    """Offer another role. Raises PermissionDenied, Http404 if the invitation is gone."""
    with changing_people(access.team):
        invitation = get_object(open_invitations(access.team), invitation.pk)
        access.require_appoint(invitation.role, role)
        invitation.role = role
        invitation.save(update_fields=["role"])
        place = find_place(access.team, invitation.email)
        if place is not None and place.accepted_at is None:
            place.role = role
            place.save(update_fields=["role"])
    return invitation


def find_invitation(token: str) -> Invitation | None:
    """Return the invitation of that link, whatever has become of it."""
    if not token.isascii():
        return None
    with scopes_disabled():
        rows = Invitation.objects.select_related("team")
        return rows.filter(token_hash=hash_token(token)).first()


def is_usable(invitation: Invitation, *, now: datetime) -> bool:
    """Return whether an invitation can be accepted."""
    return bool(invitation.accepted_at is None and invitation.expires_at > now)


def invitations_for(user: User, *, now: datetime) -> list[Invitation]:
    """Return the invitations that a person can accept, the oldest first."""
    proved = EmailAddress.objects.filter(user=user, verified=True).values("email")
    with across_teams():
        rows = Invitation.objects.select_related("team").order_by("created_at")
        return list(rows.filter(accepted_at=None, expires_at__gt=now, email__in=proved))


def has_proved(user: User, email: str) -> bool:
    """Return whether an address (in lower case) is one of the person's verified ones."""
    return bool(EmailAddress.objects.filter(user=user, verified=True, email__iexact=email).exists())


def accept_invitation(*, invitation: Invitation, user: User, now: datetime) -> Membership:
    """Give the person the place. Accepting twice is accepting once.

    Raises NotTheInvited, InvitationGone.
    """
    if not has_proved(user, invitation.email):
        raise NotTheInvited
    with changing_people(invitation.team):
        return _accept(invitation, user, now)


def sign_up_invited(
    *, invitation: Invitation, name: str, password: str, now: datetime
) -> Membership:
    """Give the invited address an account, verified, and the place.

    The account may exist without a password: somebody put the person into a team before.
    Raises HasPassword if it has one, InvitationGone.
    """
    with changing_people(invitation.team):
        current = open_invitations(invitation.team).filter(pk=invitation.pk).first()
        if current is None or not is_usable(current, now=now):
            raise InvitationGone
        user = find_person(invitation.email)
        if user is None:
            user = User(email=invitation.email)
        elif user.has_usable_password() or not user.is_active:
            raise HasPassword
        user.name = name or user.name
        user.set_password(password)
        user.save()
        verify_address(user)
        return _accept(invitation, user, now)


def _accept(invitation: Invitation, user: User, now: datetime) -> Membership:
    current = Invitation.objects.filter(pk=invitation.pk).first()
    place = _place_of(invitation.team, user)
    if place is None:
        made = find_place(invitation.team, invitation.email)
        place = made if made is not None and made.accepted_at is None else None
    if current is None or not is_usable(current, now=now):
        if current is not None and current.accepted_at and place and place.accepted_at:
            return place
        raise InvitationGone
    if place is None:
        place = Membership(team=invitation.team, user=user, role=current.role)
    if place.accepted_at is None or place._state.adding:
        place.user = user  # the place may have been made for another address of theirs
        place.accepted_at = now
        place.save()
    current.accepted_at = now
    current.save(update_fields=["accepted_at"])
    return place


# --- what members.py needs as well ----------------------------------------------------------


@contextmanager
def changing_people(team: Team) -> Iterator[None]:
    """Hold the team's lock, so that two changes of its people come one after the other."""
    with transaction.atomic(), scopes_disabled():
        Team.objects.select_for_update(no_key=True).get(pk=team.pk)
        yield


def open_invitations(team: Team, email: str | None = None) -> QuerySet[Invitation]:
    """Return the team's invitations that nobody has accepted, the expired ones too."""
    rows = Invitation.objects.select_related("team").filter(team=team, accepted_at=None)
    return rows if email is None else rows.filter(email=email)


def invitations_of(team: Team, user: User) -> QuerySet[Invitation]:
    """Return the team's open invitations to any address of the person's."""
    proved = EmailAddress.objects.filter(user=user, verified=True).values("email")
    return open_invitations(team).filter(Q(email=user.email) | Q(email__in=proved))


def find_person(email: str) -> User | None:
    """Return whose address it is: whoever has verified it, else whose account has it."""
    verified = EmailAddress.objects.filter(email__iexact=email, verified=True)
    found = verified.select_related("user").first()
    return found.user if found else User.objects.filter(email__iexact=email).first()


def find_place(team: Team, email: str) -> Membership | None:
    """Return the place of whoever has the address, else the one that was made for the address."""
    place = _place_of(team, find_person(email))
    return place or _place_of(team, User.objects.filter(email__iexact=email).first())


def _place_of(team: Team, user: User | None) -> Membership | None:
    if user is None or user._state.adding:
        return None
    return Membership.objects.select_related("user").filter(team=team, user=user).first()


def new_token() -> str:
    """Return a fresh token for a link, of 32 random bytes."""
    return secrets.token_urlsafe(32)
