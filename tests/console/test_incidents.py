"""Incidents in the console: what a person reads and does."""

from __future__ import annotations

import re
from datetime import timedelta

from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from accounts.teams import create_team
from incidents.lifecycle.actions import resolve_incident
from incidents.lifecycle.lanes import advance
from incidents.models import Delivery, Incident, TimelineEvent
from tests.console.personas import make_incident, make_monitor, push


def stored(incident):
    with scopes_disabled():
        return Incident.objects.get(pk=incident.pk)


def test_acknowledge_note_and_resolve(owner, monitor):
    incident = make_incident(monitor, message="disk full")
    address = f"/t/acme/incidents/{incident.pk}/"
    page = owner.get(address).content.decode()
    assert "disk full" in page
    assert "Acknowledge it to stop the paging" in page
    assert stored(incident).state == "open", "looking acknowledges nothing"

    page = owner.post(f"{address}acknowledge", follow=True).content.decode()
    assert stored(incident).acknowledged_by == "owner@acme.example"
    assert "<bdi>owner@acme.example</bdi> acknowledged it" in page
    assert ">Acknowledge</button>" not in page

    page = owner.post(f"{address}notes", {"text": "Looking <b>into</b> it"}, follow=True)
    assert "Looking &lt;b&gt;into&lt;/b&gt; it" in page.content.decode()

    page = owner.post(f"{address}resolve", follow=True).content.decode()
    assert stored(incident).state == "resolved"
    assert ">Resolve</button>" not in page
    page = owner.post(f"{address}acknowledge", follow=True).content.decode()
    assert "was resolved in the meantime" in page
    with scopes_disabled():
        kinds = list(TimelineEvent.objects.order_by("id").values_list("kind", flat=True))
    assert kinds == ["opened", "acknowledged", "note", "resolved"]


def test_an_empty_note_is_refused_with_a_reason(owner, monitor):
    incident = make_incident(monitor)
    answer = owner.post(f"/t/acme/incidents/{incident.pk}/notes", {"text": "  "})
    assert b"required" in answer.content
    page = answer.content.decode()
    assert f'hx-get="/t/acme/incidents/{incident.pk}/"' in page


def test_a_refused_note_leaves_the_page_live_whatever_the_team_is_called(owner, people):
    team = create_team(slug="release-notes", name="Notes", owner=people.owner)
    incident = make_incident(make_monitor(team))
    address = f"/t/release-notes/incidents/{incident.pk}/"
    for answer in (owner.get(address), owner.post(f"{address}notes", {"text": " "})):
        live = re.search(r'data-live hx-get="([^"]+)"', answer.content.decode())[1]
        assert live == address
        fragment = owner.get(live, headers={"HX-Request": "true"})
        assert fragment.status_code == 200
        assert "<html" not in fragment.content.decode()


def test_how_long_it_has_been_down_is_a_duration(owner, monitor):
    incident = make_incident(monitor)
    with scopes_disabled():
        Incident.objects.filter(pk=incident.pk).update(down_since=Now() - timedelta(minutes=125))
    page = owner.get(f"/t/acme/incidents/{incident.pk}/").content.decode()
    assert re.search(r'Down for <time [^>]*data-kind="lasting"[^>]*>2 h 5 min</time>\. Ack', page)


def test_deliveries_show_what_became_of_each_attempt(owner, monitor):
    incident = make_incident(monitor)
    with scopes_disabled():
        Delivery.objects.filter(incident=incident).update(
            state="failed",
            attempts=[
                {"at": "2026-11-22T03:00:00Z", "outcome": "retry", "detail": "503 from <server>"},
                {"at": "2026-11-22T03:00:09Z", "outcome": "failed", "detail": "410 gone"},
            ],
        )
    page = owner.get(f"/t/acme/incidents/{incident.pk}/").content.decode()
    assert "owner@acme.example" in page
    assert "503 from &lt;server&gt;" in page
    assert "410 gone" in page


def test_a_deleted_monitors_incident_stays_readable(owner, monitor):
    incident = make_incident(monitor)
    owner.post(f"/t/acme/monitors/{monitor.pk}/delete")
    advance()
    page = owner.get(f"/t/acme/incidents/{incident.pk}/").content.decode()
    assert "(deleted)" in page
    assert "Resolved" in page


def test_open_ones_come_first_and_the_address_filters(owner, people):
    first = make_incident(make_monitor(people.team, name="first"))
    make_incident(make_monitor(people.team, name="second"))
    third = make_incident(make_monitor(people.team, name="third"))
    resolve_incident(incident=third, actor="x")
    owner.post(f"/t/acme/incidents/{first.pk}/acknowledge")

    def names(query=""):
        page = owner.get(f"/t/acme/incidents/?{query}").content.decode()
        return re.findall(r'<td class="main"><span>(?:<input[^>]*> )?<a[^>]*>([^<]+)<', page)

    assert names() == ["second", "first", "third"]
    assert names("state=open") == ["second"]
    assert names("state=resolved") == ["third"]
    assert names("state=nonsense") == ["second", "first", "third"]
    assert names("search=FIR") == ["first"]
    assert names("search=none") == []


def test_home_shows_open_incidents_counts_and_who_is_told(owner, people):
    make_incident(make_monitor(people.team, name="broken"))
    push(make_monitor(people.team, name="fine"))
    page = owner.get("/t/acme/").content.decode()
    assert "1 open incident" in page
    assert "broken" in page
    assert "The owners are mailed: owner@acme.example." in page
    tiles = re.findall(r"<span>(\w+)</span></span><b>(\d+)</b>", page)
    assert dict(tiles) == {"Down": "1", "Late": "0", "Pending": "0", "Up": "1", "Paused": "0"}
    assert "piece-down" in page
    fragment = owner.get("/t/acme/", headers={"HX-Request": "true"}).content.decode()
    assert "1 open incident" in fragment
    assert "<html" not in fragment


def test_queries_do_not_grow_with_incidents(owner, people):
    make_incident(make_monitor(people.team, name="m-0"))
    addresses = ("/t/acme/", "/t/acme/incidents/")
    for address in addresses:
        owner.get(address)
    counts = {}
    for address in addresses:
        with CaptureQueriesContext(connection) as few:
            owner.get(address)
        counts[address] = len(few)
    for n in range(1, 12):
        make_incident(make_monitor(people.team, name=f"m-{n}"))
    for address in addresses:
        with CaptureQueriesContext(connection) as many:
            owner.get(address)
        assert len(many) <= counts[address], address


def test_another_teams_incidents_are_nowhere(browse, people, monitor):
    incident = make_incident(monitor)
    stranger = browse(people.stranger)
    assert stranger.get(f"/t/elsewhere/incidents/{incident.pk}/").status_code == 404
    assert b"nightly-backup" not in stranger.get("/t/elsewhere/incidents/").content
    for action in ("acknowledge", "resolve", "notes"):
        answer = stranger.post(f"/t/elsewhere/incidents/{incident.pk}/{action}", {"text": "x"})
        assert answer.status_code == 404
    assert stored(incident).state == "open"
