"""Finding anything of a team's by a few letters, in every room, and nothing of anybody else."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_scopes import scopes_disabled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Membership, Team
from incidents.destinations import create_channel
from incidents.lifecycle.lanes import advance
from incidents.maintenance.maintenances import create_maintenance
from incidents.oncall.rotations import create_rotation
from incidents.policies.policies import create_policy
from incidents.rules import create_rule
from statuspages.services.pages import create_page
from tests.console.personas import make_incident, make_monitor, push

FIND = "/t/acme/find"
HTMX = {"HX-Request": "true"}
KINDS = {
    "Monitors",
    "Incidents",
    "Rotations",
    "Escalation policies",
    "Alert rules",
    "Channels",
    "Maintenance windows",
    "Status pages",
    "Members",
}


def make_everything(team, word):
    """Return the monitor of a set of things that all have `word` in their names."""
    monitor = make_monitor(team, name=f"{word}-job")
    make_incident(monitor)
    create_rotation(team=team, name=f"{word} rota", timezone="Europe/Berlin", layers=[])
    create_policy(team=team, name=f"{word} ladder", steps=[])
    create_rule(team=team, name=f"{word} rule", match={})
    create_channel(team=team, name=f"{word} mail", kind="email", config={"to": "a@acme.example"})
    create_maintenance(
        team=team,
        name=f"{word} night",
        monitors=[monitor],
        starts_at=now() + timedelta(hours=1),
        ends_at=now() + timedelta(hours=2),
    )
    create_page(team=team, name=f"{word} status", slug=f"{word}-{team.slug}")
    return monitor


def found(client, text, address=FIND):
    """Return what the palette is given: hits by kind, as (name, address)."""
    answer = client.get(f"{address}?q={quote(text)}", headers=HTMX)
    assert answer.status_code == 200
    groups = {}
    for group in re.split(r'<div role="group"', answer.content.decode())[1:]:
        title = unescape(re.match(r' aria-label="([^"]*)"', group)[1])
        hits = re.findall(r'data-href="([^"]*)"><span class="palette-name">([^<]*)<', group)
        groups[title] = [(unescape(name), href) for href, name in hits]
    return groups


@pytest.fixture
def everything(people):
    with scopes_disabled():
        member = Membership.objects.get(team=people.team, user=people.member)
        member.user.name = "Zebra Ana"
        member.user.save()
    return make_everything(people.team, "zebra")


def test_every_kind_is_found_and_every_address_leads_there(owner, everything):
    groups = found(owner, "ZEBRA")
    assert set(groups) == KINDS
    assert next(iter(groups)) == "Monitors"
    for hits in groups.values():
        assert len(hits) == 1
        assert "zebra" in hits[0][0].lower()
        assert owner.get(hits[0][1].partition("#")[0]).status_code == 200


def test_the_page_without_a_script_finds_the_same(owner, everything):
    page = owner.get(f"{FIND}?q=zebra").content.decode()
    for hits in found(owner, "zebra").values():
        assert f'href="{hits[0][1]}"' in page
    assert "9 found" in page


def test_viewers_are_led_to_pages_that_they_may_open(people, everything, browse):
    client = browse(people.viewer)
    for hits in found(client, "zebra").values():
        assert client.get(hits[0][1].partition("#")[0]).status_code == 200
    page = client.get(FIND).content.decode()
    for forbidden in ("monitors/new", "settings/keys", "settings/audit", "channels/new"):
        assert forbidden not in page


def test_every_place_can_be_opened_by_whom_it_is_shown_to(people, browse):
    for user in (people.owner, people.member, people.viewer):
        client = browse(user)
        page = client.get(FIND).content.decode()
        places = set(re.findall(r'<li><a href="(/[^"]*)"', page))
        assert len(places) > 10
        for address in places:
            assert client.get(address, follow=True).status_code == 200, (user, address)


def test_nothing_of_another_team_is_found(people, everything, browse):
    with scopes_disabled():
        elsewhere = Team.objects.get(slug="elsewhere")
    make_everything(elsewhere, "okapi")
    assert found(browse(people.owner), "okapi") == {}
    assert found(browse(people.stranger), "zebra", "/t/elsewhere/find") == {}
    assert browse(people.stranger).get(f"{FIND}?q=zebra").status_code == 404


def test_an_ended_session_is_told_to_load_the_whole_page(people, browse):
    answer = browse(None).get(f"{FIND}?q=zebra", headers=HTMX)
    assert answer["HX-Refresh"] == "true"
    assert answer.content == b""


def test_one_letter_asks_no_room(owner, everything):
    with CaptureQueriesContext(connection) as idle:
        owner.get(FIND, headers=HTMX)
    for text in ("z", " z ", "  ", "z\0"):
        with CaptureQueriesContext(connection) as done:
            assert found(owner, text) == {}
        assert len(done) == len(idle)
    assert "Write at least 2 letters." in owner.get(f"{FIND}?q=z").content.decode()


def test_all_words_must_fit_in_any_order_and_any_case(people, owner):
    make_monitor(people.team, name="backup-eu", namespace="acme")
    make_monitor(people.team, name="backup-us", description="the EU copy is elsewhere")
    make_monitor(people.team, name="import")
    names = [name for name, _ in found(owner, "EU back")["Monitors"]]
    assert names == ["backup-eu", "backup-us"]  # what is named so goes first
    assert "Monitors" not in found(owner, "backup asia")
    assert [name for name, _ in found(owner, "acme impo")["Monitors"]] == ["import"]


def test_wildcards_are_letters_like_others(people, owner):
    make_monitor(people.team, name="abc")
    for text in ("a%c", "%%", "__", "a_c", "\\\\"):
        assert "Monitors" not in found(owner, text)


def test_open_incidents_come_before_resolved_ones(people, owner):
    old = make_monitor(people.team, name="disk-a")
    make_incident(old)
    make_incident(make_monitor(people.team, name="disk-b"))
    push(old)  # over
    assert {name for name, _ in found(owner, "disk")["Incidents"]} == {"disk-a", "disk-b"}
    advance()
    assert [name for name, _ in found(owner, "disk")["Incidents"]] == ["disk-b", "disk-a"]


def test_few_in_the_palette_more_on_the_page_and_always_as_many_queries(people, owner):
    make_monitor(people.team, name="lamp-00")
    with CaptureQueriesContext(connection) as one:
        found(owner, "lamp")
    for n in range(1, 30):
        make_monitor(people.team, name=f"lamp-{n:02}")
    with CaptureQueriesContext(connection) as many:
        hits = found(owner, "lamp")["Monitors"]
    assert [name for name, _ in hits] == [f"lamp-{n:02}" for n in range(6)]
    assert len(many) == len(one)
    page = owner.get(f"{FIND}?q=lamp").content.decode()
    assert page.count("/t/acme/monitors/0") + page.count("lamp-") >= 25
    assert "The first 25: write more letters to see others" in page
    assert "lamp-25" not in page


def test_foreign_names_are_shown_as_text(people, owner):
    create_policy(team=people.team, name='<b onclick="x">zebra</b> \u202e', steps=[])
    for headers in ({}, HTMX):
        page = owner.get(f"{FIND}?q=zebra", headers=headers).content.decode()
        assert "&lt;b onclick=&quot;x&quot;&gt;zebra" in page
        assert "\u202e" not in page
    page = owner.get(f"{FIND}?q={quote('<script>alert(1)')}").content.decode()
    assert "<script>alert" not in page


def test_an_invited_persons_own_name_is_not_looked_through(people, owner):
    with scopes_disabled():
        Membership.objects.create(
            team=people.team,
            user=people.stranger,
            role="viewer",
            accepted_at=None,
            given_name="Gnu Guest",
        )
    people.stranger.name = "Secret Lemur"
    people.stranger.save()
    assert found(owner, "lemur") == {}
    assert [name for name, _ in found(owner, "gnu")["Members"]] == ["Gnu Guest"]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=150))
def test_whatever_is_typed_is_answered(owner, text):
    for headers in ({}, HTMX):
        assert owner.get(FIND, {"q": text}, headers=headers).status_code == 200


@pytest.mark.parametrize("raw", ["%00%00", "%ED%A0%80%ED%A0%80", "%ff%fe", "q" * 5_000, "&q=&q=ab"])
def test_bytes_that_are_no_text_are_answered_too(owner, raw):
    assert owner.get(f"{FIND}?q={raw}").status_code == 200
