"""A team's settings: its name, its namespaces, who owns it, and its end."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.access import access_for_member
from accounts.members import add_member
from accounts.models import AuditEvent, Membership, Namespace, Team
from accounts.teams import create_namespace, create_team
from tests.console.personas import make_monitor

SETTINGS = "/t/acme/settings"


def main_of(answer):
    page = answer.content.decode()
    return page[page.index("<main") : page.index("</main>")]


def place_of(user):
    with scopes_disabled():
        return Membership.objects.filter(user=user, team__slug="acme").first()


@pytest.fixture
def admin(people, browse):
    with scopes_disabled():
        Membership.objects.filter(user=people.member).update(role="admin")
    return browse(people.member)


# --- the sub-navigation and the name -----------------------------------------------------------


def test_each_role_finds_its_pages_in_the_sub_navigation(people, browse, owner):
    everybody = ["team", "members", "namespaces", "usage"]
    for client, wanted in (
        (browse(people.viewer), everybody),
        (owner, ["team", "members", "keys", "namespaces", "usage", "audit", "export"]),
    ):
        page = main_of(client.get(f"{SETTINGS}/", follow=True))
        found = re.findall(r'href="/t/acme/settings/([a-z]+)"', page[: page.index("</nav>")])
        assert found == wanted
        for name in found:
            shown = main_of(client.get(f"{SETTINGS}/{name}"))
            assert shown.count('aria-current="page"') == 1, name


def test_a_team_is_renamed_by_admins_and_the_log_says_so(people, browse, owner):
    answer = owner.post(f"{SETTINGS}/team/rename", {"name": "Acme & Sons"}, follow=True)
    assert "The team is now called Acme &amp; Sons." in main_of(answer)
    team = Team.objects.get(slug="acme")
    assert team.name == "Acme & Sons"
    with scopes_disabled():
        event = AuditEvent.objects.get(kind="team")
    assert (event.actor, event.before, event.after) == (
        "owner@acme.example",
        {"name": "Acme"},
        {"name": "Acme & Sons"},
    )
    assert browse(people.member).post(f"{SETTINGS}/team/rename", {"name": "x"}).status_code == 403


@pytest.mark.parametrize("name", ["", " ", "x" * 121, "a\x00b"])
def test_a_name_that_is_none_is_said_beside_the_field(owner, name):
    answer = owner.post(f"{SETTINGS}/team/rename", {"name": name})
    assert answer.status_code == 200
    assert 'class="invalid-feedback"' in main_of(answer)
    assert Team.objects.get(slug="acme").name == "Acme"


# --- ownership ----------------------------------------------------------------------------------


def test_an_owner_hands_the_team_over_after_being_asked_by_name(people, owner):
    member = place_of(people.member)
    path = f"{SETTINGS}/members/{member.pk}/owner"
    assert path in main_of(owner.get(f"{SETTINGS}/members"))
    assert "Hand the team over to <bdi>member@acme.example</bdi>?" in main_of(owner.get(path))
    assert place_of(people.member).role == "member"
    answer = owner.post(path, follow=True)
    assert "member@acme.example is now owner, and you are admin." in main_of(answer)
    assert (place_of(people.member).role, place_of(people.owner).role) == ("owner", "admin")
    assert owner.get(path).status_code == 403, "an admin hands nothing over"


def test_nothing_is_handed_over_to_whoever_has_not_joined(people, owner):
    member = add_member(
        access=access_for_member(people.owner, "acme"),
        email="new@acme.example",
        name="",
        role="admin",
        now=now(),
    )
    path = f"{SETTINGS}/members/{member.pk}/owner"
    assert 'method="post"' not in main_of(owner.get(path))
    assert "has not joined yet" in main_of(owner.post(path, follow=True))
    assert place_of(people.owner).role == "owner"
    mine = f"{SETTINGS}/members/{place_of(people.owner).pk}/owner"
    assert "owner already" in main_of(owner.post(mine, follow=True))


def test_ownership_asks_for_the_password_of_whoever_logged_in_long_ago(people, owner):
    session = owner.session
    session["signed_in_at"] = 0
    session.pop("account_authentication_methods", None)
    session.save()
    pk = place_of(people.member).pk
    for path, fields in (
        (f"members/{pk}/owner", {}),
        (f"members/{pk}/role", {"role": "owner"}),
        ("keys", {"name": "ci", "scope": "read"}),
        ("team/delete", {"slug": "acme"}),
        ("export", {}),
    ):
        answer = owner.post(f"{SETTINGS}/{path}", fields)
        assert answer.status_code == 302, path
        assert "/accounts/reauthenticate/" in answer["Location"], path
    assert place_of(people.member).role == "member"
    assert Team.objects.get(slug="acme").delete_at is None


# --- members ------------------------------------------------------------------------------------


def test_members_are_searched_and_filtered_by_the_address(owner):
    page = main_of(owner.get(f"{SETTINGS}/members?search=VIEWER"))
    assert "viewer@acme.example" in page
    assert "member@acme.example" not in page
    page = main_of(owner.get(f"{SETTINGS}/members?role=owner"))
    assert "owner@acme.example" in page
    assert "viewer@acme.example" not in page
    assert "Nobody matches" in main_of(owner.get(f"{SETTINGS}/members?search=%00nobody&role=king"))


def test_what_each_role_may_do_is_a_table(people, browse):
    page = main_of(browse(people.viewer).get(f"{SETTINGS}/members"))
    table = page[page.index("What each role may do") :]
    assert re.findall(r'scope="col">(\w+)<', table) == ["Owner", "Admin", "Member", "Viewer"]
    rows = [re.findall(r">(yes|no)<", row) for row in table.split("<tr>")[2:]]
    assert ["yes"] * 4 in rows
    assert ["yes", "no", "no", "no"] in rows
    assert all(len(row) == 4 for row in rows)


# --- namespaces ---------------------------------------------------------------------------------


def test_namespaces_say_what_they_hold(people, owner):
    make_monitor(people.team, name="a", namespace="web")
    make_monitor(people.team, name="b", namespace="web")
    page = main_of(owner.get(f"{SETTINGS}/namespaces"))
    row = page[page.index("<span>web</span>") :].split("</tr>")[0]
    assert "2 monitors" in row
    assert "release" not in row
    own = page[page.index("<span>acme</span>") :].split("</tr>")[0]
    assert "the team&#x27;s own" in own or "the team's own" in own
    assert "release" not in own


def test_a_free_namespace_is_claimed_and_a_taken_one_explained(owner):
    path = f"{SETTINGS}/namespaces"
    assert "The namespace web is yours." in main_of(owner.post(path, {"name": "web"}, follow=True))
    assert "has this namespace already" in main_of(owner.post(path, {"name": "web"}))
    page = main_of(owner.post(path, {"name": "elsewhere"}))
    assert "is taken by another team of this installation" in page
    for bad in ("", "Web", "a_b", "x" * 64, "a\x00"):
        assert 'class="invalid-feedback"' in main_of(owner.post(path, {"name": bad})), bad


def test_an_empty_namespace_is_released_after_being_asked_by_name(people, owner):
    spare = create_namespace(team=people.team, name="spare")
    path = f"{SETTINGS}/namespaces/{spare.pk}/release"
    assert path in main_of(owner.get(f"{SETTINGS}/namespaces"))
    assert "Release spare?" in main_of(owner.get(path))
    answer = owner.post(path, follow=True)
    assert "The namespace spare is free" in main_of(answer)
    with scopes_disabled():
        assert not Namespace.objects.filter(name="spare").exists()
    assert owner.post(path).status_code == 404


def test_a_namespace_in_use_and_the_teams_own_stay(people, owner):
    monitor = make_monitor(people.team, name="a", namespace="web")
    with scopes_disabled():
        own = Namespace.objects.get(name="acme")
    for namespace in (monitor.namespace, own):
        path = f"{SETTINGS}/namespaces/{namespace.pk}/release"
        assert "Release it" not in main_of(owner.get(path))
        assert 'method="post"' not in main_of(owner.get(path))
        assert 'role="alert"' in main_of(owner.post(path))
        with scopes_disabled():
            assert Namespace.objects.filter(pk=namespace.pk).exists()


def test_the_list_of_namespaces_costs_the_same_however_long(people, owner):
    def cost():
        with CaptureQueriesContext(connection) as done:
            assert owner.get(f"{SETTINGS}/namespaces").status_code == 200
        return len(done)

    owner.get(f"{SETTINGS}/namespaces")
    before = cost()
    for number in range(20):
        make_monitor(people.team, name="m", namespace=f"space-{number}")
    assert cost() == before
    assert "space-7" in main_of(owner.get(f"{SETTINGS}/namespaces?search=space-7"))
    assert "space-8" not in main_of(owner.get(f"{SETTINGS}/namespaces?search=space-7"))


# --- deletion -----------------------------------------------------------------------------------


def test_a_team_is_deleted_by_typing_its_short_name_and_kept_by_a_button(people, owner, browse):
    path = f"{SETTINGS}/team/delete"
    assert path in main_of(owner.get(f"{SETTINGS}/team"))
    assert "In 7 days all of the team is erased" in main_of(owner.get(path))
    assert "This is not the team" in main_of(owner.post(path, {"slug": "elsewhere"}))
    assert Team.objects.get(slug="acme").delete_at is None
    mail.outbox.clear()
    answer = owner.post(path, {"slug": "acme"}, follow=True)
    assert "The team will be deleted" in main_of(answer)
    assert [message.to for message in mail.outbox] == [["owner@acme.example"]]
    for page in ("", "monitors/", "settings/usage", "incidents/"):
        assert "Keep the team" in main_of(owner.get(f"/t/acme/{page}")), page
    theirs = main_of(browse(people.viewer).get("/t/acme/"))
    assert "Acme will be deleted" in theirs
    assert "Keep the team" not in theirs
    assert browse(people.viewer).post(f"{SETTINGS}/team/keep").status_code == 403
    make_monitor(people.team, name="works-as-ever")
    answer = owner.post(f"{SETTINGS}/team/keep", follow=True)
    assert "The team is kept" in main_of(answer)
    assert "will be deleted" not in main_of(owner.get("/t/acme/"))


def test_an_admin_sees_that_only_owners_delete(admin):
    page = main_of(admin.get(f"{SETTINGS}/team"))
    assert "team/delete" not in page
    assert "Only an owner can do this." in page
    assert admin.get(f"{SETTINGS}/team/delete").status_code == 403
    assert admin.post(f"{SETTINGS}/team/delete", {"slug": "acme"}).status_code == 403


def test_once_its_time_has_come_a_team_is_as_missing_as_any(owner, people):
    Team.objects.filter(pk=people.team.pk).update(delete_at=Now() - timedelta(seconds=1))
    assert owner.get("/t/acme/").status_code == 404
    assert owner.post(f"{SETTINGS}/team/keep").status_code == 404
    assert owner.get("/").headers["Location"] != "/t/acme/"


# --- several teams --------------------------------------------------------------------------------


def test_few_teams_are_in_the_menu_and_many_are_searched(people, owner):
    def menu():
        page = owner.get(f"{SETTINGS}/team").content.decode()
        return page[: page.index("<main")]

    for number in range(7):
        create_team(slug=f"side-{number}", name=f"Side {number}", owner=people.owner)
    assert 'href="/t/side-6/"' in menu()
    assert "/teams/" not in menu()
    for number in range(7, 12):
        create_team(slug=f"side-{number}", name=f"Side {number}", owner=people.owner)
    assert 'href="/t/side-0/"' in menu()
    assert 'href="/t/side-11/"' not in menu()
    assert 'action="/teams/"' in menu()
    page = owner.get("/teams/?search=SIDE+11").content.decode()
    assert 'href="/t/side-11/"' in page
    assert 'href="/t/side-1/"' not in page
    assert "elsewhere" not in owner.get("/teams/").content.decode()
    assert "None of your teams" in owner.get("/teams/?search=%00elsewhere").content.decode()
