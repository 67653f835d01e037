from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from tests.conftest import Api
from tests.factories import MonitorFactory

FIELDS = {
    "id",
    "namespace",
    "name",
    "description",
    "slug",
    "push_url",
    "interval",
    "silent_after",
    "grace",
    "schedule",
    "timeout",
    "failures_to_open",
    "passes_to_close",
    "latency_limit_ms",
    "severity",
    "labels",
    "require_token",
    "arm_on_create",
    "runbook_url",
    "state",
    "cause",
    "last_push_at",
    "due_at",
    "paused",
    "created_at",
}


def test_a_monitor_is_created_with_the_defaults_of_the_contract(api: Api) -> None:
    made = api.make("monitors", name="fleet")
    assert set(made) == FIELDS | {"token"}
    assert (made["interval"], made["silent_after"], made["grace"]) == (60, 90, 0)
    assert (made["failures_to_open"], made["passes_to_close"]) == (1, 1)
    assert made["namespace"] == "acme"
    assert made["severity"] == "critical"
    assert made["schedule"] is made["due_at"] is made["cause"] is made["timeout"] is None
    assert made["state"] == "pending"
    assert made["paused"] is False
    assert len(made["slug"]) == 12
    assert made["push_url"].endswith(f"/api/push/{made['slug']}/results")
    assert made["created_at"].endswith("Z")


def test_the_token_is_shown_once(api: Api) -> None:
    made = api.make("monitors", name="fleet")
    assert made["token"]
    read = api.get(f"monitors/{made['id']}")
    assert set(read) == FIELDS
    assert read == {name: made[name] for name in FIELDS}
    assert api.get("monitors")["results"] == [read]


def test_what_was_read_can_be_sent_back(api: Api) -> None:
    made = api.make("monitors", name="fleet", labels={"az": "b"}, description="x")
    read = api.get(f"monitors/{made['id']}")
    assert api("PATCH", f"monitors/{made['id']}", read, expect=200).json() == read


