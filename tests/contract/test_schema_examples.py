"""Every example in the OpenAPI document is what its schema says, and the server takes it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now
from django_scopes import scopes_disabled
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft7Validator, FormatChecker

from accounts.models import Membership, Role, Team
from config.openapi_examples import DOCUMENTS, EXAMPLES
from tests.conftest import Api
from tests.factories import UserFactory

# Examples that name nothing but people, by where they are sent.
SENT = {
    "MonitorRequest": "monitors",
    "WebhookChannelRequest": "channels",
    "FlatRotationRequest": "rotations",
    "LayeredRotationRequest": "rotations",
    "MaintenanceRequest": "maintenances",
    "StatusPageRequest": "status-pages",
    "MemberRequest": "members",
    "InvitationRequest": "invitations",
    "ApiKeyRequest": "api-keys",
    "NamespaceRequest": "namespaces",
}
PEOPLE = ("ada@example.org", "grace@example.org", "edsger@example.org")


def as_json_schema(schema: Any) -> Any:
    """Return a schema of OpenAPI 3.0 as JSON Schema: null is a type of its own there."""
    if isinstance(schema, list):
        return [as_json_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    read = {name: as_json_schema(value) for name, value in schema.items() if name != "nullable"}
    return {"anyOf": [{"type": "null"}, read]} if schema.get("nullable") is True else read


@pytest.fixture(scope="module")
def document() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_is_what_its_schema_says(document: Any, name: str) -> None:
    schema = {
        "$ref": f"#/components/schemas/{name}",
        "components": as_json_schema(document["components"]),
    }
    problems = Draft7Validator(schema, format_checker=FormatChecker()).iter_errors(EXAMPLES[name])
    assert [f"{list(p.path)}: {p.message}" for p in problems] == []
    properties = document["components"]["schemas"][name].get("properties", {})
    assert set(EXAMPLES[name]) <= set(properties)
    if not name.endswith("Request"):
        assert set(EXAMPLES[name]) == set(properties) or name == "Problem"


@pytest.mark.parametrize("name", sorted(SENT))
def test_an_example_of_a_request_is_taken(api: Api, team: Team, name: str) -> None:
    if name not in ("MemberRequest", "InvitationRequest"):
        add_people(team)
    api.make(SENT[name], **EXAMPLES[name])


def test_the_example_of_documents_is_taken(api: Api) -> None:
    sent = {"content_type": "application/yaml"}
    applied = api("POST", "apply", DOCUMENTS.encode(), expect=200, **sent).json()
    assert [result["action"] for result in applied["results"]] == ["created", "created"]


def test_the_examples_of_a_change_and_a_push_are_taken(api: Api) -> None:
    monitor = api.make("monitors", name="queue")
    change = EXAMPLES["PatchedMonitorRequest"]
    changed = api("PATCH", f"monitors/{monitor['id']}", change, expect=200).json()
    assert {name: changed[name] for name in change} == change
    push = EXAMPLES["PushRequest"]
    told = Api(None)("POST", f"/api/push/{monitor['slug']}/results", push, expect=201).json()
    assert set(told) == set(EXAMPLES["PushAnswer"])


def add_people(team: Team) -> None:
    for address in PEOPLE:
        with scopes_disabled():
            Membership.objects.create(
                team=team, user=UserFactory(email=address), role=Role.MEMBER, accepted_at=Now()
            )
