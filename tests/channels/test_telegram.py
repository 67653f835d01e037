"""The telegram kind: HTML that the Bot API takes, in which nothing of the tenant's acts."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from incidents.channels.base import InvalidConfig
from incidents.channels.telegram import TelegramKind
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

KIND = TelegramKind()
TOKEN = "123456789:AAH-abcdefghijklmnopqrstuvwxyz_12345"
MIGRATED = b"""{"ok": false, "error_code": 400, "parameters": {"migrate_to_chat_id": -1009},
    "description": "Bad Request: group chat was upgraded to a supergroup chat"}"""
FLOODED = b"""{"ok": false, "error_code": 429, "parameters": {"retry_after": 13},
    "description": "Too Many Requests: retry after 13"}"""
CONFIG = {"bot_token": TOKEN, "chat_id": "-1001234567890"}


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.BASE_URL = "https://tocsin.example"
    settings.OUTBOUND_ALLOW = LOOPBACK


def config_for(base):
    return {**CONFIG, "api_url": base}


def sent(told):
    outcome, (got,) = attempt(KIND, config_for, told, answer=Answer(body=b'{"ok": true}'))
    assert outcome.kind == "sent"
    assert (got.method, got.path) == ("POST", f"/bot{TOKEN}/sendMessage")
    return check_payload(got.json)


class Reader(HTMLParser):
    """Reads the HTML that the Bot API takes; anything else is an error there, too."""

    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.open, self.text, self.free, self.links = [], "", "", {}

    def handle_starttag(self, tag, attrs):
        assert tag in {"b", "a", "code"}
        assert tag not in self.open
        assert [name for name, _ in attrs] == (["href"] if tag == "a" else [])
        self.open.append(tag)
        if tag == "a":
            self.href, self.began = dict(attrs)["href"], len(self.text)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "a":
            self.links[self.text[self.began :]] = self.href

    def handle_data(self, data):
        assert "<" not in data
        assert ">" not in data
        self.say(data)

    def handle_entityref(self, name):
        self.say({"lt": "<", "gt": ">", "amp": "&", "quot": '"'}[name])

    def handle_charref(self, name):
        self.say({"x27": "'", "39": "'"}[name])

    def handle_comment(self, data):
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment

    def say(self, text):
        self.text += text
        self.free += " " if "code" in self.open else text


def check_payload(payload):
    """The Bot API's rules for sendMessage in our own words.

    Returns the text that is read and the links as {text: url}.
    """
    assert set(payload) <= {
        "chat_id",
        "message_thread_id",
        "text",
        "parse_mode",
        "link_preview_options",
        "disable_notification",
    }
    assert payload["parse_mode"] == "HTML"
    assert payload["link_preview_options"] == {"is_disabled": True}
    assert isinstance(payload.get("message_thread_id", 1), int)
    reader = Reader()
    reader.feed(payload["text"])
    reader.close()
    assert reader.open == []
    assert 1 <= len(reader.text.encode("utf-16-le")) // 2 <= 4096
    assert len(payload["text"].encode("utf-16-le")) // 2 <= 4096
    # Outside code Telegram makes these clickable, and tells whoever is named.
    assert not re.search(r"(^|\s)[/#$]\w|@\w|\w://|\w\.[a-z]{2,}", reader.free, re.MULTILINE)
    return reader.text, reader.links


def test_an_opened_incident_is_told_with_its_links():
    text, links = sent(message())
    assert text.splitlines() == [
        "fleet went silent",
        "",
        "Down since 22 Nov 2026 14:03:41 UTC, 4 s ago.",
        "Last push 22 Nov 2026 14:02:11 UTC, expected every 1 min.",
        "",
        "Monitor: fleet (acme)",
        "Severity: critical",
        "Labels: az=b, tier=1",
        "Team: Acme",
        "",
        "Acknowledge",
        "Look at the incident",
        "Runbook",
        "",
        "Sent to the channel ops of Acme.",
    ]
    assert links == {
        "Acknowledge": ACKNOWLEDGE,
        "Look at the incident": LINK,
        "Runbook": RUNBOOK,
    }


@pytest.mark.parametrize("told", EVERYTHING)
def test_every_message_is_within_the_limits(told):
    sent(told)


def test_a_digest_names_the_first_and_says_that_there_are_more():
    text, links = sent(digest())
    assert text.startswith("10000 incidents in Acme")
    assert "fleet-0 " in text
    assert "more" in text
    assert list(links) == ["Look at the incidents"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_read_and_links_nowhere(text):
    read, links = sent(hostile(text))
    assert set(links.values()) <= {ACKNOWLEDGE, LINK}
    if len(text) < 60 and text.isascii() and text.isprintable():
        assert f"Team: {text.strip()}\n" in read


def test_ids_may_be_numbers_and_a_topic_is_named():
    config = {"bot_token": TOKEN, "chat_id": -100123, "message_thread_id": 42}
    outcome, (got,) = attempt(KIND, lambda base: {**config, "api_url": f"{base}/sub/"})
    assert outcome.kind == "sent"
    assert got.path == f"/sub/bot{TOKEN}/sendMessage"
    assert (got.json["chat_id"], got.json["message_thread_id"]) == ("-100123", 42)


def test_what_only_informs_makes_no_sound():
    quiet = [
        attempt(KIND, config_for, message(incident={"severity": severity}))[1][0].json
        for severity in ("critical", "warning", "info")
    ]
    assert [content["disable_notification"] for content in quiet] == [False, False, True]


@pytest.mark.parametrize(
    ("status", "body", "kind", "seconds", "detail"),
    [
        (200, b'{"ok": true, "result": {}}', "sent", None, "answered 200"),
        (200, b"", "sent", None, "answered 200"),
        (200, b'{"ok": false, "description": "odd"}', "failed", None, "odd"),
        (
            400,
            b'{"ok": false, "error_code": 400, "description": "Bad Request: chat not found"}',
            "failed",
            None,
            "chat not found",
        ),
        (401, b'{"ok": false, "description": "Unauthorized"}', "failed", None, "Unauthorized"),
        (
            403,
            b'{"ok": false, "description": "Forbidden: bot was kicked from the group chat"}',
            "failed",
            None,
            "kicked",
        ),
        (400, MIGRATED, "failed", None, "The chat's number is now -1009: save it."),
        (429, FLOODED, "retry", 13, "Too Many Requests"),
        (429, b'{"ok": false, "parameters": {"retry_after": 99999}}', "retry", 3600, "429"),
        (429, b'{"ok": false, "parameters": []}', "retry", None, "429"),
        (502, b"<html>Bad Gateway</html>", "retry", None, "502"),
        (200, b"[" * 30_000, "sent", None, "200"),
    ],
)
def test_what_telegram_says_is_judged_and_shown(status, body, kind, seconds, detail):
    outcome, _ = attempt(KIND, config_for, answer=Answer(status, body=body))
    assert (outcome.kind, outcome.retry_after_seconds) == (kind, seconds)
    assert not outcome.disable_channel
    assert detail in outcome.detail


def test_a_configuration_is_trimmed_and_its_token_secret():
    given = {"bot_token": f" {TOKEN}\n", "chat_id": " @acme_ops ", "message_thread_id": ""}
    config = KIND.clean({**given, "api_url": None}, allow=())
    assert config == {"bot_token": TOKEN, "chat_id": "@acme_ops"} == KIND.clean(config, allow=())
    assert KIND.hide_secrets(config) == {"chat_id": "@acme_ops"}
    assert KIND.keep_secrets({"chat_id": "7"}, stored=config) == {
        "bot_token": TOKEN,
        "chat_id": "7",
    }


def test_a_token_is_not_sent_to_another_server_by_who_may_not_read_it():
    stored = KIND.clean({**CONFIG, "api_url": "https://bots.acme.example"}, allow=())
    with pytest.raises(InvalidConfig) as error:
        KIND.keep_secrets({"chat_id": "7", "api_url": "https://evil.example"}, stored=stored)
    assert list(error.value.errors) == ["bot_token"]
    same = {"chat_id": "7", "api_url": "https://bots.acme.example/"}
    assert KIND.keep_secrets(same, stored=stored)["bot_token"] == TOKEN


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"bot_token": None}, "bot_token"),
        ({"bot_token": "AAH-abcdefghijklmnop"}, "bot_token"),
        ({"bot_token": "1:AAAA/../x"}, "bot_token"),
        ({"bot_token": "1:AAAA\r\nX: y"}, "bot_token"),
        ({"chat_id": None}, "chat_id"),
        ({"chat_id": "ops"}, "chat_id"),
        ({"chat_id": 1.5}, "chat_id"),
        ({"chat_id": True}, "chat_id"),
        ({"chat_id": 10**5000}, "chat_id"),
        ({"message_thread_id": "x"}, "message_thread_id"),
        ({"api_url": "http://bots.example"}, "api_url"),
        ({"api_url": "https://[64:ff9b::7f00:1]/"}, "api_url"),
        ({"parse_mode": "HTML"}, "parse_mode"),
    ],
)
def test_a_bad_configuration_names_the_field(change, field):
    with pytest.raises(InvalidConfig) as error:
        KIND.clean({**CONFIG, **change}, allow=())
    assert list(error.value.errors) == [field]
    assert "AAH-" not in str(error.value)