def test_a_field_is_changed_alone(api: Api) -> None:
    made = api.make("monitors", name="fleet", grace=30)
    changed = api("PATCH", f"monitors/{made['id']}", {"silent_after": 400}, expect=200).json()
    assert (changed["silent_after"], changed["grace"]) == (400, 30)
    assert "token" not in changed


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "results"}, "name"),
        ({"name": ".."}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a" * 254}, "name"),
        ({"name": 5}, "name"),
        ({"name": None}, "name"),
        ({"name": "x", "intervall": 5}, "intervall"),
        ({"name": "x", "token": "mine"}, "token"),
        ({"name": "x", "interval": "60"}, "interval"),
        ({"name": "x", "interval": 60.5}, "interval"),
        ({"name": "x", "interval": True}, "interval"),
        ({"name": "x", "interval": 10**400}, "interval"),
        ({"name": "x", "silent_after": 4}, "silent_after"),
        ({"name": "x", "silent_after": 400 * 86400 + 1}, "silent_after"),
        ({"name": "x", "grace": -1}, "grace"),
        ({"name": "x", "grace": 30 * 86400 + 1}, "grace"),
        ({"name": "x", "failures_to_open": 0}, "failures_to_open"),
        ({"name": "x", "latency_limit_ms": "5"}, "latency_limit_ms"),
        ({"name": "x", "latency_limit_ms": 10**400}, "latency_limit_ms"),
        ({"name": "x", "severity": "bad"}, "severity"),
        ({"name": "x", "severity": ["critical"]}, "severity"),
        ({"name": "x", "labels": [1]}, "labels"),
        ({"name": "x", "labels": {"a": {"b": 1}}}, "labels"),
        ({"name": "x", "labels": {"": "a"}}, "labels"),
        ({"name": "x", "labels": {"k" * 64: "a"}}, "labels"),
        ({"name": "x", "labels": {"a": "v" * 256}}, "labels"),
        ({"name": "x", "labels": {f"k{n}": 1 for n in range(33)}}, "labels"),
        ({"name": "x", "require_token": "yes"}, "require_token"),
        ({"name": "x", "runbook_url": "javascript:alert(1)"}, "runbook_url"),
        ({"name": "x", "runbook_url": "https://a b"}, "runbook_url"),
        ({"name": "x", "namespace": "Not A Name"}, "namespace"),
        ({"name": "x", "schedule": "* * * * *"}, "schedule"),
        ({"name": "x", "schedule": {"cron": "61 * * * *"}}, "schedule.cron"),
        ({"name": "x", "schedule": {"timezone": "UTC"}}, "schedule.cron"),
        ({"name": "x", "schedule": {"cron": "5 4 * * *", "timezone": "Mars"}}, "schedule.timezone"),
        ({"name": "x", "schedule": {"cron": "5 4 * * *", "zone": "UTC"}}, "schedule.zone"),
        ({"name": "x", "schedule": {"cron": "5 4 * * *"}, "grace": 30}, "grace"),
    ],
)
def test_a_wrong_field_is_named(api: Api, body: dict[str, object], field: str) -> None:
    response = api("POST", "monitors", body, expect=400)
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert [error["field"] for error in problem["errors"]] == [field]
    assert {"type", "title", "status", "detail"} <= set(problem)
    assert api.get("monitors")["results"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b'{"name":"\\u0000"}',
        b'{"name":"\\ud800"}',
        b'{"name":"\xff\xfe"}',
        b'{"name":"x","latency_limit_ms":NaN}',
        b'{"name":"x","latency_limit_ms":1e999}',
        b'{"name":"x","labels":{"a":1e999}}',
        b'{"name":"x","interval":' + b"9" * 5000 + b"}",
        b'{"name":"x","labels":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"name":"x","labels":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
        b'{"name":"x","schedule":' + b'{"cron":' * 800 + b"1" + b"}" * 800 + b"}",
        b'{"name":"x","\\u0000":1}',
    ],
)
def test_hostile_bytes_are_a_problem_and_nothing_else(api: Api, body: bytes) -> None:
    response = api("POST", "monitors", body)
    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert api.get("monitors")["results"] == []


def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    api("POST", "monitors", b'{"name":"' + b"x" * (1 << 20) + b'"}', expect=413)


def test_labels_of_other_types_become_texts(api: Api) -> None:
    made = api.make("monitors", name="x", labels={"a": True, "b": None, "c": 5, "d": 1.5, "e": ""})
    assert made["labels"] == {"a": "true", "b": "null", "c": "5", "d": "1.5", "e": ""}


def test_a_schedule_has_a_grace_of_its_own(api: Api) -> None:
    made = api.make("monitors", name="x", schedule={"cron": "5  4 * * *"})
    assert made["schedule"] == {"cron": "5 4 * * *", "timezone": "UTC"}
    assert made["grace"] == 300
    path = f"monitors/{made['id']}"
    zone = {"cron": "0 9 * * 1", "timezone": "Europe/Berlin"}
    assert api("PATCH", path, {"schedule": zone}, expect=200).json()["schedule"] == zone
    api("PATCH", path, {"schedule": {}}, expect=400)
    api("PATCH", path, {"grace": 59}, expect=400)
    assert api("PATCH", path, {"grace": 60}, expect=200).json()["grace"] == 60
    assert api("PATCH", path, {"schedule": None}, expect=200).json()["schedule"] is None


def test_a_free_namespace_is_claimed_and_a_foreign_one_refused(api: Api, rival: Api) -> None:
    assert api.make("monitors", name="x", namespace="ours")["namespace"] == "ours"
    refused = rival("POST", "monitors", {"name": "x", "namespace": "ours"}, expect=400).json()
    assert [(e["field"], e["code"]) for e in refused["errors"]] == [("namespace", "taken")]
    refused = rival("POST", "monitors", {"name": "x", "namespace": "acme"}, expect=400).json()
    assert [(e["field"], e["code"]) for e in refused["errors"]] == [("namespace", "taken")]


