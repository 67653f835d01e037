"""The ntfy kind: a push message as JSON, within 4,096 bytes."""

from __future__ import annotations

import re

import pytest

from incidents.channels.base import InvalidConfig
from incidents.channels.ntfy import NtfyKind
from tests.channels.chats import (
    ACKNOWLEDGE,
    EVERYTHING,
    HOSTILE,
    LINK,
    LOOPBACK,
    RUNBOOK,
    attempt,
    digest,
    hostile,
    message,
)
from tests.providers import Answer

KIND = NtfyKind()
TOPIC = "acme-alerts_7Qd2"
TOKEN = "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.BASE_URL = "https://tocsin.example"
    settings.OUTBOUND_ALLOW = LOOPBACK


def config_for(base):
    return {"url": base, "topic": TOPIC}


def sent(told):
    outcome, (got,) = attempt(KIND, config_for, told)
    assert outcome.kind == "sent"
    # JSON is published on the root, not on the topic.
    assert (got.method, got.path) == ("POST", "/")
    assert "authorization" not in got.headers
    assert len(got.body) <= 4096
    return check_payload(got.json)


def check_payload(payload):
    """The rules of "Publish as JSON" in our own words; returns the payload."""
    assert set(payload) <= {
        "topic",
        "title",
        "message",
        "priority",
        "tags",
        "click",
        "actions",
    }
    assert re.fullmatch(r"[-_A-Za-z0-9]{1,64}", payload["topic"])
    assert payload["topic"] == TOPIC
    assert payload["priority"] in {1, 2, 3, 4, 5}
    assert 1 <= len(payload["message"].encode()) <= 4096
    assert 1 <= len(payload["title"].encode()) <= 250
    assert "\n" not in payload["title"]
    # Separated by commas on the way; words like "warning" would become pictures.
    assert all(re.fullmatch(r"tocsin(-[a-z]+)?", tag) for tag in payload["tags"])
    assert len(payload["actions"]) <= 3
    for action in payload["actions"]:
        assert set(action) == {"action", "label", "url"}
        assert action["action"] == "view"
        assert action["label"]
        assert action["url"].startswith(("https://", "http://"))
    return payload


def test_an_opened_incident_is_told_with_its_links():
    content = sent(message())
    assert content["title"] == "fleet went silent"
    assert content["message"].splitlines() == [
        "Down since 22 Nov 2026 14:03:41 UTC, 4 s ago.",
        "Last push 22 Nov 2026 14:02:11 UTC, expected every 1 min.",
        "Monitor: fleet (acme)",
        "Severity: critical",
        "Labels: az=b, tier=1",
        "Team: Acme",
    ]
    assert content["click"] == LINK
    assert {action["label"]: action["url"] for action in content["actions"]} == {
        "Acknowledge": ACKNOWLEDGE,
        "Look at the incident": LINK,
        "Runbook": RUNBOOK,
    }


@pytest.mark.parametrize("told", EVERYTHING)
def test_every_message_is_within_the_limits(told):
    sent(told)


def test_a_digest_names_the_first_and_says_that_there_are_more():
    content = sent(digest())
    assert content["title"].startswith("10000 incidents in Acme")
    assert content["priority"] == 5
    assert "fleet-0 " in content["message"]
    assert "more" in content["message"].splitlines()[-1]


@pytest.mark.parametrize(
    ("event", "severity", "priority"),
    [
        ("incident.opened", "critical", 5),
        ("incident.opened", "warning", 4),
        ("incident.opened", "info", 3),
        ("incident.opened", "unheard of", 5),
        ("incident.opened", ["critical"], 5),
        ("incident.flapping", "critical", 4),
        ("incident.resolved", "critical", 3),
        ("channel.test", "critical", 3),
    ],
)
def test_the_priority_follows_event_and_severity(event, severity, priority):
    assert sent(message(event, incident={"severity": severity}))["priority"] == priority


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_makes_no_action_and_changes_no_field(text):
    content = sent(hostile(text))
    assert {action["url"] for action in content["actions"]} <= {ACKNOWLEDGE, LINK}
    assert content["click"] == LINK
    assert content["priority"] == 5


