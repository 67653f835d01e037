"""Every way to change something by the API leaves one event that says so, and no secret."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Team
from tests.api.test_incidents import make_incident
from tests.conftest import Api

SECRETS = {
    "whsec_" + "a" * 32,
    "correct horse",
    "visitor.name@customers.example",
    "T000/B000/xyz",
    "a-topic-to-guess",
    "tk-from-the-file",
}
APPLIED = """\
apiVersion: v1
kind: Secret
metadata: {name: tokens, namespace: acme}
stringData: {token: tk-from-the-file-0123456789}
---
apiVersion: tocsin/v1
kind: Monitor
metadata: {name: by-file, namespace: acme}
spec: {silent_after: 600}
"""


class Walk:
    """Makes a call and says what was recorded by it, and by nothing else."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.seen: set[str] = {event["id"] for event in self.log()}

    def log(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.api.get("audit-events?limit=1000")["results"]
        return rows

    def __call__(self, method: str, path: str, body: Any = None, **extra: Any) -> tuple[Any, Any]:
        answer = self.api(method, path, body, **extra)
        assert answer.status_code < 300, (method, path, answer.content)
        fresh = {e["action"]: e for e in self.log() if e["id"] not in self.seen}
        self.seen |= {event["id"] for event in fresh.values()}
        return (answer.json() if answer.content else None), fresh


@pytest.fixture
def walk(api: Api) -> Walk:
    return Walk(api)


def ways(walk: Walk, path: str, body: dict[str, Any], change: dict[str, Any]) -> list[set[str]]:
    """Return what is recorded of creating, changing and deleting."""
    made, first = walk("POST", path, body)
    _, second = walk("PATCH", f"{path}/{made['id']}", change)
    _, third = walk("DELETE", f"{path}/{made['id']}")
    return [set(first), set(second), set(third)]


def of(kind: str) -> list[set[str]]:
    return [{f"{kind}.created"}, {f"{kind}.updated"}, {f"{kind}.deleted"}]


def test_things_of_on_call(walk: Walk, api: Api) -> None:
    slack = {"url": "https://hooks.slack.com/services/T000/B000/xyz"}
    channel = {"name": "c", "kind": "slack", "config": slack}
    assert ways(walk, "channels", channel, {"name": "d"}) == of("channel")
    hook = {"url": "https://hooks.example.org/x", "secret": "whsec_" + "a" * 32}
    made, _ = walk("POST", "channels", {"name": "h", "kind": "webhook", "config": hook})
    _, changed = walk(
        "PATCH", f"channels/{made['id']}", {"config": {"secret": "whsec_" + "b" * 32}}
    )
    assert changed["channel.updated"]["after"]["config"]["secret"] == "(hidden)"
    step = {"targets": [{"channel": made["id"]}]}
    policy = {"name": "p", "steps": [step]}
    assert ways(walk, "escalation-policies", policy, {"steps": [step, step]}) == of(
        "escalation_policy"
    )
    walk("POST", "alert-rules", {"name": "first"})  # with it comes the catch-all rule
    rule = {"name": "r", "match": {"labels": {"a": "b"}}}
    made_rule, came = walk("POST", "alert-rules", rule)
    assert "alert_rule.created" in came
    _, changed = walk("PATCH", f"alert-rules/{made_rule['id']}", {"channels": [made["id"]]})
    assert changed["alert_rule.updated"]["after"]["channels"] == [{"channel": "h"}]
    assert ways(
        walk, "rotations", {"name": "turns", "layers": []}, {"timezone": "Europe/Berlin"}
    ) == of("rotation")
    rotation, _ = walk("POST", "rotations", {"name": "t", "layers": []})
    path = f"rotations/{rotation['id']}"
    for action in ("rotate", "revoke"):
        _, turned = walk("POST", f"{path}/{action}-calendar-key")
        assert turned["rotation.updated"]["after"] == {"calendar_key": "(hidden)"}
    member = api.get("members")["results"][0]["email"]
    turn = {"start": "2027-03-01T09:00:00Z", "end": "2027-03-01T10:00:00Z", "member": member}
    later = {"end": "2027-03-01T11:00:00Z"}
    assert ways(walk, f"{path}/overrides", turn, later) == of("override")
    night = {"name": "n", "labels": {"a": "b"}}
    night |= {"starts_at": "2027-03-01T00:00:00Z", "ends_at": "2027-03-01T01:00:00Z"}
    assert ways(walk, "maintenances", night, {"name": "m"}) == of("maintenance")
    ntfy = {"url": "https://ntfy.example.org", "topic": "a-topic-to-guess"}
    method = {"member": member, "kind": "ntfy", "config": ntfy}
    found = ways(walk, "contact-methods", method, {"name": "phone"})
    for expected, actions in zip(of("contact_method"), found, strict=True):
        assert expected <= actions
    nothing_secret(walk)


def test_things_of_a_page(walk: Walk) -> None:
    body = {"name": "s", "slug": "s"}
    assert ways(walk, "status-pages", body, {"password": "correct horse"}) == of("status_page")
    page, _ = walk("POST", "status-pages", body)
    path = f"status-pages/{page['id']}"
    monitor, _ = walk("POST", "monitors", {"name": "m"})
    web = {"name": "web", "monitors": [monitor["id"]]}
    assert ways(walk, f"{path}/components", web, {"monitors": []}) == of("component")
    component, grouped = walk("POST", f"{path}/components", {"name": "db", "group": "Data"})
    assert set(grouped) == {"component.created", "component_group.created"}
    post = {"title": "t", "status": "investigating", "body": "words"}
    post |= {"components": [component["id"]]}
    made, came = walk("POST", f"{path}/posts", post)
    assert came["post.created"]["after"]["components"][0]["component"] == "db"
    _, changed = walk("PATCH", f"{path}/posts/{made['id']}", {"impact": "critical"})
    assert set(changed) == {"post.updated"}
    more, said = walk("POST", f"{path}/posts/{made['id']}/updates", {"body": "more"})
    assert said["post.updated"]["after"]["updates"][0]["body"] == "more"
    one = f"{path}/posts/{made['id']}/updates/{more['id']}"
    assert set(walk("PATCH", one, {"body": "better"})[1]) == {"post.updated"}
    assert set(walk("DELETE", one)[1]) == {"post.updated"}
    assert set(walk("DELETE", f"{path}/posts/{made['id']}")[1]) == {"post.deleted"}
    template = {"name": "t", "status": "investigating", "body": "words"}
    assert ways(walk, f"{path}/templates", template, {"body": "others"}) == of("post_template")
    visitor = {"kind": "email", "address": "visitor.name@customers.example"}
    assert ways(walk, f"{path}/subscribers", visitor, {"locale": "de"}) == of("subscriber")
    hook = {"kind": "webhook", "address": "https://hooks.example.org/T000/B000/xyz?k=v"}
    _, came = walk("POST", f"{path}/subscribers", hook)
    event = came["subscriber.created"]
    assert event["name"] == event["after"]["address"] == "https://hooks.example.org/…"
    assert event["after"]["page"] == "s"
    [visiting] = [e for e in walk.log() if e["action"] == "subscriber.deleted"]
    assert visiting["name"] == visiting["before"]["address"] == "v…@customers.example"
    night = {"name": "n", "labels": {"a": "b"}, "status_page": page["id"]}
    night |= {"starts_at": "2027-03-01T00:00:00Z", "ends_at": "2027-03-01T01:00:00Z"}
    _, came = walk("POST", "maintenances", night)
    assert came["maintenance.created"]["after"]["status_page"] == "s"
    nothing_secret(walk)


def test_things_of_a_team(walk: Walk) -> None:
    new = {"email": "new@example.org"}
    for expected, actions in zip(
        of("member"), ways(walk, "members", new, {"role": "viewer"}), strict=True
    ):
        assert expected <= actions
    invited = ways(walk, "invitations", {"email": "newer@example.org"}, {"role": "viewer"})
    assert invited == of("invitation")
    key, first = walk("POST", "api-keys", {"name": "k"})
    assert set(first) == {"api_key.created"}
    assert set(walk("PATCH", f"api-keys/{key['id']}", {"name": "l"})[1]) == {"api_key.updated"}
    assert set(walk("DELETE", f"api-keys/{key['id']}")[1]) == {"api_key.updated"}
    space, first = walk("POST", "namespaces", {"name": "spare"})
    assert set(first) == {"namespace.created"}
    assert set(walk("DELETE", f"namespaces/{space['id']}")[1]) == {"namespace.deleted"}
    assert ways(walk, "monitors", {"name": "m"}, {"grace": 9}) == of("monitor")
    _, came = walk("POST", "apply", APPLIED.encode(), content_type="application/yaml")
    assert {"secret.created", "monitor.created"} <= set(came)
    nothing_secret(walk)
    assert key["key"] not in str(walk.log())


def test_what_is_done_about_an_incident(walk: Walk, team: Team) -> None:
    path = f"incidents/{make_incident(team).pk}"
    deeds = []
    for action, body in (
        ("notes", {"text": "looking"}),
        ("acknowledge", None),
        ("snooze", {"seconds": 600}),
        ("resolve", None),
    ):
        _, came = walk("POST", f"{path}/{action}", body)
        deeds.append({name: event["after"].get("state") for name, event in came.items()})
    assert deeds[0] == {"incident.noted": None}
    assert [set(deed) for deed in deeds[1:]] == [{"incident.updated"}] * 3
    assert deeds[1]["incident.updated"] == "acknowledged"
    assert deeds[3]["incident.updated"] == "resolved"


def nothing_secret(walk: Walk) -> None:
    text = str(walk.log())
    assert [secret for secret in SECRETS if secret in text] == []