def test_a_name_is_taken_once_in_its_namespace(api: Api) -> None:
    api.make("monitors", name="x")
    api("POST", "monitors", {"name": "x"}, expect=409)
    other = api.make("monitors", name="x", namespace="other")
    api("PATCH", f"monitors/{other['id']}", {"namespace": "acme"}, expect=409)
    assert api.get(f"monitors/{other['id']}")["namespace"] == "other"


def test_the_quota_is_a_402(api: Api, team: Team) -> None:
    Team.objects.update(monitor_quota=1)
    api.make("monitors", name="x")
    refused = api("POST", "monitors", {"name": "y"}, expect=402)
    assert "1 monitors" in refused.json()["detail"]
    assert refused["Content-Type"] == "application/problem+json"


def test_pause_and_resume(api: Api) -> None:
    made = api.make("monitors", name="x", arm_on_create=True)
    assert made["due_at"]
    paused = api.post(f"monitors/{made['id']}/pause")
    assert (paused["state"], paused["paused"], paused["due_at"]) == ("paused", True, None)
    resumed = api.post(f"monitors/{made['id']}/resume")
    assert (resumed["state"], resumed["paused"]) == ("pending", False)
    changes = api.get(f"monitors/{made['id']}/transitions")["results"]
    assert [(c["from"], c["to"], c["cause"]) for c in changes] == [
        ("paused", "pending", None),
        ("pending", "paused", None),
    ]
    assert set(changes[0]) == {"at", "from", "to", "cause"}


def test_slug_and_token_rotate_independently(api: Api) -> None:
    made = api.make("monitors", name="x")
    path = f"monitors/{made['id']}"
    slug = api.post(f"{path}/rotate-slug")
    assert slug["slug"] != made["slug"]
    assert "token" not in slug
    assert slug["slug"] in slug["push_url"]
    token = api.post(f"{path}/rotate-token", keep_old_for=60)
    assert token["token"] not in (None, made["token"])
    assert token["slug"] == slug["slug"]
    for wrong in (-1, 30 * 86400 + 1, "60", True, 1.5, None):
        api("POST", f"{path}/rotate-slug", {"keep_old_for": wrong}, expect=400)
    api("POST", f"{path}/rotate-slug", {"keep_old": 5}, expect=400)


def test_a_deleted_monitor_is_gone(api: Api) -> None:
    made = api.make("monitors", name="x")
    assert api("DELETE", f"monitors/{made['id']}", expect=204).content == b""
    api("GET", f"monitors/{made['id']}", expect=404)
    api("DELETE", f"monitors/{made['id']}", expect=404)
    api.make("monitors", name="x")


def test_filters(api: Api) -> None:
    api.make("monitors", name="a", labels={"az": "b", "tier": "1"})
    api.make("monitors", name="b", labels={"az": "b"}, description="the Nightly one")
    api.make("monitors", name="c", namespace="other", labels={"url": "a:b"})

    def names(query: str) -> str:
        return "".join(sorted(m["name"] for m in api.get("monitors?" + query)["results"]))

    assert names("") == "abc"
    assert names("label=az:b") == "ab"
    assert names("label=az:b&label=tier:1") == "a"
    assert names("label=az:c") == names("label=nope:") == names("namespace=nobody") == ""
    assert names("label=url:a:b") == "c"
    assert names("namespace=other") == "c"
    assert names("search=nightly") == "b"
    assert names("name=a") == "a"
    assert names("search=%25") == ""
    assert names("state=pending&namespace=acme") == "ab"
    assert names("state=up") == names("state=late") == ""
    for query in ("state=odd", "label=az", "label=:x", "search=%00", "name=a%00", "limit=0"):
        api("GET", "monitors?" + query, expect=400)


def test_a_list_costs_the_same_however_long(api: Api, team: Team) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            api.get("monitors")
        return len(captured)

    MonitorFactory.create_batch(3, team=team, arm_on_create=True)
    few = queries()
    MonitorFactory.create_batch(27, team=team, arm_on_create=True)
    assert len(api.get("monitors")["results"]) == 30
    assert queries() <= few <= 8