def test_a_token_is_a_bearer():
    outcome, (got,) = attempt(KIND, lambda base: {**config_for(base), "token": TOKEN})
    assert outcome.kind == "sent"
    assert got.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN.encode() not in got.body


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"id": "x", "event": "message"}', "sent"),
        (400, b'{"code": 40009, "http": 400, "error": "invalid request: topic invalid"}', "failed"),
        (401, b'{"code": 40101, "http": 401, "error": "unauthorized"}', "failed"),
        (403, b'{"code": 40301, "http": 403, "error": "forbidden"}', "failed"),
        (413, b'{"code": 41303, "http": 413, "error": "JSON body too large"}', "failed"),
        (429, b'{"code": 42908, "http": 429, "error": "limit reached"}', "retry"),
        (507, b"", "retry"),
    ],
)
def test_what_ntfy_says_is_judged_and_shown(status, body, kind):
    outcome, _ = attempt(KIND, config_for, answer=Answer(status, body=body))
    assert (outcome.kind, outcome.disable_channel) == (kind, False)
    assert str(status) in outcome.detail


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        ({"topic": " t "}, {"url": "https://ntfy.sh", "topic": "t"}),
        ({"topic": "t", "url": ""}, {"url": "https://ntfy.sh", "topic": "t"}),
        ({"url": "https://ntfy.sh/t"}, {"url": "https://ntfy.sh", "topic": "t"}),
        ({"url": "https://ntfy.sh/t/", "topic": "t"}, {"url": "https://ntfy.sh", "topic": "t"}),
        (
            {"url": "https://push.acme.example:8443/", "topic": "t", "token": f"{TOKEN} "},
            {"url": "https://push.acme.example:8443", "topic": "t", "token": TOKEN},
        ),
        ({"topic": "t", "token": ""}, {"url": "https://ntfy.sh", "topic": "t"}),
    ],
)
def test_a_configuration_is_completed(given, cleaned):
    assert KIND.clean(given, allow=()) == cleaned == KIND.clean(cleaned, allow=())
    assert KIND.hide_secrets(cleaned) == {"url": cleaned["url"], "topic": "t"}


def test_a_token_stays_and_goes_only_where_it_went():
    stored = KIND.clean({"topic": "t", "token": TOKEN, "url": "https://a.example"}, allow=())
    kept = KIND.keep_secrets({"topic": "u", "url": "https://a.example/"}, stored=stored)
    assert kept["token"] == TOKEN
    for elsewhere in ({"topic": "t", "url": "https://evil.example"}, {"topic": "t"}):
        with pytest.raises(InvalidConfig) as error:
            KIND.keep_secrets(elsewhere, stored=stored)
        assert list(error.value.errors) == ["token"]
    gone = KIND.keep_secrets({"topic": "t", "token": ""}, stored=stored)
    assert "token" not in KIND.clean(gone, allow=())


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "topic"),
        ({"topic": "a b"}, "topic"),
        ({"topic": "t" * 65}, "topic"),
        ({"topic": "t", "url": "https://ntfy.sh/u"}, "url"),
        ({"topic": "t", "url": "https://ntfy.sh/?x=1"}, "url"),
        ({"topic": "t", "url": "http://ntfy.sh"}, "url"),
        ({"topic": "t", "url": "https://169.254.169.254"}, "url"),
        ({"topic": "t", "token": "a\r\nX: y"}, "token"),
        ({"topic": "t", "token": "tök"}, "token"),
        ({"topic": "t", "priority": 5}, "priority"),
    ],
)
def test_a_bad_configuration_names_the_field(config, field):
    with pytest.raises(InvalidConfig) as error:
        KIND.clean(config, allow=())
    assert list(error.value.errors) == [field]
