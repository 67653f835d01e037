from __future__ import annotations

import json
import re
from io import StringIO
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from incidents.channels.registry import KINDS

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


@pytest.fixture(scope="module")
def schema() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def test_the_schema_is_valid_and_complete() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())


def test_the_schema_is_served_as_json_unless_asked_otherwise() -> None:
    response = Client().get("/api/v1/schema")
    assert response.status_code == 200
    assert json.loads(response.content)["openapi"].startswith("3.")
    yaml = Client().get("/api/v1/schema", headers={"Accept": "application/yaml"})
    assert yaml.content.startswith(b"openapi:")


def operations(schema: Any) -> dict[str, Any]:
    return {
        operation["operationId"]: operation
        for path, item in schema["paths"].items()
        if path.startswith("/api/v1/")
        for operation in item.values()
    }


def test_operations_have_readable_names(schema: Any) -> None:
    assert set(operations(schema)) >= {
        "list_monitors",
        "create_monitor",
        "read_monitor",
        "update_monitor",
        "delete_monitor",
        "pause_monitor",
        "resume_monitor",
        "rotate_monitor_slug",
        "rotate_monitor_token",
        "list_monitor_results",
        "list_monitor_transitions",
        "read_monitor_uptime",
        "list_incidents",
        "read_incident",
        "acknowledge_incident",
        "resolve_incident",
        "snooze_incident",
        "assign_incident",
        "add_incident_note",
        "list_channels",
        "create_channel",
        "test_channel",
        "list_alert_rules",
        "dry_run_alert_rules",
        "create_escalation_policy",
        "list_escalation_policies",
        "create_rotation",
        "read_rotation_on_call",
        "list_rotation_shifts",
        "create_rotation_override",
        "create_contact_method",
        "verify_contact_method",
        "create_maintenance",
        "create_invitation",
        "list_members",
        "list_deliveries",
        "read_delivery",
    }


def test_every_operation_needs_a_key_and_names_its_problems(schema: Any) -> None:
    assert schema["components"]["securitySchemes"]["bearer"] == {"type": "http", "scheme": "bearer"}
    for name, operation in operations(schema).items():
        assert operation["security"] == [{"bearer": []}], name
        assert operation["description"], name
        refusals = {code: r for code, r in operation["responses"].items() if code >= "400"}
        assert {"400", "401"} <= set(refusals), name
        for code, refusal in refusals.items():
            assert refusal["content"] == PROBLEM
            assert ("Retry-After" in refusal.get("headers", {})) == (code in ("429", "503"))
    assert {"402", "409"} <= set(operations(schema)["create_monitor"]["responses"])
    assert "202" in operations(schema)["test_channel"]["responses"]


def test_a_push_needs_no_key_and_names_its_problems_too(schema: Any) -> None:
    pushes = {
        operation["operationId"]: operation
        for path, item in schema["paths"].items()
        if not path.startswith("/api/v1/")
        for operation in item.values()
    }
    assert set(pushes) == {
        "push_by_slug",
        "push_by_name",
        "push_by_alertmanager",
        "ping_pass",
        "post_ping_pass",
        "ping_fail",
        "post_ping_fail",
    }
    for name, operation in pushes.items():
        optional = [] if name == "push_by_name" else [{}]
        assert operation["security"] == [*optional, {"pushToken": []}], name
        assert {"201", "400", "401", "404", "413", "429", "503"} <= set(operation["responses"])
        assert operation["responses"]["401"]["content"] == PROBLEM
    assert set(pushes["push_by_slug"]["requestBody"]["content"]) == {
        "application/json",
        "application/x-www-form-urlencoded",
    }


def test_every_operation_has_a_short_summary_and_a_tag_that_is_explained(schema: Any) -> None:
    tags = {tag["name"] for tag in schema["tags"] if tag["description"]}
    for item in schema["paths"].values():
        for operation in item.values():
            assert 5 < len(operation["summary"]) <= 90, operation["operationId"]
            assert not operation["summary"].endswith((".", ":", ";"))
            assert len(operation["tags"]) == 1
            assert set(operation["tags"]) <= tags
            assert all(response["description"] for response in operation["responses"].values())


