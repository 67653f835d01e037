"""The pagerduty kind against a provider on loopback that checks what PagerDuty checks."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from incidents.channels.base import InvalidConfig
from incidents.channels.pagerduty import PagerDutyKind
from tests.channels.occurrences import (
    INCIDENT,
    NOW,
    URL,
    make_hostile,
    make_message,
    make_test,
)
from tests.providers import Answer, Provider

KIND = PagerDutyKind(timeout_seconds=0.5, deadline_seconds=1)
KEY = "R0UT1NGKEY0123456789abcdefABCDEF"
LOOPBACK = (ip_network("127.0.0.0/8"),)
EVENT_FIELDS = {"routing_key", "event_action", "dedup_key", "payload", "links", "images"}
PAYLOAD_FIELDS = {
    "summary",
    "source",
    "severity",
    "timestamp",
    "component",
    "group",
    "class",
    "custom_details",
}


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.BASE_URL = "https://tocsin.example"
    settings.OUTBOUND_ALLOW = LOOPBACK


def check_event(event):
    """Hold an event against the published rules of Events API v2."""
    assert set(event) <= EVENT_FIELDS | {"client", "client_url"}
    assert len(event["routing_key"]) == 32
    assert event["event_action"] in {"trigger", "acknowledge", "resolve"}
    assert 0 < len(event["dedup_key"]) <= 255
    if event["event_action"] == "trigger":
        payload = event["payload"]
        assert {"summary", "source", "severity"} <= set(payload) <= PAYLOAD_FIELDS
        assert 0 < len(payload["summary"]) <= 1024
        assert payload["source"]
        assert payload["severity"] in {"critical", "error", "warning", "info"}
        assert isinstance(payload.get("custom_details", {}), dict)
    for link in event.get("links", []):
        assert set(link) <= {"href", "text"}
        assert link["href"].startswith("https://")


def send(message, answer=202, **config):
    with Provider(lambda n: answer) as provider:
        cleaned = KIND.clean(
            {"routing_key": KEY, "api_url": f"{provider.url}/v2/enqueue"} | config, allow=LOOPBACK
        )
        outcome = KIND.send(message, cleaned, now=NOW)
    for got in provider.got:
        check_event(got.json)
    return outcome, provider.got


def test_an_opened_incident_triggers_with_all_that_is_known():
    outcome, (got,) = send(make_message())
    assert outcome.kind == "sent"
    assert (got.method, got.path) == ("POST", "/hook/v2/enqueue")
    assert got.headers["content-type"].startswith("application/json")
    assert got.json == {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": INCIDENT,
        "client": "Tocsin",
        "client_url": URL,
        "links": [
            {"href": URL, "text": "Incident in Tocsin"},
            {"href": "https://runbooks.example/backup", "text": "Runbook"},
        ],
        "payload": {
            "summary": "backup (acme) is silent: No push for 1 min 30 s.",
            "source": "backup",
            "severity": "critical",
            "timestamp": "2026-11-22T02:14:05.123+00:00",
            "component": "backup",
            "group": "acme",
            "class": "silence",
            "custom_details": {
                "summary": "No push for 1 min 30 s.",
                "team": "Acme",
                "namespace": "acme",
                "cause": "silence",
                "labels": {
                    "site": "eu-1",
                    "app.kubernetes.io/name": "backup",
                    "severity": "low",
                },
                "runbook": "https://runbooks.example/backup",
            },
        },
    }


@pytest.mark.parametrize(
    ("event", "action"),
    [("incident.acknowledged", "acknowledge"), ("incident.resolved", "resolve")],
)
def test_what_follows_has_the_same_key(event, action):
    outcome, (got,) = send(make_message(event))
    assert outcome.kind == "sent"
    assert got.json == {"routing_key": KEY, "event_action": action, "dedup_key": INCIDENT}


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_the_severity_is_told(severity):
    _, (got,) = send(make_message(severity=severity))
    assert got.json["payload"]["severity"] == severity


def test_a_test_says_that_nothing_is_down_and_belongs_to_no_incident():
    outcome, (got,) = send(make_test())
    assert outcome.kind == "sent"
    assert got.json["payload"]["severity"] == "info"
    assert "nothing is down" in got.json["payload"]["summary"]
    assert got.json["dedup_key"] == "key-of-test"


def test_an_event_that_it_is_not_told_of_is_no_request():
    outcome, got = send(make_message("incident.flapping"))
    assert (outcome.kind, got) == ("failed", [])


def test_a_second_attempt_says_the_same():
    with Provider(lambda n: 503 if n == 1 else 202) as provider:
        config = KIND.clean({"routing_key": KEY, "api_url": provider.url}, allow=LOOPBACK)
        kinds = [KIND.send(make_message(), config, now=NOW).kind for _ in range(2)]
    assert kinds == ["retry", "sent"]
    assert len({got.body for got in provider.got}) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(202, "sent"), (400, "failed"), (403, "failed"), (429, "retry"), (500, "retry")],
)
def test_each_answer_is_judged(status, kind):
    assert send(make_message(), status)[0].kind == kind


def test_what_it_says_is_shown_without_the_key():
    said = f'{{"status":"invalid event","errors":["routing_key {KEY} is unknown"]}}'.encode()
    outcome, _ = send(make_message(), Answer(400, body=said))
    assert "invalid event" in outcome.detail
    assert KEY not in outcome.detail


def test_a_wait_that_it_asks_for_is_passed_on():
    outcome, _ = send(make_message(), Answer(429, {"Retry-After": "30"}))
    assert (outcome.kind, outcome.retry_after_seconds) == ("retry", 30)


@pytest.mark.parametrize("event", ["incident.opened", "incident.acknowledged", "incident.resolved"])
def test_hostile_texts_are_inert_and_short(event):
    outcome, (got,) = send(make_hostile(event))
    assert outcome.kind == "sent"
    if event == "incident.opened":
        payload = got.json["payload"]
        assert payload["summary"].isprintable()
        assert payload["source"].isprintable()
        assert all(link["href"] == URL for link in got.json["links"])


# --- configuration ----------------------------------------------------------------------------


def test_where_events_go_by_region():
    urls = []

    def resolve(host, port, **_):
        urls.append(host)
        raise OSError

    kind = PagerDutyKind(resolve=resolve)
    for config in ({}, {"region": "us"}, {"region": "eu"}):
        cleaned = kind.clean({"routing_key": KEY} | config, allow=())
        assert kind.send(make_message(), cleaned, now=NOW).kind == "retry"
    assert urls == ["events.pagerduty.com", "events.pagerduty.com", "events.eu.pagerduty.com"]


def test_the_key_is_written_never_read_and_does_not_follow_to_another_server():
    stored = KIND.clean({"routing_key": KEY}, allow=())
    assert KIND.hide_secrets(stored) == {}
    assert KIND.keep_secrets({"region": "eu"}, stored=stored)["routing_key"] == KEY
    with pytest.raises(InvalidConfig):
        KIND.keep_secrets({"api_url": "https://evil.example/"}, stored=stored)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "routing_key"),
        ({"routing_key": ""}, "routing_key"),
        ({"routing_key": "short"}, "routing_key"),
        ({"routing_key": KEY + "\n9"}, "routing_key"),
        ({"routing_key": [KEY]}, "routing_key"),
        ({"routing_key": KEY, "region": "mars"}, "region"),
        ({"routing_key": KEY, "api_url": "http://169.254.169.254/"}, "api_url"),
        ({"routing_key": KEY, "team": "x"}, "team"),
    ],
)
def test_a_bad_configuration_names_the_field(config, field):
    with pytest.raises(InvalidConfig) as error:
        KIND.clean(config, allow=())
    assert list(error.value.errors) == [field]
    assert "short" not in str(error.value)
