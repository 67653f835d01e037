"""The services behind invitations, where races and clocks decide; and what the mail may hold."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.access import Access, access_for_member
from accounts.invitation_mail import mailable_name, safe_line, send_invitation
from accounts.invitations import (
    LIFETIME,
    HasPassword,
    InvitationGone,
    NotTheInvited,
    accept_invitation,
    create_invitation,
    find_invitation,
    invitations_for,
    resend_invitation,
    revoke_invitation,
    sign_up_invited,
)
from accounts.members import add_member
from accounts.models import Invitation, Membership, Team, User
from config.redaction import redact
from tests.factories import PASSWORD, TeamFactory, UserFactory
from tests.racing import at_once


@pytest.fixture
def team(db: None) -> Team:
    return TeamFactory(slug="acme", owner=UserFactory(email="owner@example.org"))


@pytest.fixture
def access(team: Team) -> Access:
    return access_for_member(User.objects.get(email="owner@example.org"), "acme")


def invite(access: Access, email: str = "ana@example.org", role: str = "member") -> Invitation:
    return create_invitation(access=access, email=email, role=role, now=now())


def outcome(function: Any) -> Any:
    """Return what a call gives, or the class of what it raises."""
    try:
        return function()
    except Exception as error:
        return type(error)


@pytest.mark.django_db(transaction=True)
def test_accepting_twice_at_once_is_accepting_once(access: Access) -> None:
    invitation, ana = invite(access), UserFactory(email="ana@example.org")

    def accept() -> Any:
        return accept_invitation(invitation=invitation, user=ana, now=now()).pk

    first, second, third = at_once(accept, accept, accept)
    assert first == second == third
    with scopes_disabled():
        assert Membership.objects.get(user=ana).accepted_at is not None
        assert Invitation.objects.get().accepted_at is not None


@pytest.mark.django_db(transaction=True)
def test_signing_up_twice_at_once_makes_one_account(access: Access) -> None:
    invitation = invite(access)

    def sign_up(password: str) -> Any:
        return outcome(
            lambda: sign_up_invited(invitation=invitation, name="", password=password, now=now())
        )

    results = at_once(lambda: sign_up(PASSWORD), lambda: sign_up("another " + PASSWORD))
    assert {type(result) for result in results} == {Membership, type}
    assert HasPassword in results or InvitationGone in results
    user = User.objects.get(email="ana@example.org")
    winner = isinstance(results[0], Membership)
    assert user.check_password(PASSWORD) is winner


@pytest.mark.django_db(transaction=True)
def test_two_invitations_of_an_address_at_once_are_one(access: Access) -> None:
    results = at_once(*[lambda: outcome(lambda: invite(access))] * 2)
    assert sorted(type(result).__name__ for result in results) == ["Invitation", "type"]


@pytest.mark.django_db(transaction=True)
def test_sending_again_twice_at_once_mails_once(access: Access, mailoutbox: Any) -> None:
    invitation = invite(access)
    later = now() + timedelta(minutes=2)
    results = at_once(
        *[lambda: outcome(lambda: resend_invitation(invitation=invitation, now=later))] * 2
    )
    assert sorted(type(result).__name__ for result in results) == ["Invitation", "type"]
    assert len(mailoutbox) == 2


def test_an_invitation_ends_after_seven_days(access: Access) -> None:
    invitation, ana = invite(access), UserFactory(email="ana@example.org")
    end = invitation.expires_at
    assert timedelta(days=7) == LIFETIME
    assert invitations_for(ana, now=end) == []
    with pytest.raises(InvitationGone):
        accept_invitation(invitation=invitation, user=ana, now=end)
    accept_invitation(invitation=invitation, user=ana, now=end - timedelta(seconds=1))


def test_only_a_verified_address_accepts(access: Access) -> None:
    invitation = invite(access)
    ana = User.objects.create_user("ana@example.org", PASSWORD)
    EmailAddress.objects.create(user=ana, email=ana.email, verified=False)
    for user in (ana, UserFactory(email="other@example.org")):
        assert invitations_for(user, now=now()) == []
        with pytest.raises(NotTheInvited):
            accept_invitation(invitation=invitation, user=user, now=now())
    with scopes_disabled():
        assert Membership.objects.count() == 1


def test_a_second_verified_address_accepts(access: Access) -> None:
    invitation, bo = invite(access), UserFactory(email="bo@example.org")
    EmailAddress.objects.create(user=bo, email="ana@example.org", verified=True)
    assert invitations_for(bo, now=now()) == [invitation]
    assert accept_invitation(invitation=invitation, user=bo, now=now()).user == bo


def test_accepting_takes_the_place_that_was_made(access: Access) -> None:
    member = add_member(access=access, email="ana@example.org", name="", role="admin", now=now())
    with scopes_disabled():
        invitation = Invitation.objects.get()
    joined = sign_up_invited(invitation=invitation, name="Ana", password=PASSWORD, now=now())
    assert joined.pk == member.pk
    assert joined.role == "admin"
    ana = User.objects.get(email="ana@example.org")
    assert (ana.name, ana.check_password(PASSWORD)) == ("Ana", True)
    assert EmailAddress.objects.get(user=ana).verified
    assert access_for_member(ana, "acme").role == "admin"


def test_a_link_never_changes_the_password_of_an_account(access: Access) -> None:
    invitation, ana = invite(access), UserFactory(email="ana@example.org")
    with pytest.raises(HasPassword):
        sign_up_invited(invitation=invitation, name="", password="stolen " + PASSWORD, now=now())
    ana.refresh_from_db()
    assert ana.check_password(PASSWORD)


def test_a_used_or_revoked_link_makes_no_account(access: Access) -> None:
    invitation, ana = invite(access), UserFactory(email="ana@example.org")
    accept_invitation(invitation=invitation, user=ana, now=now())
    ana.set_unusable_password()
    ana.save()
    gone = invite(access, "bo@example.org")
    revoke_invitation(invitation=gone)
    for used in (invitation, gone):
        with pytest.raises(InvitationGone):
            sign_up_invited(invitation=used, name="", password=PASSWORD, now=now())
    assert not User.objects.filter(email="bo@example.org").exists()
    ana.refresh_from_db()
    assert not ana.has_usable_password()


def test_whoever_was_removed_cannot_come_back_by_the_old_link(access: Access) -> None:
    invitation, ana = invite(access), UserFactory(email="ana@example.org")
    with scopes_disabled():
        accept_invitation(invitation=invitation, user=ana, now=now()).delete()
    with pytest.raises(InvitationGone):
        accept_invitation(invitation=invitation, user=ana, now=now())


# --- the mail ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Acme & Sons", "Acme & Sons"),
        ("Acme\r\nBcc: x@example.org", "acme"),
        ("Acme\u202egnp.exe", "Acmegnp.exe"),
        ("Prize! http://evil.example/x", "acme"),
        ("www.evil.example", "acme"),
        ("evil.example/win", "acme"),
        ("\u200b\u2066", "acme"),
        ("Nord\n\u2028West", "Nord West"),
        ("x" * 120, "x" * 79 + "…"),
        ("فريق", "فريق"),
    ],
)
def test_a_team_is_called_by_a_name_and_nothing_more(name: str, said: str) -> None:
    assert mailable_name(Team(slug="acme", name=name)) == said


def test_hostile_names_are_inert_in_the_mail(access: Access, mailoutbox: Any) -> None:
    access.team.name = "<script>alert(1)<\\script>\r\nBcc: x@y.example"
    access.team.save()
    with scopes_disabled():
        invitation = invite(access)
        invitation.invited_by = "key <img src=x>\u202e\r\n.\r\n"
        send_invitation(invitation, "t" * 43)
    for mail in mailoutbox:
        assert mail.message()["Bcc"] is None
        assert "\n" not in mail.subject
        html = mail.alternatives[0][0]
        assert "<script" not in html
        assert "<img" not in html
        assert "\u202e" not in html + mail.body
        assert mail.message()["Auto-Submitted"] == "auto-generated"
    assert "Join acme on Tocsin" in mailoutbox[0].subject
    assert set(re.findall(r"https?://[^/\s\"<]+", mailoutbox[1].body)) == {"http://127.0.0.1:8000"}


def test_half_a_surrogate_is_dropped() -> None:
    assert safe_line("a\ud800b") == "ab"


def test_only_the_hash_of_a_token_is_kept_and_no_log_shows_it(
    access: Access, mailoutbox: Any
) -> None:
    invitation = invite(access)
    token = re.search(r"/invitations/([\w-]+)/", mailoutbox[0].body)[1]  # type: ignore[index]
    assert find_invitation(token) == invitation
    assert token.encode() not in bytes(invitation.token_hash)
    assert len(bytes(invitation.token_hash)) == 32
    for odd in ("", "x", token[:-1], "\ud800", token + "\x00"):
        assert find_invitation(odd) is None
    assert token not in redact(
        f"GET /invitations/{token}/ and /accounts/login/?next=/invitations/{token}/"
    )
    assert token not in redact(f"?next=%2Finvitations%2F{token}%2F")
