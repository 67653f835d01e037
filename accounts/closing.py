"""Deleting a person's account: every place it has, then the person; the address is free again."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django_scopes import scopes_disabled

from accounts.access import Access
from accounts.members import LastOwner, remove_member
from accounts.models import Membership, Role, Scope, Team, User


class LeavesTeams(Exception):  # noqa: N818 - it names what happened
    """Some teams have no other owner; `teams` are they."""

    def __init__(self, teams: list[Team]) -> None:
        super().__init__(", ".join(team.name for team in teams))
        self.teams = teams


def teams_without_other_owner(user: User) -> list[Team]:
    """Return the teams that the person alone owns, by name."""
    with scopes_disabled():
        owners = Membership.objects.filter(role=Role.OWNER, accepted_at__isnull=False)
        mine = owners.filter(user=user).values("team_id")
        others = owners.exclude(user=user).values("team_id")
        return list(Team.objects.filter(pk__in=mine).exclude(pk__in=others).order_by("name"))


def close_account(*, user: User, address: str = "") -> None:
    """Take the person out of all their teams and forget them, sessions included.

    `address` is where the request came from. Raises LeavesTeams, and then nothing has changed.
    """
    with transaction.atomic():
        with scopes_disabled():
            places = list(
                Membership.objects.filter(user=user).select_related("team").order_by("team_id")
            )
        for place in places:
            # Each team's own lock is held, so that two last owners cannot leave at once.
            access = Access(
                team=place.team, actor=user.email, level=Scope.READ, user=user, role=None
            )
            with access.inside(address=address):
                try:
                    remove_member(access=access, member=place)
                except LastOwner:
                    raise LeavesTeams(teams_without_other_owner(user) or [place.team]) from None
        keys = UserSession.objects.filter(user=user).values_list("session_key", flat=True)
        Session.objects.filter(session_key__in=list(keys)).delete()
        with scopes_disabled():
            user.delete()
