"""The teams kind: an Adaptive Card within the limits of a workflow, without markup."""

from __future__ import annotations

import json

import pytest

from incidents.channels.base import InvalidConfig
from incidents.channels.teams import TeamsKind
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

KIND = TeamsKind()
PATH = (
    "/powerautomate/automations/direct/workflows/0123456789abcdef0123456789abcdef/triggers/manual"
    "/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=Zm9vYmFyYmF6cXV4Zm9v"
)
REFUSED = b"Webhook message delivery failed with error: Microsoft Teams endpoint"
STYLES = {"attention", "warning", "accent", "good", "emphasis", "default"}


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.BASE_URL = "https://tocsin.example"
    settings.OUTBOUND_ALLOW = LOOPBACK


def config_for(base):
    return {"url": base + PATH}


def sent(told):
    outcome, (got,) = attempt(KIND, config_for, told, answer=Answer(202))
    assert outcome.kind == "sent"
    assert (got.method, got.path) == ("POST", PATH)
    # About 28 KB is documented, 21 KB has been seen to be refused.
    assert len(got.body) <= 21_000
    assert len(json.dumps(got.json, ensure_ascii=False).encode()) <= 28 * 1024
    return check_payload(got.json)


def check_payload(payload):
    """The rules of the message and of Adaptive Cards 1.4 in our own words.

    Returns the lines of the card, and its buttons as {title: url}.
    """
    assert payload["type"] == "message"
    (attachment,) = payload["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["fallbackText"]
    assert set(card) == {
        "$schema",
        "type",
        "version",
        "fallbackText",
        "body",
        "actions",
        "msteams",
    }
    lines = [line for element in card["body"] for line in read_element(element)]
    buttons = {}
    for action in card["actions"]:
        assert set(action) == {"type", "title", "url"}
        assert action["type"] == "Action.OpenUrl"
        assert action["title"]
        buttons[action["title"]] = action["url"]
    return lines, buttons


def read_element(element):
    if element["type"] == "Container":
        assert element["style"] in STYLES
        assert element["items"]
        return [line for item in element["items"] for line in read_element(item)]
    # A TextBlock and a FactSet would read Markdown.
    assert element["type"] == "RichTextBlock"
    assert set(element) == {"type", "inlines"}
    for run in element["inlines"]:
        assert run["type"] == "TextRun"
        assert run["text"]
        assert set(run) <= {"type", "text", "size", "weight", "isSubtle"}
        assert "\n" not in run["text"]
    return ["".join(run["text"] for run in element["inlines"])]


def test_an_opened_incident_is_told_with_its_links():
    lines, buttons = sent(message())
    assert lines == [
        "fleet went silent",
        "Down since 22 Nov 2026 14:03:41 UTC, 4 s ago.",
        "Last push 22 Nov 2026 14:02:11 UTC, expected every 1 min.",
        "Monitor: fleet (acme)",
        "Severity: critical",
        "Labels: az=b, tier=1",
        "Team: Acme",
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


def test_a_digest_names_the_first_and_says_that_there_are_more():
    lines, buttons = sent(digest())
    assert lines[0].startswith("10000 incidents in Acme")
    assert any("fleet-0 " in line for line in lines)
    assert any("more" in line for line in lines)
    assert list(buttons) == ["Look at the incidents"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_it_is_and_makes_no_button(text):
    lines, buttons = sent(hostile(text))
    assert all(url.startswith("https://") for url in buttons.values())
    assert set(buttons.values()) <= {ACKNOWLEDGE, LINK, text.strip().split(" ")[0]}
    if len(text) < 60 and text.isascii() and text.isprintable():
        assert f"Team: {text.strip()}" in lines


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (202, b"", "sent"),
        (200, b"1", "sent"),
        (400, b'{"error": {"code": "TriggerInputSchemaMismatch"}}', "failed"),
        (401, b'{"error": {"code": "DirectApiAuthorizationRequired"}}', "failed"),
        (404, b'{"error": {"code": "WorkflowNotFound"}}', "failed"),
        (413, b"", "failed"),
        (429, b"", "retry"),
        (502, b'{"error": {"code": "NoResponse"}}', "retry"),
        (200, REFUSED + b" returned HTTP error 429 with ContextId x.", "retry"),
        (200, REFUSED + b" returned HTTP error 503 with ContextId x.", "retry"),
        (200, REFUSED + b" returned HTTP error 413 with ContextId x.", "failed"),
    ],
)
def test_what_teams_says_is_judged(status, body, kind):
    outcome, _ = attempt(KIND, config_for, answer=Answer(status, body=body))
    assert (outcome.kind, outcome.disable_channel) == (kind, False)


def test_a_url_with_a_port_and_a_signature_is_kept_and_secret():
    url = f"https://default0.a1.environment.api.powerplatform.com:443{PATH}"
    config = KIND.clean({"url": f"{url} "}, allow=())
    assert config == {"url": url} == KIND.clean(config, allow=())
    assert KIND.hide_secrets(config) == {}


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "url"),
        ({"url": "http://prod-1.westus.logic.azure.com/workflows/x"}, "url"),
        ({"url": "https://2130706433/"}, "url"),
        ({"url": "https://example.com/", "title": "x"}, "title"),
    ],
)
def test_a_bad_configuration_names_the_field(config, field):
    with pytest.raises(InvalidConfig) as error:
        KIND.clean(config, allow=())
    assert list(error.value.errors) == [field]
