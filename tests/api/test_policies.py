"""Escalation policies through the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from accounts.models import Membership, Role, Team
from incidents.models import EscalationPolicy, EscalationTarget, Rotation
from tests.conftest import Api
from tests.factories import UserFactory

NOBODY = "01890000-0000-7000-8000-000000000000"
ANA = "ana@example.org"


@pytest.fixture
def ana(team: Team) -> str:
    with scopes_disabled():
        Membership.objects.create(team=team, user=UserFactory(email=ANA), role=Role.MEMBER)
    return ANA


def make_rotation(team: Team, name: str = "Primary") -> str:
    with scopes_disabled():
        return str(Rotation.objects.create(team=team, name=name).pk)


def make_channel(api: Api, name: str = "ops") -> str:
    config = {"to": ["ops@example.org"]}
    made: str = api.make("channels", name=name, kind="email", config=config)["id"]
    return made


def refused(api: Api, **body: Any) -> list[tuple[str, str]]:
    problem = api("POST", "escalation-policies", body, expect=400).json()
    return [(error["field"], error["code"]) for error in problem["errors"]]


def test_a_policy_is_read_as_it_was_made(api: Api, team: Team, ana: str) -> None:
    steps = [
        {"delay": 0, "targets": [{"rotation": make_rotation(team)}]},
        {"delay": 300, "targets": [{"member": ana}, {"channel": make_channel(api)}]},
    ]
    made = api.make(
        "escalation-policies", name="On call", repeat=2, acknowledge_timeout=3600, steps=steps
    )
    assert made == {
        "id": made["id"],
        "name": "On call",
        "repeat": 2,
        "acknowledge_timeout": 3600,
        "steps": steps,
        "created_at": made["created_at"],
    }
    assert made["created_at"].endswith("Z")
    assert api.get(f"escalation-policies/{made['id']}") == made
    assert api.get("escalation-policies")["results"] == [made]
    path = f"escalation-policies/{made['id']}"
    assert api("PATCH", path, made, expect=200).json() == made


def test_the_defaults_are_once_and_for_ever(api: Api, ana: str) -> None:
    made = api.make("escalation-policies", name="p", steps=[{"targets": [{"member": ana}]}])
    assert (made["repeat"], made["acknowledge_timeout"]) == (0, None)
    assert made["steps"] == [{"delay": 0, "targets": [{"member": ana}]}]


def test_a_member_is_found_in_any_case_and_paged_once_a_step(api: Api, ana: str) -> None:
    made = api.make(
        "escalation-policies", name="p", steps=[{"targets": [{"member": "ANA@Example.org"}] * 2}]
    )
    assert made["steps"][0]["targets"] == [{"member": ana}]


def test_a_patch_changes_what_it_names_and_steps_as_a_whole(api: Api, team: Team, ana: str) -> None:
    rotation = make_rotation(team)
    made = api.make(
        "escalation-policies",
        name="p",
        acknowledge_timeout=60,
        steps=[{"targets": [{"member": ana}]}, {"delay": 60, "targets": [{"rotation": rotation}]}],
    )
    path = f"escalation-policies/{made['id']}"
    changed = api("PATCH", path, {"repeat": 9}, expect=200).json()
    assert changed == made | {"repeat": 9}
    steps = [{"delay": 5, "targets": [{"rotation": rotation}]}]
    changed = api("PATCH", path, {"steps": steps, "acknowledge_timeout": None}, expect=200).json()
    assert changed == made | {"repeat": 9, "acknowledge_timeout": None, "steps": steps}
    with scopes_disabled():
        assert EscalationTarget.objects.count() == 1
    for body, field in (
        ({"steps": [{"delay": 5}]}, "steps.0.targets"),
        ({"steps": []}, "steps"),
        ({"name": ""}, "name"),
        ({"repeat": None}, "repeat"),
    ):
        problem = api("PATCH", path, body, expect=400).json()
        assert [error["field"] for error in problem["errors"]] == [field]
    assert api.get(path) == changed


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"repeat": 10}, "repeat"),
        ({"repeat": -1}, "repeat"),
        ({"repeat": "1"}, "repeat"),
        ({"repeat": True}, "repeat"),
        ({"acknowledge_timeout": 59}, "acknowledge_timeout"),
        ({"acknowledge_timeout": 30 * 86_400 + 1}, "acknowledge_timeout"),
        ({"acknowledge_timeout": 10**30}, "acknowledge_timeout"),
        ({"nonsense": 1}, "nonsense"),
        ({"steps": None}, "steps"),
        ({"steps": {}}, "steps"),
        ({"steps": "x"}, "steps"),
        ({"steps": []}, "steps"),
        ({"steps": [[]]}, "steps.0"),
        ({"steps": [{"delay": 7 * 86_400 + 1, "targets": [{"member": ANA}]}]}, "steps.0.delay"),
        ({"steps": [{"delay": -1, "targets": [{"member": ANA}]}]}, "steps.0.delay"),
        ({"steps": [{"delay": 1.5, "targets": [{"member": ANA}]}]}, "steps.0.delay"),
        ({"steps": [{"delay": 0, "targets": []}]}, "steps.0.targets"),
        ({"steps": [{"delay": 0, "targets": {}}]}, "steps.0.targets"),
        ({"steps": [{"targets": [{"member": ANA}] * 21}]}, "steps.0.targets"),
        ({"steps": [{"targets": [{"member": ANA}]}] * 21}, "steps"),
        ({"steps": [{"targets": [{}]}]}, "steps.0.targets.0"),
        ({"steps": [{"targets": ["x"]}]}, "steps.0.targets.0"),
        ({"steps": [{"targets": [{"member": ANA, "channel": NOBODY}]}]}, "steps.0.targets.0"),
        ({"steps": [{"targets": [{"member": 5}]}]}, "steps.0.targets.0.member"),
        ({"steps": [{"targets": [{"rotation": 5}]}]}, "steps.0.targets.0.rotation"),
        ({"steps": [{"targets": [{"rotation": None}]}]}, "steps.0.targets.0.rotation"),
        ({"steps": [{"targets": [{"team": NOBODY}]}]}, "steps.0.targets.0.team"),
        ({"steps": [{"after": 1, "targets": [{"member": ANA}]}]}, "steps.0.after"),
    ],
)
def test_what_is_wrong_is_named(api: Api, ana: str, change: dict[str, Any], field: str) -> None:
    body = {"name": "p", "steps": [{"delay": 0, "targets": [{"member": ana}]}]} | change
    assert [name for name, _ in refused(api, **body)] == [field]
    assert api.get("escalation-policies")["results"] == []


def test_what_is_not_the_teams_is_refused_exactly_like_what_is_missing(
    api: Api, rival: Api, ana: str
) -> None:
    with scopes_disabled():
        theirs = Team.objects.get(slug="rival")
        member = Membership.objects.get(team=theirs).user.email
    for kind, foreign in (
        ("rotation", make_rotation(theirs)),
        ("channel", make_channel(rival)),
        ("member", member),
    ):
        answers = {
            api(
                "POST",
                "escalation-policies",
                {"name": "p", "steps": [{"targets": [{"member": ana}, {kind: thing}]}]},
                expect=400,
            ).content
            for thing in (foreign, NOBODY, "nonsense")
        }
        assert len(answers) == 1
        body = {"name": "p", "steps": [{"targets": [{"member": ana}, {kind: foreign}]}]}
        assert refused(api, **body) == [(f"steps.0.targets.1.{kind}", "not_found")]
    with scopes_disabled():
        assert not EscalationPolicy.objects.exists()


def test_a_name_is_taken_once(api: Api, rival: Api, ana: str) -> None:
    steps = [{"targets": [{"member": ana}]}]
    api.make("escalation-policies", name="p", steps=steps)
    other = api.make("escalation-policies", name="q", steps=steps)
    api("POST", "escalation-policies", {"name": "p", "steps": steps}, expect=409)
    api("PATCH", f"escalation-policies/{other['id']}", {"name": "p"}, expect=409)
    with scopes_disabled():
        email = Membership.objects.get(team__slug="rival").user.email
    rival.make("escalation-policies", name="p", steps=[{"targets": [{"member": email}]}])


def test_a_policy_that_a_rule_follows_stays(api: Api, ana: str) -> None:
    policy = api.make("escalation-policies", name="p", steps=[{"targets": [{"member": ana}]}])
    path = f"escalation-policies/{policy['id']}"
    rule = api.make("alert-rules", name="night", policy=policy["id"])
    problem = api("DELETE", path, expect=409).json()
    assert problem["detail"] == "Alert rules follow this policy: “night”."
    api("PATCH", f"alert-rules/{rule['id']}", {"policy": None}, expect=200)
    api("DELETE", path, expect=204)
    api("GET", path, expect=404)


def test_a_step_outlives_who_leaves_the_team(api: Api, team: Team, ana: str) -> None:
    channel = make_channel(api)
    steps = [{"targets": [{"member": ana}, {"channel": channel}]}]
    policy = api.make("escalation-policies", name="p", steps=steps)
    with scopes_disabled():
        Membership.objects.get(team=team, user__email=ana).delete()
    steps = api.get(f"escalation-policies/{policy['id']}")["steps"]
    assert steps == [{"delay": 0, "targets": [{"channel": channel}]}]


def test_a_list_costs_the_same_however_long(api: Api, team: Team, ana: str) -> None:
    channel, rotation = make_channel(api), make_rotation(team)
    steps = [{"targets": [{"member": ana}, {"channel": channel}, {"rotation": rotation}]}]

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            api.get("escalation-policies")
        return len(captured)

    api.make("escalation-policies", name="p", steps=steps)
    few = queries()
    for number in range(5):
        api.make("escalation-policies", name=f"p {number}", steps=steps * 4)
    assert queries() <= few


def test_another_teams_policy_is_not_there(api: Api, rival: Api, ana: str) -> None:
    policy = api.make("escalation-policies", name="p", steps=[{"targets": [{"member": ana}]}])
    for method in ("GET", "PATCH", "DELETE"):
        foreign = rival(method, f"escalation-policies/{policy['id']}", {}, expect=404).content
        assert foreign == rival(method, f"escalation-policies/{NOBODY}", {}, expect=404).content
    assert rival.get("escalation-policies")["results"] == []


def test_a_channel_that_a_policy_pages_cannot_be_deleted(api: Api) -> None:
    hook = {"name": "hook", "kind": "email", "config": {"to": ["ops@example.org"]}}
    channel = api.make("channels", **hook)
    target = {"channel": channel["id"]}
    policy = api.make("escalation-policies", name="p", steps=[{"delay": 0, "targets": [target]}])
    refused = api("DELETE", f"channels/{channel['id']}", expect=409).json()
    assert "“p”" in refused["detail"]
    api("DELETE", f"escalation-policies/{policy['id']}", expect=204)
    api("DELETE", f"channels/{channel['id']}", expect=204)
