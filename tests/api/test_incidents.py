from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import Membership, Team
from incidents.models import Delivery, Incident, Notification, TimelineEvent
from tests.conftest import Api
from tests.factories import MonitorFactory, TeamFactory

# As the database writes a time into JSON.
ATTEMPTED_AT = "2026-11-22T14:02:11.4+00:00"
FIELDS = {
    "id",
    "monitor",
    "monitor_name",
    "namespace",
    "state",
    "cause",
    "severity",
    "summary",
    "down_since",
    "opened_at",
    "acknowledged_at",
    "acknowledged_by",
    "resolved_at",
    "resolved_reason",
    "flapping",
    "snoozed_until",
    "previous",
}


def make_incident(team: Team, **fields: Any) -> Incident:
    with scopes_disabled():
        monitor = fields.pop("monitor", None) or MonitorFactory(team=team)
        incident = Incident.objects.create(
            team=team,
            monitor_id=monitor.pk,
            monitor_name=monitor.name,
            namespace=team.slug,
            cause="silence",
            severity="critical",
            summary="fleet is silent",
            down_since=now(),
            opened_at=now(),
            **fields,
        )
        delivery = Delivery.objects.create(
            team=team,
            incident=incident,
            contact="email:a@example.org",
            kind="email",
            event="incident.opened",
            payload={},
            attempts=[{"at": ATTEMPTED_AT, "outcome": "retry", "detail": "busy", "more": 1}],
            next_attempt_at=now(),
            created_at=now(),
        )
        for event in ("opened", "paged"):
            TimelineEvent.objects.create(team=team, incident=incident, at=now(), kind=event)
        for contact, sent in (("email:a@example.org", delivery), ("email:b@example.org", None)):
            Notification.objects.create(
                team=team,
                incident=incident,
                kind="opened",
                contact=contact,
                delivery=sent,
                created_at=now(),
            )
    return incident


def test_an_incident_is_listed_and_read(api: Api, team: Team) -> None:
    incident = make_incident(team)
    [listed] = api.get("incidents")["results"]
    assert set(listed) == FIELDS
    assert listed["monitor"] == str(incident.monitor_id)
    read = api.get(f"incidents/{incident.pk}")
    assert set(read) == FIELDS | {"timeline", "notifications"}
    assert [event["kind"] for event in read["timeline"]] == ["opened", "paged"]
    assert set(read["timeline"][0]) == {"at", "kind", "actor", "text"}
    assert [n["state"] for n in read["notifications"]] == ["pending", None]
    assert set(read["notifications"][0]) == {
        "id",
        "kind",
        "contact",
        "delivery",
        "state",
        "created_at",
    }


def test_filters(api: Api, team: Team, rival: Api) -> None:
    incident = make_incident(team)
    other = make_incident(team, state="resolved")
    foreign = rival.make("monitors", name="theirs")

    def ids(query: str) -> list[str]:
        return [row["id"] for row in api.get("incidents?" + query)["results"]]

    assert ids("") == [str(other.pk), str(incident.pk)]
    assert ids("state=open") == [str(incident.pk)]
    assert ids("state=acknowledged") == []
    assert ids(f"monitor={incident.monitor_id}") == [str(incident.pk)]
    with scopes_disabled():
        Incident.objects.filter(pk=other.pk).update(summary="orders are 50% late")
    assert ids("search=Fleet") == [str(incident.pk)], "a summary"
    assert ids(f"search={other.monitor_name}&state=resolved") == [str(other.pk)], "a name"
    assert ids("search=50%25") == [str(other.pk)]
    assert ids("search=theirs") == []
    for nobody in (foreign["id"], "01890000-0000-7000-8000-000000000000", "nonsense"):
        assert ids(f"monitor={nobody}") == []
    api("GET", "incidents?state=odd", expect=400)


def test_acknowledge_resolve_and_notes(api: Api, team: Team) -> None:
    incident = make_incident(team)
    path = f"incidents/{incident.pk}"
    acknowledged = api.post(f"{path}/acknowledge")
    assert (acknowledged["state"], acknowledged["acknowledged_by"]) == (
        "acknowledged",
        "key script",
    )
    again = api.post(f"{path}/acknowledge")
    assert again["acknowledged_at"] == acknowledged["acknowledged_at"]
    noted = api.post(f"{path}/notes", text="  looking  ")
    assert (noted["timeline"][-1]["kind"], noted["timeline"][-1]["text"]) == ("note", "looking")
    resolved = api.post(f"{path}/resolve")
    assert resolved["state"] == "resolved"
    assert resolved["resolved_at"]
    for verb in ("acknowledge", "resolve"):
        refused = api("POST", f"{path}/{verb}", expect=409)
        assert refused["Content-Type"] == "application/problem+json"
    assert api.post(f"{path}/notes", text="why")["timeline"][-1]["text"] == "why"


