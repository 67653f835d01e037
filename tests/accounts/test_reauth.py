"""Asking again who is there: when, how the form that was sent goes on, and how it is remembered."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django_scopes import scopes_disabled

from accounts.models import ApiKey, Invitation, Membership, Role, Team, User
from accounts.teams import create_team
from tests.accounts.people import PASSWORD, let_pass, log_in, make_person

KEYS = "/t/acme/settings/keys"
ASKED = "/accounts/reauthenticate/?next="


@pytest.fixture(autouse=True)
def forget_rates() -> None:
    cache.clear()


@pytest.fixture
def ana(db: Any) -> User:
    return make_person()


@pytest.fixture
def acme(ana: User) -> Team:
    return create_team(slug="acme", name="Acme", owner=ana)


@pytest.fixture
def client(ana: User, acme: Team) -> Client:
    return log_in(ana)


def names() -> list[str]:
    with scopes_disabled():
        return [key.name for key in ApiKey.objects.order_by("created_at")]


def confirm(client: Client, asked: Any, password: str = PASSWORD) -> Any:
    page = client.get(asked["Location"])
    assert "Confirm it is you" in page.content.decode()
    following = asked["Location"].partition("next=")[2].replace("%2F", "/")
    return client.post("/accounts/reauthenticate/", {"password": password, "next": following})


def test_whoever_has_just_logged_in_is_not_asked(client: Client) -> None:
    assert client.post(KEYS, {"name": "first", "scope": "read"}).status_code == 200
    assert names() == ["first"]


def test_a_key_is_made_after_the_password_and_the_form_is_kept(client: Client) -> None:
    let_pass(client, 600)
    assert client.get(KEYS).status_code == 200  # looking asks nothing
    asked = client.post(KEYS, {"name": "terraform", "scope": "write"})
    assert asked["Location"].startswith(ASKED)
    assert names() == []
    answer = confirm(client, asked)
    assert "tk_" in answer.content.decode()
    assert names() == ["terraform"]
    client.post(KEYS, {"name": "second", "scope": "read"})  # remembered
    assert names() == ["terraform", "second"]


def test_a_form_on_a_searched_page_is_kept_as_well(client: Client) -> None:
    let_pass(client, 600)
    asked = client.post(f"{KEYS}?q=terra", {"name": "terraform", "scope": "write"})
    assert "tk_" in confirm(client, asked).content.decode()
    assert names() == ["terraform"]


def test_a_wrong_password_makes_nothing(client: Client) -> None:
    let_pass(client, 600)
    asked = client.post(KEYS, {"name": "terraform", "scope": "write"})
    assert confirm(client, asked, "wrong").status_code == 200
    assert names() == []


def test_revoking_a_key_and_changing_a_role_ask_too(client: Client, acme: Team) -> None:
    client.post(KEYS, {"name": "old", "scope": "read"})
    with scopes_disabled():
        key = ApiKey.objects.get()
        bo = Membership.objects.create(
            team=acme, user=make_person("bo@acme.example"), role=Role.MEMBER
        )
    let_pass(client, 600)
    for path, form in (
        (f"{KEYS}/{key.pk}/revoke", {}),
        (f"/t/acme/settings/members/{bo.pk}/role", {"role": "owner"}),
        (f"/t/acme/settings/members/{bo.pk}/remove", {}),
    ):
        assert client.post(path, form)["Location"].startswith(ASKED), path
    with scopes_disabled():
        bo.refresh_from_db()
        key.refresh_from_db()
    assert (bo.role, key.revoked_at) == (Role.MEMBER, None)
    confirm(client, client.post(f"/t/acme/settings/members/{bo.pk}/role", {"role": "owner"}))
    with scopes_disabled():
        bo.refresh_from_db()
    assert bo.role == Role.OWNER


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_inviting_somebody_to_run_the_team_asks_too(client: Client, acme: Team, role: str) -> None:
    members = "/t/acme/settings/members"
    let_pass(client, 600)
    form = {"email": "bo@acme.example", "role": role}
    asked = client.post(f"{members}/invite", form)
    assert asked["Location"].startswith(ASKED)
    with scopes_disabled():
        assert not Invitation.objects.exists()
        place = Membership.objects.create(team=acme, user=make_person("cy@acme.example"), role=role)
    again = client.post(f"{members}/{place.pk}/invite")
    assert again["Location"].startswith(ASKED)
    assert mail.outbox == []
    confirm(client, client.post(f"{members}/invite", form))
    with scopes_disabled():
        invitation = Invitation.objects.get()
        Invitation.objects.update(sent_at=None)
    assert (invitation.email, invitation.role) == ("bo@acme.example", role)
    let_pass(client, 600)
    resend = f"/t/acme/settings/invitations/{invitation.pk}/resend"
    mail.outbox.clear()
    assert client.post(resend)["Location"].startswith(ASKED)
    assert mail.outbox == []
    confirm(client, client.post(resend))
    assert [sent.to for sent in mail.outbox] == [["bo@acme.example"]]


def test_inviting_others_asks_nothing(client: Client, acme: Team) -> None:
    let_pass(client, 600)
    for role in ("member", "viewer"):
        form = {"email": f"{role}@acme.example", "role": role}
        answer = client.post("/t/acme/settings/members/invite", form)
        assert answer["Location"] == "/t/acme/settings/members"
    with scopes_disabled():
        Invitation.objects.update(sent_at=None)
        invitation = Invitation.objects.get(role="member")
    client.post(f"/t/acme/settings/invitations/{invitation.pk}/resend")
    assert len(mail.outbox) == 3


def test_strangers_get_their_404_and_members_their_403_unasked(client: Client, acme: Team) -> None:
    bo = make_person("bo@acme.example")
    stranger = log_in(bo)
    let_pass(stranger, 600)
    assert stranger.post(KEYS, {"name": "x", "scope": "read"}).status_code == 404
    with scopes_disabled():
        Membership.objects.create(team=acme, user=bo, role=Role.MEMBER)
    assert stranger.post(KEYS, {"name": "x", "scope": "read"}).status_code == 403


def test_a_fragment_leads_the_whole_page_to_the_question(client: Client) -> None:
    let_pass(client, 600)
    answer = client.post(KEYS, {"name": "x", "scope": "read"}, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"].startswith(ASKED)


def test_the_form_of_one_page_is_not_sent_to_another(client: Client) -> None:
    let_pass(client, 600)
    client.post(KEYS, {"name": "terraform", "scope": "write"})
    answer = client.post(
        "/accounts/reauthenticate/", {"password": PASSWORD, "next": "/accounts/profile/"}
    )
    assert answer["Location"] == "/accounts/profile/"
    assert names() == []


def test_nobody_is_led_elsewhere(client: Client) -> None:
    let_pass(client, 600)
    answer = client.post(
        "/accounts/reauthenticate/", {"password": PASSWORD, "next": "https://evil.example/"}
    )
    assert answer["Location"] == "/"


def test_another_address_and_password_ask_too(client: Client, ana: User) -> None:
    let_pass(client, 600)
    for form in (
        {"action_add": "", "email": "second@acme.example"},
        {"action_remove": "", "email": ana.email},
    ):
        assert client.post("/accounts/email/", form)["Location"].startswith(ASKED)
