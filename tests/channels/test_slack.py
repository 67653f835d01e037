"""The slack kind: blocks within Slack's limits, in which nothing of the tenant's is markup."""

from __future__ import annotations

import html
import re

import pytest

from incidents.channels.base import InvalidConfig
from incidents.channels.slack import SlackKind
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

KIND = SlackKind()
PATH = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.BASE_URL = "https://tocsin.example"
    settings.OUTBOUND_ALLOW = LOOPBACK


def config_for(base):
    return {"url": base + PATH}


def sent(told):
    outcome, (got,) = attempt(KIND, config_for, told)
    assert outcome.kind == "sent"
    assert (got.method, got.path) == ("POST", PATH)
    assert got.headers["content-type"].startswith("application/json")
    return check_payload(got.json)


def check_payload(payload):
    """Slack's rules (Block Kit reference, incoming webhooks) in our own words.

    Returns the texts that a reader sees, and the buttons as {text: url}.
    """
    assert set(payload) <= {
        "text",
        "mrkdwn",
        "blocks",
        "attachments",
        "unfurl_links",
        "unfurl_media",
    }
    read_text(payload["text"], 3000)
    texts, buttons = [], {}
    (attachment,) = payload["attachments"]
    assert re.fullmatch(r"#[0-9a-f]{6}", attachment["color"])
    read_text(attachment["fallback"], 3000)
    blocks = payload["blocks"] + attachment["blocks"]
    assert 0 < len(blocks) <= 50
    for block in blocks:
        kind = block["type"]
        if kind == "header":
            texts.append(read_object(block["text"], 150))
        elif kind == "section" and "text" in block:
            texts.append(read_object(block["text"], 3000))
        elif kind == "section":
            assert 1 <= len(block["fields"]) <= 10
            texts += [read_object(field, 2000) for field in block["fields"]]
        elif kind == "context":
            assert 1 <= len(block["elements"]) <= 10
            texts += [read_object(element, 3000) for element in block["elements"]]
        else:
            assert kind == "actions"
            assert 1 <= len(block["elements"]) <= 25
            ids = [element["action_id"] for element in block["elements"]]
            assert len(set(ids)) == len(ids)
            for element in block["elements"]:
                assert set(element) == {"type", "action_id", "text", "url"}
                assert element["type"] == "button"
                assert len(element["url"]) <= 3000
                buttons[read_object(element["text"], 75)] = element["url"]
    assert sum(len(text) for text in texts) < 13_000
    return texts, buttons


def read_object(element, limit):
    # mrkdwn would read mentions, links and emphasis in what the tenant wrote.
    assert element["type"] == "plain_text"
    assert element["emoji"] is False
    assert set(element) == {"type", "text", "emoji"}
    return read_text(element["text"], limit)


def read_text(text, limit):
    assert 1 <= len(text.encode("utf-16-le")) // 2 <= limit
    assert "<" not in text
    assert ">" not in text
    assert not re.search(r"&(?!(amp|lt|gt);)", text)
    return html.unescape(text)


def test_an_opened_incident_is_told_with_its_links():
    texts, buttons = sent(message())
    assert texts == [
        "fleet went silent",
        (
            "Down since 22 Nov 2026 14:03:41 UTC, 4 s ago.\n"
            "Last push 22 Nov 2026 14:02:11 UTC, expected every 1 min."
        ),
        "Monitor\nfleet (acme)",
        "Severity\ncritical",
        "Labels\naz=b, tier=1",
        "Team\nAcme",
        "Sent to the channel ops of Acme.",
    ]
    assert buttons == {
        "Acknowledge": ACKNOWLEDGE,
        "Look at the incident": LINK,
        "Runbook": RUNBOOK,
    }


@pytest.mark.parametrize("told", EVERYTHING)
def test_every_message_is_within_the_limits(told):
    sent(told)


def test_the_colour_follows_the_severity():
    def colour(told):
        return attempt(KIND, config_for, told)[1][0].json["attachments"][0]["color"]

    told = [message(incident={"severity": s}) for s in ("critical", "warning", "info")]
    colours = [colour(one) for one in (*told, message("incident.resolved"))]
    assert len(set(colours)) == 4
    assert colour(message(incident={"severity": "new"})) == colours[0]


def test_a_digest_names_the_first_and_says_that_there_are_more():
    texts, buttons = sent(digest())
    assert texts[0].startswith("10000 incidents in Acme")
    assert "fleet-0 " in texts[2]
    assert "more" in texts[2].splitlines()[-1]
    assert list(buttons) == ["Look at the incidents"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_makes_no_button_and_no_mention(text):
    _, buttons = sent(hostile(text))
    assert set(buttons.values()) <= {ACKNOWLEDGE, LINK, text.strip().split(" ")[0]}
    assert all(url.startswith("https://") for url in buttons.values())


@pytest.mark.parametrize(
    ("status", "body", "kind", "disables"),
    [
        (200, b"ok", "sent", False),
        (400, b"invalid_blocks", "failed", False),
        (403, b"action_prohibited", "failed", False),
        (404, b"no_service", "failed", False),
        (404, b"channel_not_found", "failed", False),
        (410, b"channel_is_archived", "failed", True),
        (429, b"rate_limited", "retry", False),
        (500, b"rollup_error", "retry", False),
    ],
)
def test_what_slack_says_is_judged_and_shown(status, body, kind, disables):
    answer = Answer(status, {"Retry-After": "7"}, body)
    outcome, _ = attempt(KIND, config_for, answer=answer)
    assert (outcome.kind, outcome.disable_channel) == (kind, disables)
    if status != 200:
        assert body.decode() in outcome.detail
    assert outcome.retry_after_seconds == (7 if kind == "retry" else None)


def test_the_url_is_trimmed_and_secret():
    url = "https://hooks.slack.com" + PATH
    config = KIND.clean({"url": f"  {url}\n"}, allow=())
    assert config == {"url": url} == KIND.clean(config, allow=())
    assert KIND.hide_secrets(config) == {}
    assert KIND.keep_secrets({}, stored=config) == config


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "url"),
        ({"url": " "}, "url"),
        ({"url": 7}, "url"),
        ({"url": "hooks.slack.com/services/x"}, "url"),
        ({"url": "http://hooks.slack.com/services/x"}, "url"),
        ({"url": "https://169.254.169.254/"}, "url"),
        ({"url": "https://hooks.slack.com/x", "channel": "#ops"}, "channel"),
    ],
)
def test_a_bad_configuration_names_the_field(config, field):
    with pytest.raises(InvalidConfig) as error:
        KIND.clean(config, allow=())
    assert list(error.value.errors) == [field]
    assert error.value.errors[field].endswith(".")
