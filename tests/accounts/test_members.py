"""Who may do what with whom, and what an unaccepted place is worth: nothing yet."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.access import Access, access_for_key, access_for_member
from accounts.console.pages import teams_of
from accounts.invitations import change_invited_role, create_invitation
from accounts.keys import create_api_key
from accounts.members import LastOwner, add_member, change_role, remove_member
from accounts.models import Membership, Scope, Team, User
from accounts.teams import owner_addresses
from tests.factories import TeamFactory, UserFactory


@pytest.fixture
def team(db: None) -> Team:
    return TeamFactory(slug="acme", owner=UserFactory(email="owner@example.org"))


def join(team: Team, role: str) -> Access:
    user = UserFactory(email=f"{role}@acme.example")
    with scopes_disabled():
        Membership.objects.create(team=team, user=user, role=role)
    return access_for_member(user, "acme")


def member(email: str) -> Membership:
    with scopes_disabled():
        return Membership.objects.select_related("user", "team").get(user__email=email)


@pytest.fixture
def owner(team: Team) -> Access:
    return access_for_member(User.objects.get(email="owner@example.org"), "acme")


def test_an_unaccepted_place_opens_nothing(owner: Access, team: Team) -> None:
    add_member(access=owner, email="ana@example.org", name="", role="owner", now=now())
    ana = User.objects.get(email="ana@example.org")
    with pytest.raises(Http404):
        access_for_member(ana, "acme")
    assert teams_of(ana) == []
    assert owner_addresses(team) == ["owner@example.org"]


def test_admins_manage_everybody_but_owners(team: Team, owner: Access) -> None:
    admin = join(team, "admin")
    viewer = join(team, "viewer").user
    assert viewer
    boss = member("owner@example.org")
    low = member(viewer.email)
    refused: list[Any] = [
        lambda: add_member(access=admin, email="x@example.org", name="", role="owner", now=now()),
        lambda: create_invitation(access=admin, email="x@example.org", role="owner", now=now()),
        lambda: change_role(access=admin, member=low, role="owner"),
        lambda: change_role(access=admin, member=boss, role="viewer"),
        lambda: remove_member(access=admin, member=boss),
    ]
    for call in refused:
        with pytest.raises(PermissionDenied):
            call()
    invitation = create_invitation(access=owner, email="y@example.org", role="owner", now=now())
    for role in ("owner", "viewer"):
        with pytest.raises(PermissionDenied):
            change_invited_role(access=admin, invitation=invitation, role=role)
    assert change_role(access=admin, member=low, role="admin").role == "admin"
    remove_member(access=admin, member=low)
    assert not User.objects.filter(email="x@example.org").exists()


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_others_manage_nobody_but_leave_as_they_like(team: Team, role: str) -> None:
    access = join(team, role)
    mine = member(f"{role}@acme.example")
    with pytest.raises(PermissionDenied):
        change_role(access=access, member=mine, role="admin")
    with pytest.raises(PermissionDenied):
        remove_member(access=access, member=member("owner@example.org"))
    with pytest.raises(PermissionDenied):
        add_member(access=access, email="x@example.org", name="", role="viewer", now=now())
    remove_member(access=access, member=mine)
    with pytest.raises(Http404):
        access_for_member(mine.user, "acme")


def test_an_admin_key_makes_owners_and_a_lesser_one_nobody(team: Team) -> None:
    def opened(scope: Scope) -> Access:
        with scopes_disabled():
            return access_for_key(create_api_key(team=team, name=f"k-{scope}", scope=scope)[0])

    with pytest.raises(PermissionDenied):
        add_member(
            access=opened(Scope.WRITE), email="a@example.org", name="", role="viewer", now=now()
        )
    made = add_member(
        access=opened(Scope.ADMIN), email="a@example.org", name="", role="owner", now=now()
    )
    assert made.role == "owner"


def test_the_last_owner_cannot_leave(owner: Access) -> None:
    with pytest.raises(LastOwner):
        remove_member(access=owner, member=member("owner@example.org"))


def test_another_teams_member_is_as_missing_as_any(owner: Access) -> None:
    TeamFactory(slug="away", owner=UserFactory(email="away@example.org"))
    with pytest.raises(Http404):
        remove_member(access=owner, member=member("away@example.org"))
    with pytest.raises(Http404):
        change_role(access=owner, member=member("away@example.org"), role="viewer")


def test_a_key_outlives_the_member_who_made_it(team: Team, owner: Access) -> None:
    join(team, "admin")
    admin = member("admin@acme.example")
    with scopes_disabled():
        key, _ = create_api_key(team=team, name="k", scope=Scope.READ, created_by=admin)
    remove_member(access=owner, member=admin)
    with scopes_disabled():
        key.refresh_from_db()
    assert key.created_by_id is None
    assert key.revoked_at is None
