"""People in the console: inviting them, being invited, changing and ending places."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.access import access_for_member
from accounts.members import add_member
from accounts.models import Invitation, Membership, User
from accounts.teams import verify_address
from tests.console.personas import PASSWORD

LIST = "/t/acme/settings/members"
INVITE = f"{LIST}/invite"
NEW = "new@acme.example"


def invite(client, email=NEW, role="member"):
    return client.post(INVITE, {"email": email, "role": role}, follow=True)


def link_in(mail):
    return re.search(r"/invitations/[\w-]+/", mail.body)[0]


def place_of(user, team="acme"):
    with scopes_disabled():
        return Membership.objects.filter(user=user, team__slug=team).first()


def main_of(answer):
    page = answer.content.decode()
    return page[page.index("<main") : page.index("</main>")]


@pytest.fixture
def link(owner, mailoutbox):
    invite(owner)
    return link_in(mailoutbox[0])


# --- from the list to the mail -----------------------------------------------------------------


def test_an_invited_person_is_in_the_list_as_pending(owner, mailoutbox):
    answer = invite(owner, "New@Acme.example", "viewer")
    page = main_of(answer)
    assert "An invitation is on its way to new@acme.example" in page
    assert "3 joined, 4 in all" in page
    assert "<span>Invited <time" in page
    assert [mail.to for mail in mailoutbox] == [[NEW]]
    with scopes_disabled():
        assert Invitation.objects.get().role == "viewer"


@pytest.mark.parametrize(
    ("email", "role", "words"),
    [
        ("member@acme.example", "member", "is a member already"),
        ("twice@acme.example", "member", "is invited already"),
        ("nobody", "member", "Enter a valid email address"),
        ("", "member", "required"),
        (NEW, "king", "not one of the available choices"),
    ],
)
def test_a_refused_invitation_says_why(owner, email, role, words, mailoutbox):
    invite(owner, "twice@acme.example")
    answer = owner.post(INVITE, {"email": email, "role": role})
    assert answer.status_code == 200
    assert words in main_of(answer)
    assert len(mailoutbox) == 1


def test_a_mail_server_that_is_down_is_said_and_the_invitation_can_be_sent_again(
    owner, settings, mailoutbox
):
    works = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    page = main_of(invite(owner))
    assert "did not take the invitation to new@acme.example" in page
    assert "Mail not sent" in page
    settings.EMAIL_BACKEND = works
    again = re.search(r'action="(\S+/resend)"', page)[1]
    assert "on its way" in main_of(owner.post(again, follow=True))
    assert len(mailoutbox) == 1
    assert "Wait " in main_of(owner.post(again, follow=True))


def test_a_revoked_link_works_no_longer(owner, link, people):
    page = main_of(owner.get(LIST))
    revoke = re.search(r'action="(\S+/revoke)"', page)[1]
    assert "is revoked" in main_of(owner.post(revoke, follow=True))
    answer = Client().get(link)
    assert answer.status_code == 404
    assert "no longer works" in main_of(answer)


def test_a_place_without_an_invitation_can_be_invited_again(owner, people, mailoutbox):
    access = access_for_member(people.owner, "acme")
    add_member(access=access, email=NEW, name="", role="viewer", now=now())
    with scopes_disabled():
        Invitation.objects.all().delete()
    page = main_of(owner.get(LIST))
    assert "Not invited" in page
    again = re.search(r'action="(\S+/invite)"><input[^>]*><button[^>]*>Invite<', page)[1]
    owner.post(again)
    with scopes_disabled():
        assert Invitation.objects.get().role == "viewer"
    assert len(mailoutbox) == 2


# --- from the mail into the team ---------------------------------------------------------------


def test_a_new_person_signs_up_through_the_link(link, people):
    client = Client()
    page = main_of(client.get(link))
    for words in ("Join Acme", "owner@acme.example", NEW, "a member"):
        assert words in page
    assert not User.objects.filter(email=NEW).exists(), "looking makes nothing"
    answer = client.post(link, {"name": "Nia", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain == [("/t/acme/", 302)]
    assert "You have joined Acme as a member" in main_of(answer)
    user = User.objects.get(email=NEW)
    assert user.name == "Nia"
    assert EmailAddress.objects.get(user=user).verified
    assert place_of(user).accepted_at is not None
    assert client.get(link)["Location"] == "/t/acme/", "the link leads its owner home"
    assert Client().get(link).status_code == 404
    assert Client().login(email=NEW, password=PASSWORD)


def test_a_weak_password_is_refused(link, people):
    answer = Client().post(link, {"password": "12345678"})
    assert "too common" in main_of(answer)
    assert not User.objects.filter(email=NEW).exists()


def test_signing_up_on_the_usual_page_after_the_link_needs_no_second_mail(link, people, mailoutbox):
    client = Client()
    client.get(link)
    assert f'value="{NEW}"' in client.get(f"/accounts/signup/?next={link}").content.decode()
    answer = client.post(
        "/accounts/signup/", {"email": NEW, "password1": PASSWORD, "next": link}, follow=True
    )
    assert answer.redirect_chain == [(link, 302)]
    assert "Join Acme" in main_of(answer)
    assert place_of(User.objects.get(email=NEW)) is None
    assert "You have joined" in main_of(client.post(link, follow=True))


def test_another_address_signed_up_after_the_link_is_not_proved_by_it(link, people):
    client = Client()
    client.get(link)
    client.post("/accounts/signup/", {"email": "evil@acme.example", "password1": PASSWORD})
    assert not EmailAddress.objects.get(email="evil@acme.example").verified


def test_a_person_with_an_account_logs_in_and_comes_back(owner, people, mailoutbox):
    invite(owner, "stranger@acme.example", "admin")
    path = link_in(mailoutbox[0])
    client = Client()
    page = main_of(client.get(path))
    assert "You have an account with this address" in page
    assert "password" not in page
    login = re.search(r'href="(/accounts/login/\?next=[^"]+)"', page)[1]
    assert path in client.get(login).content.decode()
    answer = client.post(
        "/accounts/login/",
        {"login": "stranger@acme.example", "password": PASSWORD, "next": path},
        follow=True,
    )
    assert answer.redirect_chain == [(path, 302)]
    assert place_of(people.stranger) is None, "a GET accepts nothing"
    answer = client.post(path, follow=True)
    assert "You have joined Acme as an admin" in main_of(answer)
    menu = answer.content.decode()
    assert "/t/elsewhere/" in menu, "the other team is a click away"


def test_another_account_is_told_so_and_gets_nothing(link, browse, people):
    client = browse(people.stranger)
    page = main_of(client.get(link))
    assert "This invitation is for new@acme.example alone" in page
    assert f'name="next" value="{link}"' in page
    assert "alone" in main_of(client.post(link))
    assert place_of(people.stranger) is None
    answer = client.post("/accounts/logout/", {"next": link}, follow=True)
    assert "Sign up and join" in main_of(answer)


def test_an_unconfirmed_address_is_asked_to_be_confirmed(link, browse, people):
    user = User.objects.create_user(NEW, PASSWORD)
    EmailAddress.objects.create(user=user, email=NEW, verified=False)
    client = browse(user)
    assert "is not confirmed yet" in main_of(client.get(link))
    client.post(link)
    assert place_of(user) is None


def test_an_expired_link_says_so(link, browse, people):
    with scopes_disabled():
        Invitation.objects.update(expires_at=now() - timedelta(seconds=1))
    for client in (Client(), browse(people.stranger)):
        assert client.get(link).status_code == 404
        assert client.post(link, {"password": PASSWORD}).status_code == 404
    assert not User.objects.filter(email=NEW).exists()


def test_a_link_without_its_slash_works_and_an_unknown_one_does_not(link, people):
    assert Client().get(link.rstrip("/")).status_code == 200
    for odd in ("x" * 43, "%00", "%F0%9F%98%80", "é"):
        assert Client().get(f"/invitations/{odd}/").status_code == 404


def test_a_place_that_was_made_is_taken_through_the_link(people, mailoutbox):
    access = access_for_member(people.owner, "acme")
    member = add_member(access=access, email=NEW, name="Nia", role="admin", now=now())
    client = Client()
    path = link_in(mailoutbox[0])
    assert 'value="Nia"' in main_of(client.get(path))
    client.post(path, {"name": "Nia", "password": PASSWORD})
    assert place_of(member.user).pk == member.pk
    assert client.get(LIST).status_code == 200


def test_whoever_has_yet_to_accept_is_offered_it_at_the_start(people, browse):
    user = User.objects.create_user(NEW, PASSWORD)
    verify_address(user)
    access = access_for_member(people.owner, "acme")
    add_member(access=access, email=NEW, name="", role="member", now=now())
    client = browse(user)
    assert client.get("/t/acme/").status_code == 404
    answer = client.get("/", follow=True)
    assert answer.redirect_chain == [("/invitations/", 302)]
    page = main_of(answer)
    assert "You are invited to <bdi>Acme</bdi> as a member" in page
    accept = re.search(r'action="(/invitations/[^"]+/accept)"', page)[1]
    assert client.get(accept).status_code == 405
    assert browse(people.stranger).post(accept).status_code == 404
    assert Client().post(accept)["Location"].startswith("/accounts/login/")
    assert client.post(accept, follow=True).redirect_chain == [("/t/acme/", 302)]
    assert "No invitation" in main_of(client.get("/invitations/"))


def test_members_of_a_team_find_other_invitations_in_the_menu(owner, people, browse):
    client = browse(people.stranger)
    assert "/invitations/" not in client.get("/t/elsewhere/").content.decode()
    invite(owner, "stranger@acme.example")
    assert client.get("/t/elsewhere/").content.decode().count('href="/invitations/"') == 2
    assert client.get("/")["Location"] == "/t/elsewhere/"


# --- roles, removing, leaving --------------------------------------------------------------------


def test_a_role_is_changed_in_the_list(owner, people):
    member = place_of(people.member)
    answer = owner.post(f"{LIST}/{member.pk}/role", {"role": "admin"}, follow=True)
    assert "member@acme.example is now admin" in main_of(answer)
    assert place_of(people.member).role == "admin"
    owner.post(f"{LIST}/{member.pk}/role", {"role": "king"})
    assert place_of(people.member).role == "admin"


def test_the_last_owner_is_kept(owner, people):
    mine = place_of(people.owner)
    answer = owner.post(f"{LIST}/{mine.pk}/role", {"role": "viewer"}, follow=True)
    assert "is the last owner" in main_of(answer)
    assert "is the last owner" in main_of(owner.post(f"{LIST}/leave", follow=True))
    assert place_of(people.owner).role == "owner"


def test_removing_asks_by_name_first(owner, people, browse):
    member = place_of(people.member)
    theirs = browse(people.member)
    assert theirs.get("/t/acme/").status_code == 200
    page = main_of(owner.get(f"{LIST}/{member.pk}/remove"))
    assert "Remove member@acme.example?" in page
    assert place_of(people.member) is not None
    answer = owner.post(f"{LIST}/{member.pk}/remove", follow=True)
    assert "is no longer in the team" in main_of(answer)
    assert theirs.get("/t/acme/").status_code == 404, "an open session ends with the place"


def test_anybody_leaves_after_being_asked(people, browse):
    client = browse(people.viewer)
    assert "Leave Acme?" in main_of(client.get(f"{LIST}/leave"))
    assert place_of(people.viewer) is not None
    answer = client.post(f"{LIST}/leave", follow=True)
    assert place_of(people.viewer) is None
    assert answer.redirect_chain[-1][0] == "/t/new"


def test_an_admin_has_no_say_over_owners(people, browse):
    with scopes_disabled():
        Membership.objects.filter(user=people.member).update(role="admin")
    client = browse(people.member)
    boss = place_of(people.owner)
    page = main_of(client.get(LIST))
    assert str(boss.pk) not in page
    assert 'value="owner"' not in page
    assert client.post(f"{LIST}/{boss.pk}/role", {"role": "viewer"}).status_code == 403
    assert client.get(f"{LIST}/{boss.pk}/remove").status_code == 403
    assert client.post(f"{LIST}/{boss.pk}/remove").status_code == 403
    low = place_of(people.viewer)
    assert client.post(f"{LIST}/{low.pk}/role", {"role": "owner"}).status_code == 403
    assert "not one of the available choices" in main_of(invite(client, NEW, "owner"))


@pytest.mark.parametrize("who", ["member", "viewer"])
def test_others_see_the_list_only(people, browse, owner, who):
    invite(owner)
    page = main_of(browse(getattr(people, who)).get(LIST))
    assert NEW in page
    assert 'method="post"' not in page
    assert "Invite somebody" not in page
    assert page.partition("</nav>")[2].count("<a ") == 1, "to leave"


def test_hostile_names_are_shown_as_text(people, owner, mailoutbox):
    people.team.name = '<b>x</b>\u202e"'
    people.team.save()
    people.member.name = "<i>me</i>\u202e"
    people.member.save()
    invite(owner)
    for page in (main_of(owner.get(LIST)), main_of(Client().get(link_in(mailoutbox[0])))):
        assert "<b>x" not in page
        assert "<i>me" not in page
        assert "\u202e" not in page
