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
        "rotate_slug_monitor",
        "rotate_token_monitor",
        "list_monitor_results",
        "list_monitor_transitions",
        "read_monitor_uptime",
        "list_incidents",
        "read_incident",
        "acknowledge_incident",
        "resolve_incident",
        "snooze_incident",
        "assign_incident",
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
        for refusal in refusals.values():
            assert refusal["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }
    assert {"402", "409"} <= set(operations(schema)["create_monitor"]["responses"])
    assert "202" in operations(schema)["test_channel"]["responses"]


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