@pytest.mark.parametrize(
    "body", [{}, {"text": ""}, {"text": " "}, {"text": 5}, {"text": "x" * 10_001}, {"note": "x"}]
)
def test_a_note_needs_a_text(api: Api, team: Team, body: dict[str, Any]) -> None:
    api("POST", f"incidents/{make_incident(team).pk}/notes", body, expect=400)


def test_an_incident_is_neither_made_nor_changed_nor_deleted(api: Api, team: Team) -> None:
    incident = make_incident(team)
    api("POST", "incidents", {}, expect=405)
    for method in ("PATCH", "PUT", "DELETE"):
        response = api(method, f"incidents/{incident.pk}", {}, expect=405)
        assert response["Content-Type"] == "application/problem+json"
        assert "GET" in response["Allow"]


def test_lists_and_reads_cost_the_same_however_much_there_is(api: Api, team: Team) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            api.get(path)
        return len(captured)

    incident = make_incident(team)
    paths = ("incidents", f"incidents/{incident.pk}", "deliveries")
    api.get("incidents")
    few = [queries(path) for path in paths]
    for _ in range(10):
        make_incident(team)
    assert [queries(path) for path in paths] == few


def test_deliveries(api: Api, team: Team) -> None:
    incident, other = make_incident(team), make_incident(team)
    listed = api.get("deliveries")["results"]
    assert [row["incident"] for row in listed] == [str(other.pk), str(incident.pk)]
    assert set(listed[0]) == {
        "id",
        "incident",
        "channel",
        "contact_method",
        "kind",
        "event",
        "state",
        "bundle",
        "created_at",
        "attempts",
    }
    assert set(listed[0]["attempts"][0]) == {"at", "outcome", "detail"}
    assert listed[0]["attempts"][0]["at"] == "2026-11-22T14:02:11.400000Z"
    assert api.get(f"deliveries/{listed[0]['id']}") == listed[0]
    assert api.get(f"deliveries?incident={incident.pk}")["results"] == listed[1:]
    assert api.get("deliveries?state=pending")["results"] == listed
    assert api.get("deliveries?state=failed")["results"] == []
    assert api.get(f"deliveries?channel={incident.pk}")["results"] == []
    assert api.get("deliveries?channel=x")["results"] == []
    api("GET", "deliveries?state=odd", expect=400)
    api("DELETE", f"deliveries/{listed[0]['id']}", expect=405)


def test_snooze(api: Api, team: Team) -> None:
    incident = make_incident(team)
    path = f"incidents/{incident.pk}/snooze"
    for bad in ({}, {"seconds": 0}, {"seconds": "60"}, {"seconds": None}, {"seconds": 10**12}):
        assert api("POST", path, bad, expect=400).json()["errors"][0]["field"] == "seconds"
    snoozed = api("POST", path, {"seconds": 600}, expect=200).json()
    assert (snoozed["state"], snoozed["acknowledged_by"]) == ("acknowledged", "key script")
    assert snoozed["snoozed_until"] > snoozed["acknowledged_at"]
    again = api("POST", f"incidents/{incident.pk}/acknowledge", {}, expect=200).json()
    assert again["snoozed_until"] is None
    kinds = [event["kind"] for event in again["timeline"]]
    assert kinds[-2:] == ["snoozed", "acknowledged"]
    api("POST", f"incidents/{incident.pk}/resolve", {}, expect=200)
    api("POST", path, {"seconds": 600}, expect=409)
    api("POST", f"incidents/{team.pk}/snooze", {"seconds": 600}, expect=404)


def test_assign(api: Api, team: Team) -> None:
    incident = make_incident(team)
    path = f"incidents/{incident.pk}/assign"
    stranger = TeamFactory()
    with scopes_disabled():
        owner = Membership.objects.get(team=team).user.email
        foreign = Membership.objects.get(team=stranger).user.email
    missing = api("POST", path, {"member": "nobody@example.org"}, expect=400).json()
    assert missing["errors"][0]["code"] == "not_found"
    assert api("POST", path, {"member": foreign}, expect=400).json()["errors"] == missing["errors"]
    assert api("POST", path, {"policy": str(team.pk)}, expect=400).json()["errors"][0]["code"] == (
        "not_found"
    )
    for bad in ({}, {"member": owner, "policy": str(team.pk)}, {"member": 3}, {"who": owner}):
        api("POST", path, bad, expect=400)
    assigned = api("POST", path, {"member": owner}, expect=200).json()
    assert assigned["state"] == "open"
    assert assigned["timeline"][-1]["text"] == f"Assigned to {owner}"