def test_the_server_is_where_the_installation_is_reached(settings: Any) -> None:
    settings.BASE_URL = "https://tocsin.example.com"
    document = SchemaGenerator().get_schema(request=None, public=True)
    assert document["servers"] == [{"url": "https://tocsin.example.com"}]


def test_what_is_created_leads_to_what_can_be_done_with_it(schema: Any) -> None:
    named = operations(schema)
    links = named["create_monitor"]["responses"]["201"]["links"]
    assert {"read_monitor", "update_monitor", "delete_monitor", "pause_monitor"} <= set(links)
    assert links["read_monitor"]["parameters"] == {"id": "$response.body#/id"}
    assert links["push_by_slug"]["parameters"] == {"slug": "$response.body#/slug"}
    nested = named["create_status_page_component"]["responses"]["201"]["links"]
    assert nested["delete_status_page_component"]["parameters"] == {
        "id": "$request.path.id",
        "component": "$response.body#/id",
    }
    listed = named["list_incidents"]["responses"]["200"]["links"]
    assert listed["acknowledge_incident"]["parameters"] == {"id": "$response.body#/results/0/id"}
    every = schema["paths"].values()
    known = {operation["operationId"] for item in every for operation in item.values()}
    for operation in named.values():
        for response in operation["responses"].values():
            for link in response.get("links", {}).values():
                assert link["operationId"] in known


def test_a_channel_is_described_by_its_kind(schema: Any) -> None:
    parts = schema["components"]["schemas"]
    for thing in ("ChannelRequest", "ContactMethodRequest"):
        mapping = parts[thing]["discriminator"]["mapping"]
        assert set(mapping) == set(KINDS)
        assert {each["$ref"] for each in parts[thing]["oneOf"]} == set(mapping.values())
        for kind, reference in mapping.items():
            variant = parts[reference.rpartition("/")[2]]
            assert variant["properties"]["kind"]["enum"] == [kind]
    assert parts["SlackConfig"]["required"] == ["url"]
    assert parts["SlackConfig"]["properties"]["url"]["writeOnly"] is True
    assert parts["PagerdutyConfig"]["properties"]["region"]["enum"] == ["us", "eu"]


def test_what_a_reader_refuses_the_schema_does_not_allow(schema: Any) -> None:
    parts = schema["components"]["schemas"]
    assert parts["MonitorRequest"]["additionalProperties"] is False
    assert "additionalProperties" not in parts["Monitor"]
    assert {each["$ref"].rpartition("/")[2] for each in parts["RotationRequest"]["oneOf"]} == {
        "LayeredRotationRequest",
        "FlatRotationRequest",
    }
    assert {"layers", "unit", "members"} <= set(parts["PatchedRotationRequest"]["properties"])


def test_one_thing_can_be_asked_for_only_if_it_is_another_by_now(schema: Any) -> None:
    read = operations(schema)["read_monitor"]
    headers = {each["name"] for each in read["parameters"] if each["in"] == "header"}
    assert headers == {"If-None-Match"}
    assert "content" not in read["responses"]["304"]
    assert "304" not in operations(schema)["list_monitors"]["responses"]


def test_the_schema_names_the_fields_of_the_answers(schema: Any) -> None:
    parts = schema["components"]["schemas"]
    assert set(parts["MonitorWithToken"]["properties"]) - set(parts["Monitor"]["properties"]) == {
        "token"
    }
    assert "late" in parts["MonitorState"]["enum"]
    assert {"from", "to"} <= set(parts["Transition"]["properties"])
    assert "continue" in parts["AlertRule"]["properties"]
    assert "id" not in parts["MonitorRequest"]["properties"]


def test_the_documentation_page_asks_no_other_host_for_anything() -> None:
    page = Client().get("/api/v1/docs").content.decode()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) >= 4
    for source in sources:
        if source.startswith("/static/"):
            assert finders.find(source.removeprefix("/static/")), source
        else:
            assert source.startswith("/api/v1/docs?")
            script = Client().get(source)
            assert script.status_code == 200
            assert "javascript" in script["Content-Type"]
            assert '"validatorUrl": null' in script.content.decode()
            assert "/api/v1/schema" in script.content.decode().replace("\\u002D", "-")
            assert "://" not in script.content.decode()
    assert "<script>" not in page
