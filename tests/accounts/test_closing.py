"""Deleting one's account: who may, what goes, and that the address is free again."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django_scopes import scopes_disabled

from accounts.models import AuditEvent, Membership, Role, Team, User
from accounts.teams import create_team
from tests.accounts.people import PASSWORD, let_pass, log_in, make_person

CLOSE = "/accounts/close/"


@pytest.fixture(autouse=True)
def forget_rates() -> None:
    cache.clear()


@pytest.fixture
def ana(db: Any) -> User:
    return make_person()


def join(team: Team, user: User, role: str = Role.MEMBER, **fields: Any) -> Membership:
    with scopes_disabled():
        return Membership.objects.create(team=team, user=user, role=role, **fields)


def test_the_last_owner_is_refused_and_the_teams_are_named(ana: User) -> None:
    create_team(slug="acme", name="Acme Rockets", owner=ana)
    client = log_in(ana)
    assert "Acme Rockets" in client.get(CLOSE).content.decode()
    answer = client.post(CLOSE)
    assert answer.status_code == 409
    assert "Acme Rockets" in answer.content.decode()
    assert User.objects.filter(pk=ana.pk).exists()


def test_an_unaccepted_second_owner_is_none(ana: User) -> None:
    team = create_team(slug="acme", name="Acme", owner=ana)
    join(team, make_person("bo@acme.example"), Role.OWNER, accepted_at=None)
    assert log_in(ana).post(CLOSE).status_code == 409


def test_everything_of_the_person_goes_and_the_address_is_free(ana: User) -> None:
    bo = make_person("bo@acme.example")
    team = create_team(slug="acme", name="Acme", owner=bo)
    join(team, ana, Role.OWNER)
    here, there = log_in(ana), log_in(ana)
    page = here.get(CLOSE).content.decode()
    assert "Delete the account of ana@acme.example?" in page
    answer = here.post(CLOSE, follow=True)
    assert "The account of ana@acme.example is deleted" in answer.content.decode()
    assert not User.objects.filter(email=ana.email).exists()
    assert there.get("/accounts/profile/").status_code == 302
    assert not Session.objects.filter(session_key=there.session.session_key).exists()
    with scopes_disabled():
        assert [place.user for place in Membership.objects.filter(team=team)] == [bo]
        event = AuditEvent.objects.filter(team=team).latest("at")
    assert event.actor == "ana@acme.example"
    Client().post("/accounts/signup/", {"email": "ana@acme.example", "password1": PASSWORD})
    assert User.objects.filter(email="ana@acme.example").exists()


def test_a_place_not_accepted_goes_too(ana: User) -> None:
    team = create_team(slug="acme", name="Acme", owner=make_person("bo@acme.example"))
    join(team, ana, accepted_at=None)
    log_in(ana).post(CLOSE)
    with scopes_disabled():
        assert Membership.objects.filter(team=team).count() == 1


def test_it_is_asked_who_is_there_first_and_a_get_deletes_nothing(ana: User) -> None:
    client = log_in(ana)
    assert client.get(CLOSE).status_code == 200
    let_pass(client, 600)
    assert client.post(CLOSE)["Location"].startswith("/accounts/reauthenticate/")
    assert User.objects.filter(pk=ana.pk).exists()
    answer = client.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": CLOSE})
    assert answer["Location"] == "/"
    assert not User.objects.filter(pk=ana.pk).exists()
