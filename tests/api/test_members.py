"""`/api/v1/members` and `/api/v1/invitations`: people, and the mails that fetch them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.invitations import MOST_OPEN, accept_invitation
from accounts.models import Invitation, Membership, Scope, Team, User
from incidents.models import ContactMethod, Rotation, RotationLayer, RotationMember
from tests.conftest import Api
from tests.factories import UserFactory, make_key
from tests.racing import at_once

MEMBER_FIELDS = {"id", "email", "name", "role", "accepted_at", "created_at"}
INVITATION_FIELDS = {"id", "email", "role", "sent_at", "expires_at", "created_at"}


def only(api: Api, path: str = "members") -> Any:
    (row,) = api.get(path)["results"]
    return row


def join(team: Team, email: str, role: str = "member") -> Membership:
    """Put somebody into the team who has accepted."""
    with scopes_disabled():
        return Membership.objects.create(team=team, user=UserFactory(email=email), role=role)


# --- members -----------------------------------------------------------------------------------


def test_the_owner_is_a_member_who_has_accepted(api: Api) -> None:
    row = only(api)
    assert set(row) == MEMBER_FIELDS
    assert row["role"] == "owner"
    assert row["accepted_at"].endswith("Z")
    assert api.get(f"members/{row['id']}") == row


def test_a_member_has_a_place_at_once_and_a_mail_to_accept_it(api: Api, mailoutbox: Any) -> None:
    made = api.make("members", email="Ana@Example.org", name="Ana", role="admin")
    assert set(made) == MEMBER_FIELDS
    assert (made["email"], made["name"], made["role"]) == ("ana@example.org", "Ana", "admin")
    assert made["accepted_at"] is None
    user = User.objects.get(email="ana@example.org")
    assert not user.has_usable_password()
    assert not EmailAddress.objects.filter(user=user).exists()
    (mail,) = mailoutbox
    assert mail.to == ["ana@example.org"]
    assert mail.subject == "Join Acme on Tocsin"
    invited = only(api, "invitations")
    assert (invited["email"], invited["role"]) == ("ana@example.org", "admin")


def test_members_are_found_by_address(api: Api, rival: Api) -> None:
    made = api.make("members", email="ana@example.org")
    assert made["role"] == "member"
    assert api.get("members?email=Ana@example.org")["results"] == [made]
    assert api.get("members?email=nobody@example.org")["results"] == []
    assert rival.get("members?email=ana@example.org")["results"] == []


def test_a_person_keeps_their_own_name(api: Api) -> None:
    # Before they have accepted it is not the team's to know.
    UserFactory(email="ana@example.org", name="Ana")
    made = api.make("members", email="ana@example.org", name="Imposter")
    assert made["name"] == "Imposter"
    with scopes_disabled():
        Membership.objects.filter(pk=made["id"]).update(accepted_at=now())
    assert api.get(f"members/{made['id']}")["name"] == "Ana"


def test_another_address_of_a_person_is_not_led_to_them(api: Api) -> None:
    ana = UserFactory(email="ana@example.org", name="Ana")
    EmailAddress.objects.create(user=ana, email="secret@example.com", verified=True)
    made = api.make("members", email="secret@example.com")
    assert made["email"] == "secret@example.com"
    api("POST", "members", {"email": "secret@example.com"}, expect=409)
    with scopes_disabled():
        invitation = Invitation.objects.get()
    joined = accept_invitation(invitation=invitation, user=ana, now=now())
    assert (str(joined.pk), joined.user) == (made["id"], ana)
    shown = api.get(f"members/{made['id']}")
    assert (shown["email"], shown["name"]) == ("ana@example.org", "Ana")


def test_a_second_place_for_a_person_is_a_conflict(api: Api) -> None:
    api.make("members", email="ana@example.org")
    for path in ("members", "members"):
        answer = api("POST", path, {"email": "ANA@example.org"}, expect=409)
        assert "member of this address" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": None}, "email"),
        ({"email": 5}, "email"),
        ({"email": ""}, "email"),
        ({"email": "ana"}, "email"),
        ({"email": ["ana@example.org"]}, "email"),
        ({"email": "ana\nbcc: x@example.org"}, "email"),
        ({"email": "a" * 60 + "@" + "b." * 120 + "example"}, "email"),
        ({"email": "ana@example.org", "role": "king"}, "role"),
        ({"email": "ana@example.org", "role": None}, "role"),
        ({"email": "ana@example.org", "role": {}}, "role"),
        ({"email": "ana@example.org", "colour": "red"}, "colour"),
    ],
)
@pytest.mark.parametrize("path", ["members", "invitations"])
def test_bad_input_names_the_field(api: Api, path: str, body: Any, field: str) -> None:
    answer = api("POST", path, body, expect=400).json()
    assert [error["field"] for error in answer["errors"]] == [field]
    assert api.get("invitations")["results"] == []


@pytest.mark.parametrize("name", [5, None, "x" * 121])
def test_a_bad_name_is_refused(api: Api, name: Any) -> None:
    answer = api("POST", "members", {"email": "ana@example.org", "name": name}, expect=400)
    assert answer.json()["errors"][0]["field"] == "name"


def test_a_role_can_change_and_nothing_else(api: Api) -> None:
    made = api.make("members", email="ana@example.org", name="Ana")
    path = f"members/{made['id']}"
    changed = api("PATCH", path, made | {"role": "viewer", "name": "Bo"}, expect=200).json()
    assert changed == made | {"role": "viewer"}
    assert api("PATCH", path, {}, expect=200).json() == changed
    for one in (path, f"invitations/{only(api, 'invitations')['id']}"):
        answer = api("PATCH", one, {"email": "eve@example.org", "role": "owner"}, expect=400).json()
        assert [(e["field"], e["code"]) for e in answer["errors"]] == [("email", "immutable")]
    assert only(api, "invitations")["role"] == "viewer", "what is offered is what the place is"
    for body, field in (({"role": "x"}, "role"), ({"nme": "x"}, "nme"), ({"role": 1}, "role")):
        answer = api("PATCH", path, body, expect=400).json()
        assert answer["errors"][0]["field"] == field


def test_the_last_owner_stays_one(api: Api, team: Team) -> None:
    path = f"members/{only(api)['id']}"
    pending = api.make("members", email="ana@example.org", role="owner")
    for call in (("DELETE", path), ("PATCH", path, {"role": "admin"})):
        answer = api(*call, expect=409)
        assert "last owner" in answer.json()["detail"], "who has not accepted does not count"
    api("PATCH", path, {"role": "owner"}, expect=200)
    api("DELETE", f"members/{pending['id']}", expect=204)
    join(team, "bo@example.org", "owner")
    api("PATCH", path, {"role": "admin"}, expect=200)
    api("DELETE", path, expect=204)
    bo = only(api)
    api("DELETE", f"members/{bo['id']}", expect=409)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["PATCH", "DELETE"])
def test_two_owners_who_demote_each_other_leave_one(how: str, api: Api, team: Team) -> None:
    join(team, "bo@example.org", "owner")
    paths = [f"members/{row['id']}" for row in api.get("members")["results"]]

    def demote(path: str) -> int:
        return int(api(how, path, {"role": "member"}).status_code)

    answers = at_once(lambda: demote(paths[0]), lambda: demote(paths[1]))
    assert sorted(answers) == [200 if how == "PATCH" else 204, 409]
    assert [row["role"] for row in api.get("members")["results"]].count("owner") == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_member_added_twice_at_once_is_added_once(api: Api) -> None:
    def add() -> int:
        return int(api("POST", "members", {"email": "ana@example.org"}).status_code)

    assert sorted(at_once(add, add, add)) == [201, 409, 409]
    assert len(api.get("members?email=ana@example.org")["results"]) == 1


def test_whoever_is_removed_leaves_rotations_and_contacts_and_their_invitation(
    api: Api, team: Team
) -> None:
    made = api.make("members", email="ana@example.org")
    with scopes_disabled():
        rotation = Rotation.objects.create(team=team, name="r")
        layer = RotationLayer.objects.create(
            team=team, rotation=rotation, position=0, unit="week", handoff="2027-01-04T09:00"
        )
        RotationMember.objects.create(team=team, layer=layer, position=0, membership_id=made["id"])
    api("DELETE", f"members/{made['id']}", expect=204)
    api("GET", f"members/{made['id']}", expect=404)
    assert api.get("invitations")["results"] == []
    with scopes_disabled():
        assert RotationMember.objects.get().membership_id is None
        assert not ContactMethod.objects.filter(membership_id=made["id"]).exists()
    assert User.objects.filter(email="ana@example.org").exists()
    api.make("members", email="ana@example.org")


def test_only_admin_keys_change_people(team: Team, api: Api) -> None:
    made = api.make("members", email="ana@example.org")
    writer = Api(make_key(team, Scope.WRITE))
    assert len(writer.get("members")["results"]) == 2
    for call in (
        ("POST", "members", {"email": "bo@example.org"}),
        ("PATCH", f"members/{made['id']}", {"role": "admin"}),
        ("DELETE", f"members/{made['id']}"),
        ("POST", "invitations", {"email": "bo@example.org"}),
        ("DELETE", f"invitations/{only(api, 'invitations')['id']}"),
        ("POST", f"invitations/{only(api, 'invitations')['id']}/resend"),
    ):
        writer(*call, expect=403)


# --- invitations -------------------------------------------------------------------------------


def token_in(mail: Any) -> str:
    found = re.search(r"/invitations/([\w-]+)/", mail.body)
    assert found
    return found[1]


def test_an_invitation_is_mailed_and_its_token_is_in_no_answer(
    api: Api, mailoutbox: Any, settings: Any
) -> None:
    settings.BASE_URL = "https://tocsin.example"
    settings.DEFAULT_FROM_EMAIL = "Tocsin <alerts@tocsin.example>"
    answer = api("POST", "invitations", {"email": "Ana@example.org", "role": "viewer"}, expect=201)
    made = answer.json()
    assert set(made) == INVITATION_FIELDS
    assert (made["email"], made["role"]) == ("ana@example.org", "viewer")
    (mail,) = mailoutbox
    assert mail.from_email == "Tocsin <alerts@tocsin.example>"
    token = token_in(mail)
    assert len(token) == 43
    html = mail.alternatives[0][0]
    link = f"https://tocsin.example/invitations/{token}/"
    assert link in mail.body
    assert f'href="{link}"' in html
    assert "a viewer of" in mail.body
    for shown in (answer, api("GET", "invitations"), api("GET", f"invitations/{made['id']}")):
        assert token not in shown.content.decode()
    assert api.get("members")["results"][0]["email"] != "ana@example.org"


def test_whoever_is_there_or_invited_is_a_conflict(api: Api, team: Team) -> None:
    join(team, "ana@example.org")
    api("POST", "invitations", {"email": "ana@example.org"}, expect=409)
    api.make("invitations", email="bo@example.org")
    answer = api("POST", "invitations", {"email": "BO@example.org"}, expect=409)
    assert "open invitation" in answer.json()["detail"]


def test_an_expired_invitation_is_in_the_way_of_nothing(api: Api, mailoutbox: Any) -> None:
    made = api.make("invitations", email="ana@example.org")
    with scopes_disabled():
        Invitation.objects.update(expires_at=made["created_at"])
    again = api.make("invitations", email="ana@example.org")
    assert again["id"] != made["id"]
    assert only(api, "invitations") == again
    assert len(mailoutbox) == 2


def test_an_invited_person_can_be_given_a_place_without_another_mail(
    api: Api, mailoutbox: Any
) -> None:
    invitation = api.make("invitations", email="ana@example.org")
    api.make("members", email="ana@example.org", role="admin")
    assert only(api, "invitations") == invitation | {"role": "admin"}
    assert len(mailoutbox) == 1


def test_an_invitation_can_offer_another_role_and_be_revoked(api: Api) -> None:
    made = api.make("invitations", email="ana@example.org")
    path = f"invitations/{made['id']}"
    changed = api("PATCH", path, made | {"role": "owner"}, expect=200).json()
    assert changed == made | {"role": "owner"}
    assert api("PATCH", path, {}, expect=200).json() == changed
    api("PATCH", path, {"role": "king"}, expect=400)
    api("DELETE", path, expect=204)
    api("GET", path, expect=404)
    api("DELETE", path, expect=404)


def test_sending_again_makes_a_new_link_once_a_minute(api: Api, mailoutbox: Any) -> None:
    made = api.make("invitations", email="ana@example.org")
    path = f"invitations/{made['id']}/resend"
    answer = api("POST", path, expect=429)
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert answer["Content-Type"] == "application/problem+json"
    assert len(mailoutbox) == 1
    with scopes_disabled():
        Invitation.objects.update(sent_at="2026-01-01T00:00Z", expires_at="2026-01-08T00:00Z")
    again = api.post(path)
    assert again["id"] == made["id"]
    assert again["expires_at"] >= made["expires_at"]
    assert token_in(mailoutbox[0]) != token_in(mailoutbox[1])
    api("POST", path, expect=429)


def test_a_mail_server_that_is_down_is_said_and_the_invitation_stays(
    api: Api, settings: Any, mailoutbox: Any
) -> None:
    works = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    for path, email in (("invitations", "ana@example.org"), ("members", "bo@example.org")):
        answer = api("POST", path, {"email": email}, expect=503)
        assert "send it again" in answer.json()["detail"]
    bo, ana = api.get("invitations")["results"]
    assert (ana["email"], ana["sent_at"], bo["sent_at"]) == ("ana@example.org", None, None)
    api("POST", f"invitations/{ana['id']}/resend", expect=503)
    settings.EMAIL_BACKEND = works
    assert api.post(f"invitations/{ana['id']}/resend")["sent_at"] is not None
    assert [mail.to for mail in mailoutbox] == [["ana@example.org"]]


def test_a_failed_second_mail_leaves_the_first_link_working(
    api: Api, settings: Any, mailoutbox: Any, client: Any
) -> None:
    made = api.make("invitations", email="ana@example.org")
    with scopes_disabled():
        Invitation.objects.update(sent_at="2026-01-01T00:00Z")
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    api("POST", f"invitations/{made['id']}/resend", expect=503)
    assert client.get(f"/invitations/{token_in(mailoutbox[0])}/").status_code == 200


def test_a_team_has_so_many_open_invitations_and_no_more(api: Api) -> None:
    for number in range(MOST_OPEN):
        api.make("invitations", email=f"a{number}@example.org")
    for path in ("invitations", "members"):
        answer = api("POST", path, {"email": "more@example.org"}, expect=409)
        assert "50 open invitations" in answer.json()["detail"]
    assert not User.objects.filter(email="more@example.org").exists()
    api("DELETE", f"invitations/{api.get('invitations')['results'][0]['id']}", expect=204)
    api.make("invitations", email="more@example.org")
