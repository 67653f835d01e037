"""The audit log by the API: every change by a key, by whatever resource."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from accounts.models import Team
from tests.conftest import Api
from tests.factories import make_key


def log(api: Api, **filters: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.get(f"audit-events?{urlencode(filters)}")["results"]
    return rows


def test_an_event_says_who_what_and_how(api: Api) -> None:
    monitor = api.make("monitors", name="backup", grace=5)
    api("PATCH", f"monitors/{monitor['id']}", {"grace": 9}, expect=200)
    event = log(api)[0]
    assert set(event) == {
        "id",
        "at",
        "actor",
        "by",
        "address",
        "request",
        "action",
        "kind",
        "thing",
        "name",
        "before",
        "after",
    }
    assert (event["actor"], event["by"], event["address"]) == ("key script", "key", "127.0.0.1")
    assert (event["action"], event["thing"], event["name"]) == (
        "monitor.updated",
        monitor["id"],
        "backup",
    )
    assert (event["before"], event["after"]) == ({"grace": 5}, {"grace": 9})


def test_a_refused_change_is_not_there(api: Api) -> None:
    api("POST", "monitors", {"name": ""}, expect=400)
    assert log(api) == []


def test_every_kind_of_thing_is_watched(api: Api) -> None:
    config = {"url": "https://hooks.example.org/x", "secret": "whsec_" + "a" * 32}
    channel = api.make("channels", name="hook", kind="webhook", config=config)
    monitor = api.make("monitors", name="m")
    member = api.make("members", email="new@example.org")
    policy = api.make(
        "escalation-policies", name="p", steps=[{"targets": [{"channel": channel["id"]}]}]
    )
    api.make("alert-rules", name="r", channels=[channel["id"]], policy=policy["id"])
    rotation = api.make(
        "rotations",
        name="turns",
        unit="day",
        length=1,
        handoff="2027-03-01T09:00",
        members=[member["email"]],
    )
    api.make(
        f"rotations/{rotation['id']}/overrides",
        start="2027-03-01T09:00:00Z",
        end="2027-03-01T10:00:00Z",
        member=member["email"],
    )
    api.make(
        "maintenances",
        name="night",
        monitors=[monitor["id"]],
        starts_at="2027-03-01T00:00:00Z",
        ends_at="2027-03-01T01:00:00Z",
    )
    page = api.make("status-pages", name="s", slug="s")
    api.make(f"status-pages/{page['id']}/components", name="web", monitors=[monitor["id"]])
    api.make("invitations", email="newer@example.org")
    key = api.make("api-keys", name="k")
    api("DELETE", f"api-keys/{key['id']}", expect=204)
    # The oldest first: the team's catch-all rule comes to be with its first rule.
    made = {e["kind"]: e for e in reversed(log(api)) if e["action"].endswith(".created")}
    assert set(made) == {
        "channel",
        "monitor",
        "member",
        "escalation_policy",
        "alert_rule",
        "rotation",
        "override",
        "maintenance",
        "status_page",
        "component",
        "invitation",
        "api_key",
    }
    assert made["channel"]["after"]["config"] == {
        "url": "https://hooks.example.org/x",
        "secret": "(hidden)",
    }
    assert made["member"]["name"] == made["member"]["after"]["email"] == "new@example.org"
    [target] = made["escalation_policy"]["after"]["targets"]
    assert target["channel"] == "hook"
    assert made["alert_rule"]["after"]["channels"] == [{"channel": "hook"}]
    assert made["alert_rule"]["after"]["policy"] == "p"
    [slot] = made["rotation"]["after"]["members"]
    assert slot["member"] == "new@example.org"
    assert made["rotation"]["after"]["calendar_key"] == "(hidden)"
    assert made["override"]["after"]["member"] == "new@example.org"
    assert made["maintenance"]["after"]["monitors"] == [{"monitor": "m"}]
    assert made["component"]["after"]["monitors"] == [{"monitor": "m"}]
    [revoked] = log(api, action="api_key.updated")
    assert set(revoked["after"]) == {"revoked_at"}
    text = str(log(api))
    assert "whsec_" not in text
    assert key["key"].rsplit("_", 1)[1] not in text


def test_parts_that_were_replaced_by_the_same_are_no_change(api: Api) -> None:
    channel = api.make("channels", name="c", kind="email", config={"to": "a@example.org"})
    steps = [{"delay": 0, "targets": [{"channel": channel["id"]}]}]
    policy = api.make("escalation-policies", name="p", steps=steps)
    path = f"escalation-policies/{policy['id']}"
    api("PATCH", path, {"name": "q", "steps": steps}, expect=200)
    event = log(api)[0]
    assert (event["before"], event["after"]) == ({"name": "p"}, {"name": "q"})
    api("PATCH", path, {"steps": [{**steps[0], "delay": 60}]}, expect=200)
    event = log(api)[0]
    assert [step["delay"] for step in event["before"]["steps"]] == [0]
    assert [step["delay"] for step in event["after"]["steps"]] == [60]


def test_the_list_is_filtered(api: Api, team: Team) -> None:
    other = Api(make_key(team, name="other"))
    first = api.make("monitors", name="a")
    other.make("channels", name="c", kind="email", config={"to": "a@example.org"})
    other("DELETE", f"monitors/{first['id']}", expect=204)
    assert [e["action"] for e in log(api)] == [
        "monitor.deleted",
        "channel.created",
        "monitor.created",
    ]
    assert [e["kind"] for e in log(api, actor="KEY script")] == ["monitor"]
    assert [e["actor"] for e in log(api, kind="monitor")] == ["key other", "key script"]
    assert len(log(api, action="channel.created")) == 1
    assert len(log(api, thing=first["id"])) == 2
    middle = log(api)[1]["at"]
    assert len(log(api, since=middle)) == 2
    assert len(log(api, until=middle)) == 1
    assert log(api, kind="nothing") == log(api, thing="nonsense") == []
    page = api.get("audit-events?limit=2")
    assert page["next"]
    for query in ("since=yesterday", "until=2027-01-01", "since=%00"):
        assert api("GET", f"audit-events?{query}", expect=400).json()["errors"]


def test_another_teams_log_is_its_own(api: Api, rival: Api) -> None:
    thing = api.make("monitors", name="a")
    assert log(rival) == log(rival, thing=thing["id"]) == []


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_nothing_changes_the_log(api: Api, method: str) -> None:
    api.make("monitors", name="a")
    [event] = log(api)
    assert api(method, "audit-events", {}).status_code == 405
    assert api(method, f"audit-events/{event['id']}", {}).status_code == 404
