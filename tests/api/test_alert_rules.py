from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import ApiKey, Membership
from tests.conftest import Api

EMPTY = {"labels": {}, "namespaces": [], "names": [], "severities": [], "causes": [], "hours": []}
NOBODY = "01890000-0000-7000-8000-000000000000"
NOT_FOUND = "There is no such channel."


def order(api: Api) -> str:
    rules = api.get("alert-rules")["results"]
    assert [rule["position"] for rule in rules] == [*range(len(rules) - 1), None]
    return "".join(rule["name"] for rule in rules[:-1])


def hook(api: Api, name: str = "hook") -> str:
    config = {"url": "https://hooks.example.org/x"}
    made: str = api.make("channels", name=name, kind="webhook", config=config)["id"]
    return made


def test_a_team_has_a_catch_all_from_the_start(api: Api) -> None:
    [rule] = api.get("alert-rules")["results"]
    assert set(rule) == {"id", "name", "position", "match", "policy", "channels", "continue"}
    assert (rule["position"], rule["match"], rule["channels"]) == (None, EMPTY, [])


def test_a_rule_has_the_defaults_of_the_contract(api: Api) -> None:
    made = api.make("alert-rules", name="a")
    assert made == {
        "id": made["id"],
        "name": "a",
        "position": 0,
        "match": EMPTY,
        "policy": None,
        "channels": [],
        "continue": False,
    }
    assert api.get(f"alert-rules/{made['id']}") == made


def test_position_is_an_insertion_index(api: Api) -> None:
    for name in "abc":
        api.make("alert-rules", name=name)
    assert order(api) == "abc"
    assert api.make("alert-rules", name="d", position=0)["position"] == 0
    assert order(api) == "dabc"
    assert api.make("alert-rules", name="e", position=2)["position"] == 2
    assert order(api) == "daebc"
    assert api.make("alert-rules", name="f", position=99)["position"] == 5
    assert order(api) == "daebcf"


def test_moving_and_deleting_leave_no_hole(api: Api) -> None:
    ids = {name: api.make("alert-rules", name=name)["id"] for name in "abcde"}
    for name, position, expected in (
        ("a", 3, "bcdae"),
        ("e", 0, "ebcda"),
        ("c", 2, "ebcda"),
        ("b", 99, "ecdab"),
        ("b", 1, "ebcda"),
    ):
        path = f"alert-rules/{ids[name]}"
        moved = api("PATCH", path, {"position": position}, expect=200).json()
        assert order(api) == expected
        assert moved["position"] == expected.index(name)
    api("DELETE", f"alert-rules/{ids['c']}", expect=204)
    assert order(api) == "ebda"
    api("DELETE", f"alert-rules/{ids['e']}", expect=204)
    assert order(api) == "bda"


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "move", "delete"]), st.integers(0, 6), st.integers(0, 6)),
        max_size=12,
    )
)
def test_rules_stand_as_a_list_would(api: Api, steps: list[tuple[str, int, int]]) -> None:
    for rule in api.get("alert-rules")["results"][:-1]:
        api("DELETE", f"alert-rules/{rule['id']}", expect=204)
    model: list[str] = []
    for number, (verb, which, position) in enumerate(steps):
        if verb == "add":
            made = api.make("alert-rules", name=f"rule {number}", position=position)
            model.insert(position, made["id"])
        elif model:
            chosen = model.pop(which % len(model))
            if verb == "move":
                model.insert(position, chosen)
                api("PATCH", f"alert-rules/{chosen}", {"position": position}, expect=200)
            else:
                api("DELETE", f"alert-rules/{chosen}", expect=204)
    rules = api.get("alert-rules")["results"]
    assert [rule["id"] for rule in rules[:-1]] == model
    assert [rule["position"] for rule in rules] == [*range(len(model)), None]


def test_the_catch_all_can_be_renamed_and_given_channels_and_nothing_else(api: Api) -> None:
    [rule] = api.get("alert-rules")["results"]
    path = f"alert-rules/{rule['id']}"
    assert api("PATCH", path, rule, expect=200).json() == rule
    channel = hook(api)
    changed = api("PATCH", path, {"name": "rest", "channels": [channel]}, expect=200).json()
    assert (changed["name"], changed["channels"]) == ("rest", [channel])
    for body in (
        {"position": 0},
        {"continue": True},
        {"match": {"names": ["x"]}},
        {"name": "y", "match": {"labels": {"a": "b"}}},
    ):
        api("PATCH", path, body, expect=409)
    refused = api("DELETE", path, expect=409)
    assert "not be deleted" in refused.json()["detail"]
    assert api.get(path) == changed


def test_a_name_is_taken_once(api: Api, rival: Api) -> None:
    api("POST", "alert-rules", {"name": "Everything else"}, expect=409)
    api.make("alert-rules", name="a")
    api("POST", "alert-rules", {"name": "a"}, expect=409)
    other = api.make("alert-rules", name="b")
    api("PATCH", f"alert-rules/{other['id']}", {"name": "a", "position": 0}, expect=409)
    assert order(api) == "ab"
    rival.make("alert-rules", name="a")


def test_a_rule_sends_to_channels_in_order(api: Api) -> None:
    one, two = hook(api, "one"), hook(api, "two")
    made = api.make("alert-rules", name="a", channels=[two, one, two])
    assert made["channels"] == [two, one]
    path = f"alert-rules/{made['id']}"
    assert api("PATCH", path, {"name": "b"}, expect=200).json()["channels"] == [two, one]
    assert api("PATCH", path, {"channels": [one]}, expect=200).json()["channels"] == [one]
    api("DELETE", f"channels/{one}", expect=204)
    assert api.get(path)["channels"] == []


