"""Rotations by the REST API: what is stored and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.models import EscalationPolicy, EscalationStep, EscalationTarget, Rotation
from tests.api.rotas import BERLIN, HANDOFF, join, make, patch, people, shifts
from tests.conftest import Api

__all__ = ["people"]  # the fixture


def test_a_rotation_has_the_fields_of_the_contract(api: Api, people: list[str]) -> None:
    hours = [{"weekdays": [4, 0, 4], "from": "09:00", "to": "24:00"}]
    made = make(api, people, timezone=BERLIN, unit="week", restrictions=hours)
    assert set(made) == {"id", "name", "timezone", "layers", "calendar_url", "created_at"}
    assert made["layers"] == [
        {
            "unit": "week",
            "length": 1,
            "handoff": HANDOFF,
            "members": people,
            "restrictions": [{"weekdays": [0, 4], "from": "09:00", "to": "24:00"}],
        }
    ]
    assert made["created_at"].endswith("Z")
    assert api.get(f"rotations/{made['id']}") == made
    assert api.get("rotations")["results"] == [made]
    assert patch(api, made, **made) == made
    api("DELETE", f"rotations/{made['id']}", expect=204)
    assert api.get("rotations")["results"] == []


def test_one_layer_may_be_given_flat(api: Api, people: list[str]) -> None:
    made = api.make(
        "rotations", name="flat", unit="hour", length=12, handoff=HANDOFF + ":00", members=people
    )
    [layer] = made["layers"]
    assert layer == {
        "unit": "hour",
        "length": 12,
        "handoff": HANDOFF,
        "members": people,
        "restrictions": [],
    }
    assert made["timezone"] == "UTC"
    changed = patch(api, made, members=people[:1])
    assert changed["layers"] == [layer | {"members": people[:1]}]
    both = {"name": "x", "unit": "day", "handoff": HANDOFF, "layers": [layer]}
    assert api("POST", "rotations", both, expect=400).json()["errors"][0]["field"] == "layers"
    patch(api, made, expect=400, layers=[layer], length=2)
    two = patch(api, made, layers=[layer, layer])
    assert len(two["layers"]) == 2
    patch(api, made, expect=400, members=people)


def test_members_are_found_whatever_the_case_and_may_be_none(api: Api, people: list[str]) -> None:
    made = make(api, [people[0].upper(), people[1], people[0]])
    assert made["layers"][0]["members"] == [people[0], people[1], people[0]]
    empty = make(api, [], name="empty")
    assert api.get(f"rotations/{empty['id']}/on-call?at=2027-03-01T09:00:00Z") == {
        "at": "2027-03-01T09:00:00Z",
        "member": None,
        "start": None,
        "end": None,
        "layer": None,
        "override": None,
        "results": [],
    }
    assert shifts(api, empty, "2027-03-01T00:00:00Z", "2027-04-01T00:00:00Z") == []


def test_a_foreign_member_is_refused_exactly_like_a_missing_one(
    api: Api, rival: Api, people: list[str]
) -> None:
    with scopes_disabled():
        [theirs] = join(Team.objects.get(slug="rival"), "eve")
    answers = set()
    for address in (theirs, "nobody@acme.example", "nonsense"):
        layer = {"unit": "day", "handoff": HANDOFF, "members": [people[0], address]}
        body = {"name": "x", "layers": [layer]}
        answers.add(api("POST", "rotations", body, expect=400).content)
        problem = api("POST", "rotations", {"name": "x", **layer}, expect=400).json()
        assert problem["errors"] == [
            {"field": "members.1", "code": "not_found", "detail": "There is no such member."}
        ]
    assert len(answers) == 1
    assert api.get("rotations")["results"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"unit": "month"}, "unit"),
        ({"unit": None}, "unit"),
        ({"unit": []}, "unit"),
        ({"length": 0}, "length"),
        ({"length": -1}, "length"),
        ({"length": "1"}, "length"),
        ({"length": True}, "length"),
        ({"length": 1.0}, "length"),
        ({"length": 367}, "length"),
        ({"unit": "week", "length": 54}, "length"),
        ({"unit": "hour", "length": 8761}, "length"),
        ({"length": 10**40}, "length"),
        ({"handoff": "2027-03-01"}, "handoff"),
        ({"handoff": "2027-03-01T09:00Z"}, "handoff"),
        ({"handoff": "2027-03-01T09:00+01:00"}, "handoff"),
        ({"handoff": "2027-03-01T09:00:30"}, "handoff"),
        ({"handoff": "2027-02-30T09:00"}, "handoff"),
        ({"handoff": "0001-01-01T00:00"}, "handoff"),
        ({"handoff": "9999-12-31T23:59"}, "handoff"),
        ({"handoff": "٢027-03-01T09:00"}, "handoff"),
        ({"handoff": 5}, "handoff"),
        ({"handoff": None}, "handoff"),
        ({"members": "ana@acme.example"}, "members"),
        ({"members": [5]}, "members.0"),
        ({"members": [None]}, "members.0"),
        ({"members": [{"email": "x"}]}, "members.0"),
        ({"members": ["x"] * 101}, "members"),
        ({"members": None}, "members"),
        ({"restrictions": {}}, "restrictions"),
        ({"restrictions": [5]}, "restrictions.0"),
        ({"restrictions": [{"from": "09:00"}]}, "restrictions.0.to"),
        ({"restrictions": [{"from": "24:00", "to": "09:00"}]}, "restrictions.0.from"),
        ({"restrictions": [{"from": "9:00", "to": "10:00"}]}, "restrictions.0.from"),
        ({"restrictions": [{"from": "09:00", "to": "24:01"}]}, "restrictions.0.to"),
        (
            {"restrictions": [{"from": "09:00", "to": "10:00", "weekdays": []}]},
            "restrictions.0.weekdays",
        ),
        (
            {"restrictions": [{"from": "09:00", "to": "10:00", "weekdays": [7]}]},
            "restrictions.0.weekdays.0",
        ),
        ({"restrictions": [{"from": "09:00", "to": "10:00"}] * 51}, "restrictions"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_layer_is_refused_by_field(api: Api, change: dict[str, Any], field: str) -> None:
    layer = {"unit": "day", "length": 1, "handoff": HANDOFF, "members": []} | change
    flat = api("POST", "rotations", {"name": "x", **layer}, expect=400).json()
    assert {error["field"] for error in flat["errors"]} == {field}
    nested = api("POST", "rotations", {"name": "x", "layers": [layer]}, expect=400).json()
    assert {error["field"] for error in nested["errors"]} == {f"layers.0.{field}"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "localtime"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": 1}, "timezone"),
        ({"layers": None}, "layers"),
        ({"layers": {}}, "layers"),
        ({"layers": [None]}, "layers.0"),
        ({"layers": [[]]}, "layers.0"),
        ({"layers": [{"unit": "day", "handoff": HANDOFF}] * 21}, "layers"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_bad_rotation_is_refused_by_field(api: Api, change: dict[str, Any], field: str) -> None:
    body = {"name": "x", "timezone": "UTC", "layers": []}
    problem = api("POST", "rotations", body | change, expect=400).json()
    assert field in {error["field"] for error in problem["errors"]}
    made = api.make("rotations", **body)
    patch(api, made, expect=400, **change)
    assert api.get(f"rotations/{made['id']}") == made


def test_a_name_is_taken_once(api: Api, rival: Api) -> None:
    make(api, [])
    other = make(api, [], name="Secondary")
    body = {"name": "Primary", "unit": "day", "handoff": HANDOFF}
    api("POST", "rotations", body, expect=409)
    patch(api, other, expect=409, name="Primary")
    make(rival, [])


def test_a_rotation_that_a_policy_pages_stays(api: Api, team: Team) -> None:
    made = make(api, [])
    with scopes_disabled():
        policy = EscalationPolicy.objects.create(team=team, name="Nightly")
        step = EscalationStep.objects.create(team=team, policy=policy, position=0)
        EscalationTarget.objects.create(team=team, step=step, position=0, rotation_id=made["id"])
    refused = api("DELETE", f"rotations/{made['id']}", expect=409).json()
    assert "Nightly" in refused["detail"]
    with scopes_disabled():
        policy.delete()
    api("DELETE", f"rotations/{made['id']}", expect=204)


def test_an_edit_makes_the_engine_look_at_once(api: Api, people: list[str]) -> None:
    made = make(api, people)
    later = datetime(2030, 1, 1, tzinfo=UTC)
    path = f"rotations/{made['id']}/overrides"
    times = {"start": "2027-03-01T00:00:00Z", "end": "2027-03-02T00:00:00Z"}
    override = {}

    def looked_at_next() -> datetime:
        with scopes_disabled():
            at = Rotation.objects.get().check_at
            Rotation.objects.update(check_at=later)
        assert at is not None
        return at

    assert looked_at_next() < later
    for change in (
        lambda: patch(api, made, name="Other"),
        lambda: override.update(api.make(path, member=people[0], **times)),
        lambda: api("PATCH", f"{path}/{override['id']}", {"member": people[1]}, expect=200),
        lambda: api("DELETE", f"{path}/{override['id']}", expect=204),
    ):
        change()
        assert looked_at_next() < later


def test_lists_take_a_constant_number_of_queries(api: Api, team: Team, people: list[str]) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            api.get("rotations")
        return len(captured)

    layer = {"unit": "day", "handoff": HANDOFF, "members": people}
    api.make("rotations", name="0", layers=[layer])
    few = queries()
    for number in range(1, 4):
        api.make("rotations", name=str(number), layers=[layer] * 3)
    assert queries() == few
