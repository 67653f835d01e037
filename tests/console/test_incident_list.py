"""The list of incidents: what its address filters, taking on several at once, and its speed."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.ids import uuid7
from incidents.lifecycle.actions import acknowledge_incident, resolve_incident
from incidents.models import Incident
from tests.console.personas import make_incident, make_monitor

LIST = "/t/acme/incidents/"


def names(client, query=""):
    page = client.get(f"{LIST}?{query}").content.decode()
    assert "<main" in page
    return re.findall(r'<td class="main"><span>(?:<input[^>]*> )?<a[^>]*>([^<]+)<', page)


def change(incident, **fields):
    with scopes_disabled():
        Incident.objects.filter(pk=incident.pk).update(**fields)


def states():
    with scopes_disabled():
        return dict(Incident.objects.values_list("monitor_name", "state"))


@pytest.fixture
def three(people):
    """Three open incidents of monitors "eu", "us" and "batch"."""
    eu = make_monitor(people.team, name="eu", labels={"region": "eu", "tier": "a:b"})
    us = make_monitor(people.team, name="us", labels={"region": "us"}, severity="info")
    batch = make_monitor(people.team, name="batch")
    found = [make_incident(monitor) for monitor in (eu, us, batch)]
    change(found[2], namespace="acme-batch", cause="silence", flapping=True)
    return found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("severity=info", ["us"]),
        ("severity=critical&cause=failure", ["eu"]),
        ("cause=silence", ["batch"]),
        ("cause=nonsense&severity=x", ["batch", "us", "eu"]),
        ("namespace=acme-batch", ["batch"]),
        ("namespace=elsewhere", []),
        ("label=region:eu", ["eu"]),
        ("label=region=eu", ["eu"]),
        ("label=tier:a:b", ["eu"]),
        ("label=region", []),
        ("flapping=1", ["batch"]),
        ("flapping=2", ["batch", "us", "eu"]),
        ("since=2020-01-01&until=2020-12-31", []),
        ("since=2020-01-01", ["batch", "us", "eu"]),
        ("until=0001-01-01&since=9999-12-31", ["batch", "us", "eu"]),
        ("since=soon&until=%00", ["batch", "us", "eu"]),
        ("monitor=nonsense", []),
        ("monitor=018f0000-0000-7000-8000-000000000000", []),
        ("search=B%00A", ["batch"]),
        ("by=me", []),
        ("label=%ED%A0%80&namespace=%ED%A0%80&by=%00", []),
    ],
)
def test_the_address_filters(owner, three, query, found):
    assert names(owner, query) == found


def test_a_monitors_incidents_also_when_it_is_deleted(owner, three):
    pk = three[0].monitor_id
    page = owner.get(f"{LIST}?monitor={pk}").content.decode()
    assert names(owner, f"monitor={pk}") == ["eu"]
    assert re.search(r'aria-current="true">eu <span aria-hidden="true">×', page)


def test_mine_and_those_of_somebody_else(owner, browse, people, three):
    acknowledge_incident(incident=three[0], actor="owner@acme.example")
    acknowledge_incident(incident=three[1], actor="member@acme.example (by link)")
    assert names(owner, "by=me") == ["eu"]
    assert names(owner, "by=member@acme.example") == ["us"]
    assert names(browse(people.member), "by=me") == ["us"]


def test_chips_count_what_the_other_filters_leave(owner, three):
    resolve_incident(incident=three[0], actor="x")
    page = owner.get(f"{LIST}?namespace=acme").content.decode()
    numbers = re.findall(r'(All|Open|Resolved)(?:</span>)* <span class="num">(\d+)', page)
    assert dict(numbers) == {"All": "2", "Open": "1", "Resolved": "1"}


def test_nothing_matching_leads_back_to_all(owner, three):
    page = owner.get(f"{LIST}?search=none").content.decode()
    assert "No incident matches" in page
    assert "Show all" in page


def test_a_team_without_incidents_learns_what_one_is(owner):
    page = owner.get(LIST).content.decode()
    assert "No incident yet" in page
    assert "Search incidents" not in page


def test_several_are_taken_on_at_once(owner, three):
    resolve_incident(incident=three[2], actor="x")
    answer = owner.post(
        f"{LIST}acknowledge",
        {"incident": [str(one.pk) for one in three], "back": "severity=&search=u"},
        follow=True,
    )
    assert answer.redirect_chain == [(f"{LIST}?severity=&search=u", 302)]
    assert "You have acknowledged 2 incidents: nobody else is paged." in answer.content.decode()
    assert states() == {"eu": "acknowledged", "us": "acknowledged", "batch": "resolved"}
    answer = owner.post(f"{LIST}acknowledge", {"incident": [str(three[0].pk)]}, follow=True)
    assert "Somebody else was faster" in answer.content.decode()


@pytest.mark.parametrize("chosen", [[], ["x"], ["\0"], ["018f0000-0000-7000-8000-000000000000"]])
def test_choosing_nothing_says_what_to_do(owner, three, chosen):
    answer = owner.post(
        f"{LIST}acknowledge", {"incident": chosen, "back": "%ED%A0%80\0"}, follow=True
    )
    assert answer.status_code == 200
    assert "Tick the open incidents" in answer.content.decode()
    assert set(states().values()) == {"open"}


def test_another_teams_incidents_are_not_taken_on(browse, people, three):
    stranger = browse(people.stranger)
    stranger.post("/t/elsewhere/incidents/acknowledge", {"incident": [str(three[0].pk)]})
    assert states()["eu"] == "open"


def test_only_open_ones_can_be_ticked_and_only_by_those_who_may(owner, browse, people, three):
    acknowledge_incident(incident=three[0], actor="x")
    page = owner.get(LIST).content.decode()
    assert page.count('name="incident"') == 2
    page = browse(people.viewer).get(LIST).content.decode()
    assert 'name="incident"' not in page


def test_ten_thousand_incidents_are_a_light_page_of_few_queries(owner, people):
    monitor = make_monitor(people.team)
    make_incident(monitor)
    owner.get(LIST)
    with CaptureQueriesContext(connection) as few:
        owner.get(LIST)
    at = now()
    rows = [
        Incident(
            id=uuid7(),
            team=people.team,
            monitor_id=uuid7(),
            monitor_name=f"m-{n}",
            namespace="acme",
            state="resolved",
            cause="failure",
            severity="critical",
            summary=f"m-{n} reports failure",
            down_since=at - timedelta(minutes=n),
            opened_at=at - timedelta(minutes=n),
            resolved_at=at - timedelta(minutes=n) + timedelta(seconds=30),
            resolved_reason="recovered",
        )
        for n in range(10_000)
    ]
    with scopes_disabled():
        Incident.objects.bulk_create(rows, batch_size=2_000)
    began = time.perf_counter()
    with CaptureQueriesContext(connection) as many:
        answer = owner.get(LIST)
    took = time.perf_counter() - began
    assert len(many) <= len(few)
    assert len(answer.content) < 250_000
    assert "10001" in answer.content.decode()
    assert names(owner)[0] == "nightly-backup", "what is open comes first"
    # Far above what it takes, and far below what a page that grows with them would.
    assert took < 2
    assert len(names(owner, "search=m-99&page=2")) == 50
