"""Searching in the lists around on-call: words and filters in the address, counts, empty states."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_scopes import scopes_disabled

from incidents.console.searching import says
from incidents.destinations import create_channel
from incidents.maintenance.maintenances import create_maintenance
from incidents.models import Channel
from incidents.policies.policies import StepValues, create_policy
from incidents.rules import create_rule
from tests.console.rotas import make_rotation, places

HOUR = timedelta(hours=1)


def shown(client, address):
    page = client.get(address).content.decode()
    return page[page.index("<main") :]


def chips(page):
    """Return what the chips count, by their words."""
    found = re.findall(r'<a class="chip" [^>]*>([^<]+) <span class="num">(\d+)</span>', page)
    return {word.strip(): int(number) for word, number in found}


def test_every_word_must_stand_somewhere_in_any_case():
    assert says("night DB", ["the db", "Nights"])
    assert not says("night x", ["the db", "Nights"])
    assert says("  ", [None])


def test_policies_by_what_they_page_and_whether_a_rule_follows(owner, people):
    ana = places(people)["member"]
    steps = [StepValues(delay=0, targets=[ana])]
    used = create_policy(team=people.team, name="Day line", repeat=0, steps=steps)
    create_policy(team=people.team, name="Night line", repeat=0, steps=[])
    create_rule(team=people.team, name="all", match={}, policy=used)
    address = "/t/acme/on-call/policies/"
    page = shown(owner, f"{address}?search=MEMBER@acme")
    assert "Day line" in page
    assert "Night line" not in page
    assert chips(page) == {"All": 1, "Followed by a rule": 1, "Followed by none": 0}
    page = shown(owner, f"{address}?used=no")
    assert "Night line" in page
    assert "Day line" not in page
    assert "No policy matches" in shown(owner, f"{address}?search=none")
    assert "Night line" in shown(owner, f"{address}?used=nonsense")


def test_channels_by_name_kind_and_whether_they_are_in_use(owner, people):
    for name in ("ops", "chat"):
        create_channel(
            team=people.team, name=name, kind="email", config={"to": [f"{name}@acme.example"]}
        )
    with scopes_disabled():
        Channel.objects.filter(name="chat").update(disabled_at=now())
    page = shown(owner, "/t/acme/channels/?search=ops%40acme")
    assert "ops@acme.example" in page
    assert "chat@acme.example" not in page
    page = shown(owner, "/t/acme/channels/?state=disabled")
    assert "chat@acme.example" in page
    assert "ops@acme.example" not in page
    assert chips(page) == {"All": 2, "In use": 1, "Disabled": 1}
    page = shown(owner, "/t/acme/channels/?search=none")
    assert "No channel matches" in page
    assert "Where incidents go" in page, "what it is about is there whatever is searched for"


def test_windows_by_name_and_state(owner, people, monitor):
    for name, hours in (("deploy", -1), ("upgrade", 5)):
        create_maintenance(
            team=people.team,
            name=name,
            monitors=[monitor],
            starts_at=now() + hours * HOUR,
            ends_at=now() + (hours + 2) * HOUR,
        )
    page = shown(owner, "/t/acme/maintenance/?search=UPG")
    assert "upgrade" in page
    assert "deploy" not in page
    page = shown(owner, "/t/acme/maintenance/?state=on")
    assert "deploy" in page
    assert "upgrade" not in page
    assert chips(page) == {"All": 2, "On now": 1, "Coming up": 1, "Over": 0}
    assert "No window matches" in shown(owner, "/t/acme/maintenance/?search=none%00x")
    assert "Maintenance now" in shown(owner, "/t/acme/")


def test_members_by_whether_a_page_reaches_them(owner, people):
    page = shown(owner, "/t/acme/on-call/contacts/?search=viewer")
    everybody = page[page.index("Everybody") :]
    assert "viewer@acme.example" in everybody
    assert "member@acme.example" not in everybody
    make_rotation(people, "member")
    page = shown(owner, "/t/acme/on-call/contacts/?people=duty")
    everybody = page[page.index("Everybody") :]
    assert "member@acme.example" in everybody
    assert "viewer@acme.example" not in everybody
    assert "Nobody matches" in shown(owner, "/t/acme/on-call/contacts/?search=none")


def test_rotations_by_name_and_by_whoever_is_on_call(owner, browse, people):
    make_rotation(people, "owner", name="storage")
    make_rotation(people, "member", name="network", zone="Asia/Tokyo")
    page = shown(owner, "/t/acme/on-call/?search=MEMBER@")
    assert "network" in page
    assert "storage" not in page
    page = shown(browse(people.member), "/t/acme/on-call/?who=mine")
    assert "network" in page
    assert "storage" not in page
    assert chips(page)["I take turns"] == 1
    assert "No rotation matches" in shown(owner, "/t/acme/on-call/?who=nobody")


def test_a_month_is_also_a_list_for_narrow_screens(owner, people):
    rotation = make_rotation(people, "owner", "member")
    page = shown(owner, f"/t/acme/on-call/rotations/{rotation.pk}/?month=2027-03")
    agenda = page[page.index('class="agenda"') :]
    agenda = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", agenda[: agenda.index("</ol>")]))
    assert "Mon 1 Mar 09:00 to Mon 8 Mar 09:00" in agenda
    assert "owner@acme.example" in agenda
    assert "member@acme.example" in agenda


@pytest.mark.parametrize("place", ["on-call/", "on-call/policies/", "channels/", "maintenance/"])
def test_searching_asks_no_more_than_not_searching(owner, people, monitor, place):
    make_rotation(people, "owner")
    create_policy(team=people.team, name="Day", repeat=0, steps=[])
    create_channel(team=people.team, name="a", kind="email", config={"to": ["a@acme.example"]})
    create_maintenance(
        team=people.team, name="w", monitors=[monitor], starts_at=now(), ends_at=now() + HOUR
    )
    address = f"/t/acme/{place}"
    owner.get(address)
    with CaptureQueriesContext(connection) as plain:
        owner.get(address)
    with CaptureQueriesContext(connection) as searched:
        owner.get(f"{address}?search=a")
    assert len(searched) <= len(plain)
