"""The pushover kind: a form within Pushover's limits."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from incidents.channels.base import InvalidConfig
from incidents.channels.pushover import PushoverKind
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

KIND = PushoverKind()
USER, TOKEN = "uQiRzpo4DXghDmr9QzzfQu27cmVRsG", "azGDORePK8gMaC0QOYAMyEEuzJnyUi"
CONFIG = {"user_key": USER, "app_token": TOKEN}


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.BASE_URL = "https://tocsin.example"
    settings.OUTBOUND_ALLOW = LOOPBACK


def config_for(base):
    return {**CONFIG, "api_url": base}


def sent(told, config_for=config_for):
    outcome, (got,) = attempt(KIND, config_for, told, answer=Answer(body=b'{"status": 1}'))
    assert outcome.kind == "sent"
    assert (got.method, got.path) == ("POST", "/1/messages.json")
    assert got.headers["content-type"] == "application/x-www-form-urlencoded"
    pairs = parse_qsl(got.body.decode(), strict_parsing=True, errors="strict")
    assert len(dict(pairs)) == len(pairs)
    return check_form(dict(pairs))


def check_form(form):
    """The rules of Pushover's message API in our own words; returns the form."""
    assert set(form) <= {
        "token",
        "user",
        "device",
        "title",
        "message",
        "priority",
        "timestamp",
        "url",
        "url_title",
    }
    assert (form["token"], form["user"]) == (TOKEN, USER)
    assert 1 <= len(form["message"]) <= 1024
    assert 1 <= len(form["title"]) <= 250
    # An emergency would need `retry` and `expire`.
    assert form["priority"] in {"-1", "0", "1"}
    assert form["timestamp"].isdigit()
    assert 1 <= len(form.get("url", "x")) <= 512
    assert 1 <= len(form.get("url_title", "x")) <= 100
    assert ("url" in form) == ("url_title" in form)
    return form


def test_an_opened_incident_is_told_with_its_link():
    form = sent(message())
    assert form["title"] == "fleet went silent"
    assert form["message"].splitlines() == [
        "Down since 22 Nov 2026 14:03:41 UTC, 4 s ago.",
        "Last push 22 Nov 2026 14:02:11 UTC, expected every 1 min.",
        "Monitor: fleet (acme)",
        "Severity: critical",
        "Labels: az=b, tier=1",
        "Team: Acme",
        f"Runbook: {RUNBOOK}",
    ]
    assert (form["url"], form["url_title"]) == (ACKNOWLEDGE, "Acknowledge")
    assert form["timestamp"] == "1795356221"


def test_what_cannot_be_acknowledged_is_looked_at():
    form = sent(message("incident.resolved", acknowledge_url=""))
    assert (form["url"], form["url_title"]) == (LINK, "Look at the incident")


@pytest.mark.parametrize("told", EVERYTHING)
def test_every_message_is_within_the_limits(told):
    sent(told)


def test_a_digest_names_the_first_and_says_that_there_are_more():
    form = sent(digest())
    assert form["title"].startswith("10000 incidents in Acme")
    assert "fleet-0 " in form["message"]
    assert "more" in form["message"].splitlines()[-1]


@pytest.mark.parametrize(
    ("event", "severity", "priority"),
    [
        ("incident.opened", "critical", "1"),
        ("incident.opened", "warning", "0"),
        ("incident.opened", "info", "-1"),
        ("incident.flapping", "critical", "0"),
        ("incident.resolved", "critical", "0"),
        ("incident.resolved", "info", "-1"),
        ("channel.test", "critical", "0"),
    ],
)
def test_the_priority_follows_event_and_severity(event, severity, priority):
    assert sent(message(event, incident={"severity": severity}))["priority"] == priority


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_changes_no_field(text):
    form = sent(hostile(text))
    assert form["url"] == ACKNOWLEDGE
    assert form["priority"] == "1"


def test_a_device_is_named():
    form = sent(message(), lambda base: {**config_for(base), "device": "droid2"})
    assert form["device"] == "droid2"


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind"),
    [
        (200, {}, b'{"status": 1, "request": "x"}', "sent"),
        (200, {}, b'{"status": 0, "errors": ["user is disabled"]}', "failed"),
        (400, {}, b'{"user": "invalid", "errors": ["user identifier is not valid"]}', "failed"),
        (401, {}, b'{"token": "invalid", "status": 0}', "failed"),
        (429, {"X-Limit-App-Remaining": "7496"}, b"", "retry"),
        (429, {"X-Limit-App-Remaining": "0"}, b'{"errors": ["monthly limit"]}', "failed"),
        (500, {}, b"", "retry"),
    ],
)
def test_what_pushover_says_is_judged(status, headers, body, kind):
    outcome, _ = attempt(KIND, config_for, answer=Answer(status, headers, body))
    assert (outcome.kind, outcome.disable_channel) == (kind, False)
    assert str(status) in outcome.detail


def test_a_configuration_is_trimmed_and_its_token_secret():
    config = KIND.clean({"user_key": f" {USER} ", "app_token": TOKEN, "device": ""}, allow=())
    assert config == CONFIG == KIND.clean(config, allow=())
    assert KIND.hide_secrets(config) == {"user_key": USER}
    with pytest.raises(InvalidConfig) as error:
        KIND.keep_secrets({"user_key": USER, "api_url": "https://evil.example"}, stored=config)
    assert list(error.value.errors) == ["app_token"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user_key": None}, "user_key"),
        ({"user_key": "u" * 29}, "user_key"),
        ({"app_token": "ana@acme.example"}, "app_token"),
        ({"device": "my phone"}, "device"),
        ({"api_url": "https://10.0.0.1"}, "api_url"),
        ({"priority": 2}, "priority"),
    ],
)
def test_a_bad_configuration_names_the_field(change, field):
    with pytest.raises(InvalidConfig) as error:
        KIND.clean({**CONFIG, **change}, allow=())
    assert list(error.value.errors) == [field]
    assert "ana@" not in str(error.value)
