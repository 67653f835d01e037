"""The audit log in the console."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils.timezone import now
from django_scopes import scope

from accounts.access import access_for_member
from accounts.audit import acting
from accounts.invitations import create_invitation
from incidents.notifications.links import Link, acknowledge_url
from monitors.services import rotate_slug, rotate_token, update_monitor
from tests.console.personas import make_incident, make_monitor

PAGE = "/t/acme/settings/audit"


def look(client, query=""):
    answer = client.get(f"{PAGE}{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def change(monitor, actor, **fields):
    with acting(actor, address="192.0.2.7"):
        update_monitor(monitor=monitor, **fields)


def test_an_empty_log_teaches(owner):
    page = look(owner)
    assert "Nothing has been changed yet" in page
    assert "<form" not in page[page.index("<main") :]


def test_a_change_by_the_console_is_shown_with_who_and_what(owner, people):
    owner.post("/t/acme/settings/keys", {"name": "terraform", "scope": "read"})
    page = look(owner)
    assert "API key created: terraform" in page
    assert people.owner.email in page
    assert "(hidden)" in page
    assert "127.0.0.1" in page


def test_before_and_after_are_escaped_texts(owner, people):
    monitor = make_monitor(people.team, name="watched")
    change(monitor, "ana@acme.example", description="<b>new</b>")
    change(monitor, "ana@acme.example", description="")
    page = look(owner)
    assert "&lt;b&gt;new&lt;/b&gt;" in page
    assert "removed" in page
    assert "<b>new" not in page


def test_parts_and_secrets_are_told_in_words(owner, people):
    monitor = make_monitor(people.team, name="watched")
    with acting("ana@acme.example"):
        update_monitor(monitor=monitor, labels={"env": "prod", "tier": "1"})
        rotate_token(monitor=monitor)
        rotate_slug(monitor=monitor)
    page = look(owner)
    assert "env: prod, tier: 1" in page
    assert "<dt>token</dt>" in page
    assert "changed; it is never shown" in page
    assert "value: (hidden), is current: true" in page


def test_the_log_is_searched_and_filtered(owner, people):
    one, two = (make_monitor(people.team, name=name) for name in ("one-disk", "two-disk"))
    change(one, "ana@acme.example", grace=7)
    change(two, "bob@acme.example", grace=7)

    def shown(query):
        page = look(owner, query)
        return [name for name in ("one-disk", "two-disk") if f": {name}" in page]

    assert shown("") == ["one-disk", "two-disk"]
    assert shown("?search=one") == ["one-disk"]
    assert shown("?search=BOB@") == ["two-disk"]
    assert shown("?actor=ana@acme.example") == ["one-disk"]
    assert shown("?kind=channel") == []
    assert shown("?kind=nonsense&since=never&page=x") == ["one-disk", "two-disk"]
    assert shown("?since=2020-01-01") == ["one-disk", "two-disk"]
    assert shown("?until=2020-01-01") == []
    assert "No change matches" in look(owner, "?search=%00nothing")


def test_long_logs_have_pages_that_keep_the_filter(owner, people):
    monitor = make_monitor(people.team, name="watched")
    for grace in range(1, 52):
        change(monitor, "ana@acme.example", grace=grace)
    page = look(owner, "?kind=monitor")
    assert "51 changes" in page
    assert "?kind=monitor&amp;page=2" in page


def test_the_log_is_another_teams_own(owner, browse, people):
    change(make_monitor(people.team, name="watched"), "ana@acme.example", grace=9)
    page = browse(people.stranger).get("/t/elsewhere/settings/audit").content.decode()
    assert "Nothing has been changed yet" in page


@pytest.mark.parametrize("who", ["member", "viewer"])
def test_it_is_for_administrators(browse, people, who):
    client = browse(getattr(people, who))
    assert client.get(PAGE).status_code == 403
    assert PAGE not in client.get("/t/acme/settings/members").content.decode()


def test_whoever_makes_a_team_or_joins_one_is_named(browse, people):
    client = browse(people.stranger)
    client.post("/t/new", {"name": "Fresh", "slug": "fresh"})
    page = client.get("/t/fresh/settings/audit").content.decode()
    assert f"Member created: {people.stranger.email}" in page
    assert "Namespace created: fresh" in page
    invitation = create_invitation(
        access=access_for_member(people.owner, "acme"),
        email=people.stranger.email,
        role="member",
        now=now(),
    )
    client.post(f"/invitations/{invitation.pk}/accept")
    page = look(browse(people.owner), f"?actor={people.stranger.email}")
    assert f"Member created: {people.stranger.email}" in page
    assert f"Invitation updated: {people.stranger.email}" in page


def test_a_link_that_acknowledges_is_its_receivers_deed(owner, people):
    incident = make_incident(make_monitor(people.team, name="watched"))
    link = Link(incident.pk, people.owner.email)
    Client().post(urlsplit(acknowledge_url(link, sent_at=now())).path)
    page = look(owner, "?kind=incident")
    assert "Incident updated: watched" in page
    assert f"{people.owner.email} (by link)" in page


def test_an_instant_is_told_in_the_readers_zone(owner, people):
    people.owner.timezone = "Asia/Tokyo"
    people.owner.save()
    with scope(team=people.team), acting(people.owner.email):
        people.team.delete_at = now() + timedelta(days=7)
        people.team.save()
    page = look(owner)
    assert "to be deleted" in page
    assert "JST" in page
    assert "+00:00" not in page[page.index("<table") :]
