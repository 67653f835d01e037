"""The discord kind: an embed within Discord's limits, with the tenant's markup escaped."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from incidents.channels.base import InvalidConfig
from incidents.channels.discord import DiscordKind
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

KIND = DiscordKind()
PATH = "/api/webhooks/245037420704169985/ig5AO-wdVWpCBtUUMxmgsWryqgsW3DChbKYOINftJ4DC"


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.BASE_URL = "https://tocsin.example"
    settings.OUTBOUND_ALLOW = LOOPBACK


def config_for(base):
    return {"url": base + PATH}


def sent(told):
    outcome, (got,) = attempt(KIND, config_for, told)
    assert outcome.kind == "sent"
    assert (got.method, got.path) == ("POST", f"{PATH}?wait=true")
    return check_payload(got.json)


def size(text):
    return len(text.encode("utf-16-le")) // 2


def check_payload(payload):
    """Discord's rules (Execute Webhook, Embed Limits, Allowed Mentions) in our own words.

    Returns the title, what is read in the description and fields, and the links as {text: url}.
    """
    assert payload["allowed_mentions"] == {"parse": []}
    assert set(payload) == {"embeds", "allowed_mentions"}
    (embed,) = payload["embeds"]
    assert 0 <= embed["color"] <= 0xFFFFFF
    assert datetime.fromisoformat(embed["timestamp"]).tzinfo
    assert len(embed["fields"]) <= 25
    texts = [embed["title"], embed["description"], embed.get("footer", {}).get("text", "x")]
    for text, limit in zip(texts, (256, 4096, 2048), strict=True):
        assert 1 <= size(text) <= limit
    for field in embed["fields"]:
        assert 1 <= size(field["name"]) <= 256
        assert 1 <= size(field["value"]) <= 1024
        texts += [field["name"], field["value"]]
    assert sum(size(text) for text in texts) <= 6000
    title, no_links = render(embed["title"])
    assert no_links == {}
    description, links = render(embed["description"])
    values = {field["name"]: render(field["value"]) for field in embed["fields"]}
    assert all(found == {} for _, found in values.values())
    return title, description, {name: text for name, (text, _) in values.items()}, links


def render(text):
    """Read the text as Discord does: any markup that is not a link of ours is an error."""
    seen, links, index = "", {}, 0
    while index < len(text):
        link = re.compile(r"\[((?:\\.|[^\]\\])*)\]\((https?://[^\s()<>]+)\)").match(text, index)
        if link:
            label = re.sub(r"\\(.)", r"\1", link[1])
            links[label] = link[2]
            seen, index = seen + label, link.end()
        elif text[index] == "\\":
            assert re.match(r"\\[^0-9A-Za-z\s]", text[index:]), "a backslash that would show"
            seen, index = seen + text[index + 1], index + 2
        else:
            assert text[index] not in "*_~`|<>[]@", text[max(0, index - 20) : index + 20]
            assert not text.startswith("://", index), "a link by itself"
            seen, index = seen + text[index], index + 1
    # Headings and lists begin a line.
    assert not re.search(r"^(#|-|\+)", text, re.MULTILINE)
    return seen, links


def test_an_opened_incident_is_told_with_its_links():
    title, description, facts, links = sent(message())
    assert title == "fleet went silent"
    assert description.splitlines() == [
        "Down since 22 Nov 2026 14:03:41 UTC, 4 s ago.",
        "Last push 22 Nov 2026 14:02:11 UTC, expected every 1 min.",
        "",
        "Acknowledge",
        "Look at the incident",
        "Runbook",
    ]
    assert facts == {
        "Monitor": "fleet (acme)",
        "Severity": "critical",
        "Labels": "az=b, tier=1",
        "Team": "Acme",
    }
    assert links == {
        "Acknowledge": ACKNOWLEDGE,
        "Look at the incident": LINK,
        "Runbook": RUNBOOK,
    }


@pytest.mark.parametrize("told", EVERYTHING)
def test_every_message_is_within_the_limits(told):
    sent(told)


def test_a_digest_names_the_first_and_says_that_there_are_more():
    title, description, _, links = sent(digest())
    assert title.startswith("10000 incidents in Acme")
    assert "fleet-0 " in description
    assert "more" in description
    assert list(links) == ["Look at the incidents"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_read_and_links_nowhere(text):
    title, _, facts, links = sent(hostile(text))
    assert set(links.values()) <= {ACKNOWLEDGE, LINK}
    if len(text) < 60 and text.isascii() and text.isprintable():
        assert text.strip() in title
        assert text.strip() in facts["Team"]


def test_a_runbook_cannot_end_its_link_early():
    told = message(monitor={"runbook_url": "https://wiki.example/a)[b](https://evil.example)"})
    _, _, _, links = sent(told)
    assert list(links) == ["Acknowledge", "Look at the incident", "Runbook"]
    assert links["Runbook"] == "https://wiki.example/a%29%5Bb%5D%28https://evil.example%29"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"id": "1"}', "sent"),
        (204, b"", "sent"),
        (400, b'{"code": 50035, "message": "Invalid Form Body"}', "failed"),
        (401, b'{"code": 50027, "message": "Invalid Webhook Token"}', "failed"),
        (404, b'{"code": 10015, "message": "Unknown Webhook"}', "failed"),
        (502, b"<html>", "retry"),
    ],
)
def test_what_discord_says_is_judged_and_shown(status, body, kind):
    outcome, _ = attempt(KIND, config_for, answer=Answer(status, body=body))
    assert (outcome.kind, outcome.disable_channel) == (kind, False)
    assert str(status) in outcome.detail


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        ("3", b'{"message": "You are being rate limited.", "retry_after": 2.56}', 3),
        (None, b'{"message": "You are being rate limited.", "retry_after": 64.57}', 64.57),
        (None, b'{"retry_after": 1e99}', 3600),
        (None, b'{"retry_after": -5}', 0),
        (None, b'{"retry_after": NaN}', 0),
        (None, b'{"retry_after": "soon"}', None),
        ("9", b"error code: 1015", 9),
        (None, b"[1]", None),
    ],
)
def test_a_rate_limit_is_honoured(header, body, seconds):
    headers = {"Retry-After": header} if header else {}
    outcome, _ = attempt(KIND, config_for, answer=Answer(429, headers, body))
    assert (outcome.kind, outcome.retry_after_seconds) == ("retry", seconds)


def test_a_thread_in_the_url_stays():
    outcome, (got,) = attempt(KIND, lambda base: {"url": f"{base}{PATH}?thread_id=7&wait=false"})
    assert outcome.kind == "sent"
    assert got.path == f"{PATH}?thread_id=7&wait=true"


def test_the_url_is_trimmed_and_secret():
    url = "https://discord.com" + PATH
    config = KIND.clean({"url": f" {url} "}, allow=())
    assert config == {"url": url} == KIND.clean(config, allow=())
    assert KIND.hide_secrets(config) == {}


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "url"),
        ({"url": "http://discord.com/api/webhooks/1/x"}, "url"),
        ({"url": f"https://discord.com{PATH}/slack"}, "url"),
        ({"url": "https://[::ffff:127.0.0.1]/"}, "url"),
        ({"url": "https://discord.com/x", "username": "x"}, "username"),
    ],
)
def test_a_bad_configuration_names_the_field(config, field):
    with pytest.raises(InvalidConfig) as error:
        KIND.clean(config, allow=())
    assert list(error.value.errors) == [field]
