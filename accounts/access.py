"""The one door from a request to a tenant's objects.

A stranger gets 404, exactly as for a thing that does not exist; a member whose role is too small
gets 403. Inside the door a django-scopes scope is active, so a query that forgets the team cannot
see another's rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.db.models.functions import Now
from django.http import Http404
from django_scopes import scope

from accounts.audit import acting
from accounts.models import ApiKey, Membership, Role, Scope, Team, User

M = TypeVar("M", bound=Model)

_RANK = {Scope.READ: 0, Scope.WRITE: 1, Scope.ADMIN: 2}
_SCOPE_OF_ROLE = {
    Role.VIEWER: Scope.READ,
    Role.MEMBER: Scope.WRITE,
    Role.ADMIN: Scope.ADMIN,
    Role.OWNER: Scope.ADMIN,
}


@dataclass(frozen=True)
class Access:
    """Somebody inside a team: who, and how far they may go."""

    team: Team
    actor: str  # how timelines and the audit log name them
    level: Scope
    user: User | None = None
    role: Role | None = None  # None for a key
    key: ApiKey | None = None

    def allows(self, needed: Scope) -> bool:
        """Return whether this access includes `needed`."""
        return _RANK[self.level] >= _RANK[needed]

    def require(self, needed: Scope) -> None:
        """Raise PermissionDenied (403) unless this access includes `needed`."""
        if not self.allows(needed):
            raise PermissionDenied(f"This needs the scope {needed.value}.")

    def may_appoint(self, *roles: str) -> bool:
        """Return whether this access may make, change or remove people of these roles.

        Owners are the owners' matter; a key of scope admin may do all.
        """
        owners_too = self.role in (None, Role.OWNER)
        return self.allows(Scope.ADMIN) and (owners_too or Role.OWNER not in roles)

    def require_appoint(self, *roles: str) -> None:
        """Raise PermissionDenied (403) unless this access may deal with people of these roles."""
        if not self.may_appoint(*roles):
            raise PermissionDenied("Only an owner can do this.")

    @contextmanager
    def inside(self, *, address: str = "") -> Iterator[None]:
        """Make queries see this team's rows, and only those; changes are recorded as this actor's.

        `address` is where the request came from.
        """
        by = "member" if self.key is None else "key"
        with scope(team=self.team), acting(self.actor, by=by, address=address):
            yield


def access_for_key(key: ApiKey) -> Access:
    """Return what an API key opens."""
    return Access(team=key.team, actor=f"key {key.name}", level=Scope(key.scope), key=key)


def access_for_member(user: User, team_slug: str) -> Access:
    """Return what a person may do in a team; Http404 for strangers and unknown teams alike.

    Whoever was given a place and has not accepted it is a stranger still. A team whose time to be
    erased has come is gone.
    """
    team = existing_teams().select_related("plan").filter(slug=team_slug).first()
    if team is None:
        raise Http404
    with scope(team=team):
        membership = Membership.objects.filter(user=user, accepted_at__isnull=False).first()
    if membership is None:
        raise Http404
    role = Role(membership.role)
    return Access(team=team, actor=user.email, level=_SCOPE_OF_ROLE[role], user=user, role=role)


def existing_teams() -> QuerySet[Team]:
    """Return the teams but those that are being erased."""
    return Team.objects.exclude(delete_at__lte=Now())


def get_object(queryset: QuerySet[M], pk: str | UUID) -> M:
    """Return the object of that id within the scope; Http404 for missing and foreign alike."""
    try:
        found = queryset.filter(pk=UUID(str(pk))).first()
    except ValueError:
        found = None
    if found is None:
        raise Http404
    return found
