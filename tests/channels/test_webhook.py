"""The webhook kind against a provider on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network

import pytest
from standardwebhooks import Webhook

from incidents.channels.base import InvalidConfig, Message
from incidents.channels.webhook import WebhookKind, encode_body
from tests.providers import Answer, Provider

NOW = datetime(2026, 11, 22, 14, 3, 41, 500_000, tzinfo=UTC)
KIND = WebhookKind(timeout_seconds=0.3, deadline_seconds=0.5)
MESSAGE = Message(
    key="0199c2d4-7a00-7000-8000-0000000000aa",
    event="incident.opened",
    at=NOW - timedelta(seconds=2),
    payload={"incident": {"id": "i1", "cause": "silence"}, "monitor": {"name": "Köln <b>"}},
)


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.BASE_URL = "https://tocsin.example"
    settings.OUTBOUND_ALLOW = (ip_network("127.0.0.0/8"),)


def config_for(provider):
    return KIND.clean({"url": provider.url}, allow=(ip_network("127.0.0.0/8"),))


def send(answer, *, kind=KIND, now=NOW):
    with Provider(lambda n: answer) as provider:
        return kind.send(MESSAGE, config_for(provider), now=now)


def test_the_request_is_signed_as_the_standard_says():
    with Provider() as provider:
        config = config_for(provider)
        assert KIND.send(MESSAGE, config, now=NOW).kind == "sent"
    (got,) = provider.got
    assert got.headers["webhook-id"] == MESSAGE.key
    assert got.headers["webhook-timestamp"] == "1795356221"
    assert got.headers["content-type"] == "application/json"
    signed = f"{MESSAGE.key}.1795356221.".encode() + got.body
    key = base64.b64decode(config["secret"].removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{expected}"
    assert got.json == {
        "type": "incident.opened",
        "timestamp": "2026-11-22T14:03:39.500000Z",
        "data": MESSAGE.payload,
    }


def test_a_receiver_with_the_library_accepts_it():
    with Provider() as provider:
        config = config_for(provider)
        KIND.send(MESSAGE, config, now=datetime.now(UTC))
    got = provider.got[0]
    assert Webhook(config["secret"]).verify(got.body, got.headers)["data"] == MESSAGE.payload


def test_every_attempt_has_the_same_id_and_the_same_bytes():
    with Provider(lambda n: 503 if n < 3 else 200) as provider:
        config = config_for(provider)
        kinds = [
            KIND.send(MESSAGE, config, now=NOW + timedelta(seconds=30 * n)).kind for n in range(3)
        ]
    assert kinds == ["retry", "retry", "sent"]
    assert len({(got.headers["webhook-id"], got.body) for got in provider.got}) == 1
    assert len({got.headers["webhook-signature"] for got in provider.got}) == 3


def test_the_body_does_not_depend_on_the_order_of_a_stored_payload():
    turned = {key: MESSAGE.payload[key] for key in reversed(MESSAGE.payload)}
    other = Message(MESSAGE.key, MESSAGE.event, MESSAGE.at, turned)
    assert encode_body(other) == encode_body(MESSAGE)
    assert json.loads(encode_body(MESSAGE))["data"]["monitor"]["name"] == "Köln <b>"


@pytest.mark.parametrize(
    ("status", "kind", "disables"),
    [
        (200, "sent", False),
        (202, "sent", False),
        (204, "sent", False),
        (301, "failed", False),
        (302, "failed", False),
        (307, "failed", False),
        (400, "failed", False),
        (401, "failed", False),
        (403, "failed", False),
        (404, "failed", False),
        (408, "retry", False),
        (410, "failed", True),
        (413, "failed", False),
        (422, "failed", False),
        (425, "retry", False),
        (429, "retry", False),
        (500, "retry", False),
        (502, "retry", False),
        (503, "retry", False),
        (599, "retry", False),
        (600, "retry", False),
    ],
)
def test_each_status_is_judged(status, kind, disables):
    outcome = send(Answer(status))
    assert (outcome.kind, outcome.disable_channel) == (kind, disables)
    assert str(status) in outcome.detail


def test_a_redirect_is_a_visible_failure():
    with Provider() as inner:
        outcome = send(Answer(302, {"Location": inner.url}))
    assert "redirects are not followed" in outcome.detail
    assert inner.connections == 0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("999999999", 3600),
        (format_datetime(NOW.replace(microsecond=0) + timedelta(seconds=90), usegmt=True), 89.5),
        (format_datetime(NOW.replace(microsecond=0) + timedelta(days=9), usegmt=True), 3600),
        (format_datetime(NOW.replace(microsecond=0) - timedelta(days=9), usegmt=True), 0),
        ("Sunday, 22-Nov-26 14:05:11 GMT", 89.5),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("9" * 200, None),
        ("Sun, 99 Nov 2026 99:99:99 GMT", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_and_capped(value, seconds, status):
    outcome = send(Answer(status, {} if value is None else {"Retry-After": value}))
    assert outcome.kind == "retry"
    assert outcome.retry_after_seconds == seconds


@pytest.mark.parametrize(
    "answer",
    [
        Answer(reset=True),
        Answer(delay_seconds=20),
        Answer(drip_seconds=0.1),
        Answer(raw=b"nonsense\r\n"),
        Answer(body=b"x", announce=9),
    ],
    ids=["reset", "slow", "drip", "nonsense", "broken off"],
)
def test_no_complete_answer_is_tried_again(answer):
    outcome = send(answer)
    assert outcome.kind == "retry"
    assert outcome.detail


def test_a_closed_port_is_tried_again():
    with Provider() as provider:
        config = config_for(provider)
    assert KIND.send(MESSAGE, config, now=NOW).kind == "retry"


def test_a_refused_address_is_a_visible_failure(settings):
    with Provider() as provider:
        config = config_for(provider)
        settings.OUTBOUND_ALLOW = ()
        outcome = KIND.send(MESSAGE, config, now=NOW)
    assert (outcome.kind, outcome.detail) == ("failed", "refused: address not allowed")
    assert provider.connections == 0


def test_a_name_is_judged_when_connecting():
    def resolve(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]

    config = KIND.clean({"url": "https://metadata.example/"}, allow=())
    outcome = WebhookKind(resolve=resolve).send(MESSAGE, config, now=NOW)
    assert (outcome.kind, outcome.detail) == ("failed", "refused: address not allowed")


def test_what_the_provider_says_is_shown_short_and_inert():
    said = ("no\r\n<b>\u202e\x00\x1b[31m" + "x" * 5000).encode()
    outcome = send(Answer(400, body=said))
    assert outcome.detail.startswith("answered 400: no <b> [31mxxx")
    assert len(outcome.detail) <= 500
    assert outcome.detail.isprintable()


# --- configuration --------------------------------------------------------------------------


def test_a_secret_is_generated_once_and_kept():
    first = KIND.clean({"url": "https://example.com/"}, allow=())
    second = KIND.clean({"url": "https://example.com/"}, allow=())
    assert first["secret"] != second["secret"]
    assert len(base64.b64decode(first["secret"].removeprefix("whsec_"))) == 32
    assert KIND.clean(first, allow=()) == first


def test_secrets_are_write_only_and_survive_an_edit():
    stored = KIND.clean({"url": "https://example.com/"}, allow=())
    assert KIND.hide_secrets(stored) == {"url": "https://example.com/"}
    edited = KIND.keep_secrets({"url": "https://example.org/"}, stored=stored)
    assert KIND.clean(edited, allow=()) == {**stored, "url": "https://example.org/"}
    given = "whsec_" + base64.b64encode(b"k" * 24).decode()
    rotated = KIND.keep_secrets({"url": "https://example.org/", "secret": given}, stored=stored)
    assert rotated["secret"] == given


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_given_secret_is_taken(size):
    secret = "whsec_" + base64.b64encode(b"\xff" * size).decode()
    assert KIND.clean({"url": "https://example.com/", "secret": secret}, allow=())["secret"] == (
        secret
    )


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "hunter2",
        "whsec_",
        "whsec_" + base64.b64encode(b"k" * 23).decode(),
        "whsec_" + base64.b64encode(b"k" * 65).decode(),
        "whsec_" + "!" * 40,
        base64.b64encode(b"k" * 32).decode(),
        "whsec_" + "ü" * 40,
        7,
        ["whsec_"],
    ],
)
def test_a_bad_secret_is_refused_without_repeating_it(secret):
    with pytest.raises(InvalidConfig) as error:
        KIND.clean({"url": "https://example.com/", "secret": secret}, allow=())
    assert set(error.value.errors) == {"secret"}
    assert len(str(secret)) < 8 or str(secret) not in str(error.value)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "url"),
        ({"url": ""}, "url"),
        ({"url": None}, "url"),
        ({"url": 7}, "url"),
        ({"url": ["https://example.com"]}, "url"),
        ({"url": "http://example.com/"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "https://[::ffff:127.0.0.1]/"}, "url"),
        ({"url": "https://[64:ff9b::7f00:1]/"}, "url"),
        ({"url": "https://2130706433/"}, "url"),
        ({"url": "https://example.com/", "headers": {"X": "y"}}, "headers"),
    ],
)
def test_a_bad_configuration_names_the_field(config, field):
    with pytest.raises(InvalidConfig) as error:
        KIND.clean(config, allow=())
    assert list(error.value.errors) == [field]
    assert error.value.errors[field].endswith(".")
