"""The opsgenie kind against a provider on loopback that checks what the Alert API checks."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from incidents.channels.base import InvalidConfig
from incidents.channels.opsgenie import OpsgenieKind
from tests.channels.occurrences import (
    INCIDENT,
    NOW,
    URL,
    make_hostile,
    make_message,
    make_payload,
    make_test,
)
from tests.providers import Answer, Provider

KIND = OpsgenieKind(timeout_seconds=0.5, deadline_seconds=1)
KEY = "eb243592-faa2-4ba2-a551-1afdf565c889"
LOOPBACK = (ip_network("127.0.0.0/8"),)
CREATE_LIMITS = {
    "message": 130,
    "alias": 512,
    "description": 15_000,
    "entity": 512,
    "source": 100,
    "user": 100,
    "note": 25_000,
}
ACTION_FIELDS = {"source", "user", "note"}


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.BASE_URL = "https://tocsin.example"
    settings.OUTBOUND_ALLOW = LOOPBACK


def check_request(got):
    """Hold a request against the published rules of the Alert API."""
    assert got.method == "POST"
    assert got.headers["authorization"] == f"GenieKey {KEY}"
    assert got.headers["content-type"].startswith("application/json")
    content = got.json
    for name, limit in CREATE_LIMITS.items():
        assert len(content.get(name, "")) <= limit, name
    if got.path.startswith("/hook/v2/alerts/"):
        assert set(content) <= ACTION_FIELDS
        return
    assert set(content) <= set(CREATE_LIMITS) | {"priority", "tags", "details"}
    assert content["message"]
    assert content["priority"] in {"P1", "P2", "P3", "P4", "P5"}
    tags = content.get("tags", [])
    assert len(tags) <= 20
    assert all(isinstance(tag, str) and 0 < len(tag) <= 50 for tag in tags)
    details = content.get("details", {})
    assert all(isinstance(value, str) for value in details.values())
    assert sum(len(name) + len(value) for name, value in details.items()) <= 8_000


def send(message, answer=202):
    with Provider(lambda n: answer) as provider:
        config = KIND.clean({"api_key": KEY, "api_url": provider.url}, allow=LOOPBACK)
        outcome = KIND.send(message, config, now=NOW)
    for got in provider.got:
        check_request(got)
    return outcome, provider.got


def test_an_opened_incident_creates_an_alert_with_its_alias():
    outcome, (got,) = send(make_message())
    assert outcome.kind == "sent"
    assert got.path == "/hook/v2/alerts"
    content = got.json
    assert content["alias"] == INCIDENT
    assert content["message"] == "backup (acme) is silent: No push for 1 min 30 s."
    assert content["priority"] == "P1"
    assert content["entity"] == "backup (acme)"
    assert content["tags"][:2] == ["critical", "silence"]
    assert "site=eu-1" in content["tags"]
    assert content["details"]["incident"] == URL
    assert content["details"]["label:site"] == "eu-1"
    assert "22 Nov 2026 02:14:05 UTC" in content["description"]
    assert URL in content["description"]


@pytest.mark.parametrize(
    ("severity", "priority"), [("critical", "P1"), ("warning", "P3"), ("info", "P5")]
)
def test_the_severity_is_a_priority(severity, priority):
    _, (got,) = send(make_message(severity=severity))
    assert got.json["priority"] == priority


@pytest.mark.parametrize(
    ("event", "path", "note"),
    [
        ("incident.acknowledged", "acknowledge", "Acknowledged in Tocsin by ana@acme.example."),
        ("incident.resolved", "close", "Resolved in Tocsin: recovered."),
    ],
)
def test_what_follows_goes_by_the_alias(event, path, note):
    outcome, (got,) = send(make_message(event, acknowledged_by="ana@acme.example"))
    assert outcome.kind == "sent"
    assert got.path == f"/hook/v2/alerts/{INCIDENT}/{path}?identifierType=alias"
    assert got.json["note"] == note


def test_an_id_cannot_leave_its_place_in_the_path():
    _, (got,) = send(make_message("incident.resolved", id="../../v2/teams?x=#"))
    assert got.path == "/hook/v2/alerts/..%2F..%2Fv2%2Fteams%3Fx%3D%23/close?identifierType=alias"


def test_a_test_is_of_the_lowest_priority():
    outcome, (got,) = send(make_test())
    assert outcome.kind == "sent"
    assert (got.json["priority"], got.json["alias"]) == ("P5", "key-of-test")


def test_an_event_that_it_is_not_told_of_is_no_request():
    outcome, got = send(make_message("incident.digest"))
    assert (outcome.kind, got) == ("failed", [])


@pytest.mark.parametrize(
    ("status", "kind"),
    [(202, "sent"), (401, "failed"), (422, "failed"), (429, "retry"), (503, "retry")],
)
def test_each_answer_is_judged(status, kind):
    assert send(make_message(), status)[0].kind == kind


def test_what_it_says_is_shown_without_the_key():
    body = f'{{"message":"Key format is not valid: {KEY}","took":0.1}}'.encode()
    outcome, _ = send(make_message(), Answer(401, body=body))
    assert "Key format is not valid" in outcome.detail
    assert KEY not in outcome.detail


@pytest.mark.parametrize("event", ["incident.opened", "incident.acknowledged", "incident.resolved"])
def test_hostile_texts_are_inert_and_within_the_limits(event):
    outcome, (got,) = send(make_hostile(event))
    assert outcome.kind == "sent"
    assert all(line.isprintable() for line in got.json.get("description", "").split("\n"))
    assert got.json.get("message", "").isprintable()
    assert "javascript:" not in got.body.decode()


def test_many_labels_stay_within_the_limits():
    message = make_message()
    labels = {f"label-{n}": "v" * 255 for n in range(32)}
    message.payload["monitor"]["labels"] = labels
    _, (got,) = send(message)
    assert len(got.json["tags"]) == 20
    assert make_payload()["monitor"]["labels"] != labels


# --- configuration ----------------------------------------------------------------------------


def test_where_alerts_go_by_region():
    hosts = []

    def resolve(host, port, **_):
        hosts.append(host)
        raise OSError

    kind = OpsgenieKind(resolve=resolve)
    for config in ({}, {"region": "eu"}):
        kind.send(make_message(), kind.clean({"api_key": KEY} | config, allow=()), now=NOW)
    assert hosts == ["api.opsgenie.com", "api.eu.opsgenie.com"]


def test_the_key_is_written_never_read_and_does_not_follow_to_another_server():
    stored = KIND.clean({"api_key": KEY}, allow=())
    assert KIND.hide_secrets(stored) == {}
    assert KIND.keep_secrets({"region": "eu"}, stored=stored)["api_key"] == KEY
    with pytest.raises(InvalidConfig):
        KIND.keep_secrets({"api_url": "https://evil.example/"}, stored=stored)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "api_key"),
        ({"api_key": "x y"}, "api_key"),
        ({"api_key": f"{KEY}\r\nX-Evil: 1"}, "api_key"),
        ({"api_key": KEY, "region": 7}, "region"),
        ({"api_key": KEY, "api_url": "ftp://example.com"}, "api_url"),
        ({"api_key": KEY, "api_url": "https://example.com/?a=b"}, "api_url"),
        ({"api_key": KEY, "key": "x"}, "key"),
    ],
)
def test_a_bad_configuration_names_the_field(config, field):
    with pytest.raises(InvalidConfig) as error:
        KIND.clean(config, allow=())
    assert list(error.value.errors) == [field]
