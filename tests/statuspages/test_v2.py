"""The v2 JSON, held against a schema of what Atlassian's own pages send."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from statuspages.rendering.representations import render, standard_paths
from statuspages.view import page_indicator
from tests.statuspages.views import (
    NOW,
    make_code,
    make_component,
    make_incident,
    make_maintenance,
    make_resolved,
    make_view,
    make_views,
)

VIEWS = make_views()

CODE = {"type": "string", "pattern": "^[0-9a-z]{12}$"}
TEXT = {"type": "string"}
TIME = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)$",
}
MAYBE_TIME = {"anyOf": [TIME, {"type": "null"}]}
FLAG = {"type": "boolean"}
STATUS = {
    "enum": [
        "operational",
        "degraded_performance",
        "partial_outage",
        "major_outage",
        "under_maintenance",
    ]
}


def shape(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


def many(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


PAGE = shape({"id": CODE, "name": TEXT, "url": TEXT, "time_zone": TEXT, "updated_at": TIME})
COMPONENT = shape(
    {
        "id": CODE,
        "name": TEXT,
        "status": STATUS,
        "created_at": TIME,
        "updated_at": TIME,
        "position": {"type": "integer", "minimum": 1},
        "description": {"type": ["string", "null"]},
        "showcase": FLAG,
        "start_date": {"type": ["string", "null"], "pattern": r"^\d{4}-\d\d-\d\d$"},
        "group_id": {"anyOf": [CODE, {"type": "null"}]},
        "page_id": CODE,
        "group": FLAG,
        "only_show_if_degraded": FLAG,
    },
    components=many(CODE),
)
UPDATE = shape(
    {
        "id": CODE,
        "status": TEXT,
        "body": TEXT,
        "incident_id": CODE,
        "created_at": TIME,
        "updated_at": TIME,
        "display_at": TIME,
        "affected_components": many(
            shape({"code": CODE, "name": TEXT, "old_status": STATUS, "new_status": STATUS})
        ),
        "deliver_notifications": FLAG,
        "custom_tweet": {"type": "null"},
        "tweet_id": {"type": "null"},
    }
)
POST = {
    "id": CODE,
    "name": TEXT,
    "status": {"enum": ["investigating", "identified", "monitoring", "resolved", "postmortem"]},
    "created_at": TIME,
    "updated_at": TIME,
    "monitoring_at": MAYBE_TIME,
    "resolved_at": MAYBE_TIME,
    "impact": {"enum": ["none", "minor", "major", "critical"]},
    "shortlink": {"type": "string", "pattern": "^https://"},
    "started_at": TIME,
    "page_id": CODE,
    "incident_updates": many(UPDATE),
    "components": many(COMPONENT),
}
INCIDENT = shape({**POST, "reminder_intervals": {"type": "null"}})
MAINTENANCE = shape(
    {
        **POST,
        "status": {"enum": ["scheduled", "in_progress", "verifying", "completed"]},
        "impact": {"enum": ["none", "minor", "major", "critical", "maintenance"]},
        "scheduled_for": TIME,
        "scheduled_until": TIME,
    }
)
STATE = shape(
    {
        "indicator": {"enum": ["none", "minor", "major", "critical", "maintenance"]},
        "description": {
            "enum": [
                "All Systems Operational",
                "Partially Degraded Service",
                "Minor Service Outage",
                "Partial System Outage",
                "Major Service Outage",
                "Service Under Maintenance",
            ]
        },
    }
)
INCIDENTS = shape({"page": PAGE, "incidents": many(INCIDENT)})
MAINTENANCES = shape({"page": PAGE, "scheduled_maintenances": many(MAINTENANCE)})
ANSWERS = {
    "summary": shape(
        {
            "page": PAGE,
            "components": many(COMPONENT),
            "incidents": many(INCIDENT),
            "scheduled_maintenances": many(MAINTENANCE),
            "status": STATE,
        }
    ),
    "status": shape({"page": PAGE, "status": STATE}),
    "components": shape({"page": PAGE, "components": many(COMPONENT)}),
    "incidents": INCIDENTS,
    "incidents/unresolved": INCIDENTS,
    "scheduled-maintenances": MAINTENANCES,
    "scheduled-maintenances/upcoming": MAINTENANCES,
    "scheduled-maintenances/active": MAINTENANCES,
}


def ask(view, name: str) -> Any:
    rendering = render(view, f"api/v2/{name}.json")
    assert rendering is not None
    assert rendering.content_type == "application/json; charset=utf-8"
    return json.loads(rendering.body)


@pytest.mark.parametrize("state", VIEWS)
@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_has_the_shape_in_every_state(state, name):
    Draft202012Validator(ANSWERS[name]).validate(ask(VIEWS[state], name))


@pytest.mark.parametrize(
    ("state", "indicator", "description"),
    [
        ("all_up", "none", "All Systems Operational"),
        ("resolved", "none", "All Systems Operational"),
        ("empty", "none", "All Systems Operational"),
        ("degraded", "minor", "Partially Degraded Service"),
        ("partial", "minor", "Minor Service Outage"),
        ("major", "major", "Partial System Outage"),
        ("open_incident", "major", "Partial System Outage"),
        ("critical", "critical", "Major Service Outage"),
        ("maintenance", "maintenance", "Service Under Maintenance"),
    ],
)
def test_the_state_is_said_as_atlassian_says_it(state, indicator, description):
    assert ask(VIEWS[state], "status")["status"] == {
        "indicator": indicator,
        "description": description,
    }
    assert page_indicator(VIEWS[state]) == indicator


def test_an_open_minor_incident_without_a_troubled_component_is_an_outage():
    view = make_view(posts=(make_incident(impact="minor"),))
    assert ask(view, "status")["status"]["description"] == "Minor Service Outage"


def test_groups_are_components_before_what_is_in_them():
    rows = ask(VIEWS["all_up"], "components")["components"]
    assert [(row["name"], row["position"], row["group"]) for row in rows] == [
        ("Core", 1, True),
        ("API", 1, False),
        ("Uploads", 2, False),
        ("Web", 2, True),
        ("Dashboard", 1, False),
        ("Search", 2, False),
        ("Payments", 3, False),
    ]
    core, api = rows[:2]
    assert core["components"] == [make_code("c1x"), make_code("c2x")]
    assert api["group_id"] == core["id"]
    assert "components" not in api
    assert rows[-1]["group_id"] is None


def test_times_are_in_the_page_s_zone_and_z_in_utc():
    assert ask(VIEWS["all_up"], "status")["page"]["updated_at"] == "2026-11-22T14:53:11.345+01:00"
    page = ask(VIEWS["resolved"], "status")["page"]
    assert page["updated_at"] == "2026-11-22T13:53:11.345Z"
    assert page["time_zone"] == "Etc/UTC"
    assert page["url"] == "https://status.acme.example"


def test_an_incident_has_its_updates_newest_first_and_its_components_as_they_are():
    incident = ask(VIEWS["open_incident"], "incidents")["incidents"][0]
    assert [row["status"] for row in incident["incident_updates"]] == [
        "identified",
        "investigating",
    ]
    assert incident["incident_updates"][0]["body"].startswith("A **full disk**")
    assert incident["incident_updates"][1]["affected_components"] == [
        {
            "code": make_code("c1x"),
            "name": "Core - API",
            "old_status": "operational",
            "new_status": "partial_outage",
        }
    ]
    assert [row["name"] for row in incident["components"]] == ["API", "Uploads"]
    assert incident["shortlink"] == f"https://status.acme.example/posts/{incident['id']}"
    assert incident["resolved_at"] is None


def test_updates_name_a_component_after_its_group_and_the_rest_as_it_was_named():
    def affected(code: str, name: str) -> dict[str, str]:
        statuses = {"old_status": "operational", "new_status": "major_outage"}
        return {"code": make_code(code), "name": name, **statuses}

    incident = make_incident()
    rows = (affected("c1x", "API, as it was"), affected("c5x", "Payments"), affected("x", "Gone"))
    update = replace(incident.updates[0], affected=rows)
    view = replace(VIEWS["all_up"], posts=(replace(incident, updates=(update,)),))
    sent = ask(view, "incidents/unresolved")["incidents"][0]["incident_updates"][0]
    assert [row["name"] for row in sent["affected_components"]] == [
        "Core - API, as it was",
        "Payments",
        "Gone",
    ]
    assert all(row["new_status"] == "major_outage" for row in sent["affected_components"])


def test_planned_work_started_when_it_was_announced():
    for hours, status in ((5, "scheduled"), (-1, "in_progress")):
        plan = make_maintenance("plan", hours, status=status)
        view = make_view(maintenances=(plan,))
        sent = ask(view, "scheduled-maintenances")["scheduled_maintenances"][0]
        assert sent["started_at"] == sent["created_at"] != sent["scheduled_for"]
        assert datetime.fromisoformat(sent["scheduled_for"]) == plan.scheduled_for
        assert "reminder_intervals" not in sent


def test_lists_hold_what_their_names_say():
    view = make_view(
        posts=(make_incident(), make_resolved()),
        maintenances=(
            make_maintenance("soon", 5),
            make_maintenance("now", -1, status="in_progress"),
            make_maintenance("check", -2, status="verifying"),
            make_maintenance("done", -30, status="completed", resolved_at=NOW),
        ),
    )

    def codes(name: str, key: str) -> list[str]:
        return [row["id"].rstrip("0") for row in ask(view, name)[key]]

    assert codes("incidents", "incidents") == ["inc1", "inc"]
    assert codes("incidents/unresolved", "incidents") == ["inc1"]
    assert codes("summary", "incidents") == ["inc1"]
    plans = "scheduled_maintenances"
    assert codes("scheduled-maintenances", plans) == ["soon", "now", "check", "done"]
    assert codes("scheduled-maintenances/upcoming", plans) == ["soon"]
    assert codes("scheduled-maintenances/active", plans) == ["now", "check"]
    assert sorted(codes("summary", plans)) == ["check", "now", "soon"]


def test_fifty_incidents_are_sent_at_most():
    posts = tuple(make_resolved(f"i{n}z", n / 2) for n in range(70))
    assert len(ask(make_view(posts=posts), "incidents")["incidents"]) == 50


def test_a_component_that_left_the_page_is_left_out_of_its_incident():
    view = make_view(components=(make_component("Only", number=2),), groups=())
    view = replace(view, posts=(make_incident(),))
    names = [row["name"] for row in ask(view, "incidents")["incidents"][0]["components"]]
    assert names == ["Only"]


def test_a_time_reads_back_as_the_moment_it_was():
    written = ask(VIEWS["japanese"], "summary")["page"]["updated_at"]
    assert datetime.fromisoformat(written) == VIEWS["japanese"].updated_at


def test_all_eight_are_rendered_with_every_change():
    assert {f"api/v2/{name}.json" for name in ANSWERS} <= set(standard_paths(VIEWS["all_up"]))
