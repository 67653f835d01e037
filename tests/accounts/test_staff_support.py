"""`/staff/teams/…`: what support sees of a team, what it does not, and that the team is told."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import AuditEvent, Plan, Team
from config.staff_support import classify, mask_address
from incidents.destinations import create_channel
from incidents.models import Channel, Delivery
from incidents.notifications import test_channel as send_test
from incidents.oncall.rotations import create_rotation
from monitors.models import Monitor, PushKey
from tests.accounts.staffing import make_operator, staff_client
from tests.console.personas import Personas, listen_now, make_incident, make_monitor, make_personas
from tests.factories import TeamFactory, make_key

pytestmark = pytest.mark.django_db
SECRETS = (
    "reactor-4",
    "core temperature",
    "hooks.example",
    "Water level",
    "first-line",
    "owner@acme.example",
    "member@acme.example",
    "terraform",
    "no route to 10.1.2.3",
)


@pytest.fixture
def people() -> Personas:
    listen_now()
    return make_personas()


@pytest.fixture
def desk(people: Personas) -> Client:
    return staff_client(make_operator())


@pytest.fixture
def busy(people: Personas) -> Team:
    """A team with something of everything."""
    team = people.team
    team.plan = Plan.objects.create(name="Small", monitor_quota=20)
    team.save()
    monitor = make_monitor(team, name="reactor-4", description="Water level")
    make_incident(monitor, message="core temperature")
    channel = create_channel(
        team=team, name="Water level", kind="webhook", config={"url": "https://hooks.example/x"}
    )
    delivery = send_test(channel=channel, actor="owner@acme.example")
    create_rotation(team=team, name="first-line", timezone="UTC", layers=[])
    make_key(team, name="terraform")
    attempts = [
        {"at": now().isoformat(), "outcome": "failed", "detail": "answered 404: hooks.example"}
    ]
    with scopes_disabled():
        Delivery.objects.filter(pk=delivery.pk).update(state="failed", attempts=attempts)
        Channel.objects.filter(pk=channel.pk).update(
            disabled_at=now(), disabled_reason="no route to 10.1.2.3, connection reset"
        )
    return team


def test_it_shows_counts_and_no_contents(desk, busy):
    page = desk.get("/staff/teams/acme").content.decode()
    for word in SECRETS:
        assert word not in page, word
    with scopes_disabled():
        monitor = Monitor.objects.get(team=busy)
        slugs = list(PushKey.objects.filter(monitor=monitor).values_list("value", flat=True))
    assert slugs
    for word in (*slugs, str(monitor.pk)):
        assert word not in page
    for shown in ("Small", "1 of 20", "o…@acme.example", "m…@acme.example", "HTTP 4xx", "webhook"):
        assert shown in page, shown
    assert "<dt>Rotations with nobody on call now</dt><dd>1 / 1</dd>" in page
    assert "1: connection" in page
    assert "Down" in page


def test_the_team_reads_in_its_audit_log_that_somebody_looked(desk, busy, people):
    desk.get("/staff/teams/acme")
    desk.get("/staff/teams/acme")
    desk.get("/staff/teams/")
    with scopes_disabled():
        events = list(AuditEvent.objects.filter(action="team.viewed"))
    assert [event.team for event in events] == [busy, busy]
    assert {(event.actor, event.by, event.address) for event in events} == {
        ("operator ops@tocsin.example", "staff", "127.0.0.1")
    }
    owner = Client()
    owner.force_login(people.owner, backend="allauth.account.auth_backends.AuthenticationBackend")
    page = owner.get("/t/acme/settings/audit").content.decode()
    assert "operator ops@tocsin.example" in page
    assert "operator viewed the support page" in page


def test_a_look_that_is_refused_is_no_look(busy, people):
    stranger = Client()
    stranger.force_login(
        people.stranger, backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    for client in (stranger, Client(), staff_client(make_operator("x@x.example", factor=False))):
        client.get("/staff/teams/acme")
    with scopes_disabled():
        assert not AuditEvent.objects.filter(action="team.viewed").exists()


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("acm", ["acme"]),
        ("ELSEWHERE", ["elsewhere"]),
        ("owner@acme.example", ["acme"]),
        ("OWNER@ACME.example", ["acme"]),
        ("owner@acme", []),
        ("nothing", []),
        ("", ["acme", "elsewhere"]),
        ("a\x00cme", ["acme"]),
    ],
)
def test_a_team_is_found_by_its_names_and_a_whole_address(desk, search, found):
    page = desk.get("/staff/teams/", {"q": search}).content.decode()
    assert [slug for slug in ("acme", "elsewhere") if f'/staff/teams/{slug}"' in page] == found
    if not found:
        assert "No team matches" in page


@pytest.mark.parametrize("slug", ["nobody", "ACME", "x" * 5000, "%00", "a%20b", "%F0%9F%98%80"])
def test_a_team_that_is_not_there(desk, slug):
    assert desk.get(f"/staff/teams/{slug}").status_code == 404


def test_both_pages_take_no_more_queries_for_more(desk, busy):
    def count(path: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert desk.get(path).status_code == 200
        return len(asked)

    before = [count("/staff/teams/"), count("/staff/teams/acme")]
    for n in range(6):
        TeamFactory(slug=f"more-{n}")
        make_incident(make_monitor(busy, name=f"m-{n}"))
        create_rotation(team=busy, name=f"r-{n}", timezone="UTC", layers=[])
        make_key(busy, name=f"k-{n}")
    assert [count("/staff/teams/"), count("/staff/teams/acme")] == before


@pytest.mark.parametrize(
    ("detail", "name"),
    [
        ("answered 503", "HTTP 5xx"),
        ("the mail server did not answer within 10 s", "mail server"),
        ("refused: address not allowed", "refused"),
        ("no answer within 10 s", "timeout"),
        ("ana@example.org is on holiday", "other"),
        ("", "other"),
    ],
)
def test_errors_are_told_by_class(detail, name):
    assert classify(detail) == name


def test_addresses_are_masked():
    assert mask_address("ana.sousa@example.com") == "a…@example.com"
    assert mask_address("a@example.com") == "a…@example.com"