def test_a_foreign_channel_is_refused_exactly_like_a_missing_one(api: Api, rival: Api) -> None:
    ours, theirs = hook(api), hook(rival)
    answers = []
    for channel in (theirs, NOBODY, "nonsense"):
        body = {"name": "a", "channels": [ours, channel]}
        answers.append(api("POST", "alert-rules", body, expect=400).content)
    assert len(set(answers)) == 1
    problem = api("POST", "alert-rules", {"name": "a", "channels": [theirs]}, expect=400).json()
    assert problem["errors"] == [{"field": "channels.0", "code": "not_found", "detail": NOT_FOUND}]
    assert order(api) == ""


def policy_of(api: Api, name: str = "p") -> str:
    with scopes_disabled():
        email = Membership.objects.get(team=ApiKey.objects.get(prefix=prefix(api)).team).user.email
    steps = [{"delay": 0, "targets": [{"member": email}]}]
    made: str = api.make("escalation-policies", name=name, steps=steps)["id"]
    return made


def prefix(api: Api) -> str:
    assert api.key
    return api.key.split("_")[1]


def test_a_rule_follows_a_policy(api: Api) -> None:
    policy = policy_of(api)
    made = api.make("alert-rules", name="a", policy=policy)
    assert made["policy"] == policy
    path = f"alert-rules/{made['id']}"
    assert api("PATCH", path, made, expect=200).json() == made
    assert api("PATCH", path, {"name": "b"}, expect=200).json()["policy"] == policy
    assert api("PATCH", path, {"policy": None}, expect=200).json()["policy"] is None
    [catch_all] = [rule for rule in api.get("alert-rules")["results"] if rule["position"] is None]
    path = f"alert-rules/{catch_all['id']}"
    assert api("PATCH", path, {"policy": policy}, expect=200).json()["policy"] == policy


def test_a_foreign_policy_is_refused_exactly_like_a_missing_one(api: Api, rival: Api) -> None:
    assert api.make("alert-rules", name="a", policy=None)["policy"] is None
    answers = set()
    for policy in (policy_of(rival), NOBODY, "nonsense"):
        answer = api("POST", "alert-rules", {"name": "b", "policy": policy}, expect=400)
        answers.add(answer.content)
        errors = answer.json()["errors"]
        assert [(e["field"], e["code"]) for e in errors] == [("policy", "not_found")]
    assert len(answers) == 1
    for policy in (5, [], {}, True):
        problem = api("POST", "alert-rules", {"name": "b", "policy": policy}, expect=400).json()
        assert [e["field"] for e in problem["errors"]] == ["policy"]


def test_matchers_are_kept_and_completed(api: Api) -> None:
    match = {
        "labels": {"az": "b"},
        "namespaces": ["acme"],
        "names": ["db-*"],
        "severities": ["critical"],
        "causes": ["silence", "failure"],
        "hours": [{"weekdays": [4, 0, 4], "from": "22:00", "to": "06:00"}],
    }
    made = api.make("alert-rules", name="a", match=match)
    kept = [{"weekdays": [0, 4], "from": "22:00", "to": "06:00", "timezone": "UTC"}]
    assert made["match"] == match | {"hours": kept}
    path = f"alert-rules/{made['id']}"
    changed = api("PATCH", path, {"match": {"names": ["x"]}}, expect=200).json()
    assert changed["match"] == EMPTY | {"names": ["x"]}


@pytest.mark.parametrize(
    ("match", "field"),
    [
        (None, "match"),
        ([], "match"),
        ({"label": {}}, "match.label"),
        ({"labels": []}, "match.labels"),
        ({"labels": {"a": 1}}, "match.labels"),
        ({"labels": {"a": {"b": "c"}}}, "match.labels"),
        ({"namespaces": "acme"}, "match.namespaces"),
        ({"namespaces": {"acme": 1}}, "match.namespaces"),
        ({"names": [5]}, "match.names.0"),
        ({"names": ["x"] * 101}, "match.names"),
        ({"severities": ["bad"]}, "match.severities"),
        ({"causes": ["boredom"]}, "match.causes"),
        ({"hours": {}}, "match.hours"),
        ({"hours": ["x"]}, "match.hours.0"),
        ({"hours": [{"from": "09:00"}]}, "match.hours.0.to"),
        ({"hours": [{"from": "9:00", "to": "17:00"}]}, "match.hours.0.from"),
        ({"hours": [{"from": "24:00", "to": "17:00"}]}, "match.hours.0.from"),
        ({"hours": [{"from": "09:00", "to": "17:00", "weekdays": []}]}, "match.hours.0.weekdays"),
        (
            {"hours": [{"from": "09:00", "to": "17:00", "weekdays": [7]}]},
            "match.hours.0.weekdays.0",
        ),
        (
            {"hours": [{"from": "09:00", "to": "17:00", "timezone": "Mars"}]},
            "match.hours.0.timezone",
        ),
    ],
)
def test_a_wrong_matcher_is_named(api: Api, match: Any, field: str) -> None:
    problem = api("POST", "alert-rules", {"name": "a", "match": match}, expect=400).json()
    assert [error["field"] for error in problem["errors"]] == [field]
    made = api.make("alert-rules", name="b")
    problem = api("PATCH", f"alert-rules/{made['id']}", {"match": match}, expect=400).json()
    assert [error["field"] for error in problem["errors"]] == [field]


def test_a_list_costs_the_same_however_long(api: Api) -> None:
    channels = [hook(api, "one"), hook(api, "two")]

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            api.get("alert-rules")
        return len(captured)

    api.make("alert-rules", name="a", channels=channels)
    few = queries()
    for number in range(10):
        api.make("alert-rules", name=f"rule {number}", channels=channels)
    assert queries() <= few
