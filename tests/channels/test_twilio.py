"""The twilio kinds against a provider on loopback that checks what Twilio checks."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from typing import ClassVar
from urllib.parse import parse_qs

import pytest

from incidents.channels.base import InvalidConfig, Message
from incidents.channels.twilio_sms import TwilioSmsKind
from incidents.channels.twilio_voice import TwilioVoiceKind
from tests.channels.occurrences import ACK, NOW, URL, make_hostile, make_message, make_test
from tests.providers import Answer, Provider

SMS = TwilioSmsKind(timeout_seconds=0.5, deadline_seconds=1)
VOICE = TwilioVoiceKind(timeout_seconds=0.5, deadline_seconds=1)
SID = "AC" + "0123456789abcdef" * 2
TOKEN = "5ecret5ecret5ecret5ecret5ecret55"
ACCOUNT = {"from": "+15005550006", "account_sid": SID, "auth_token": TOKEN}
LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.BASE_URL = "https://tocsin.example"
    settings.OUTBOUND_ALLOW = LOOPBACK
    for name in ("ACCOUNT_SID", "AUTH_TOKEN", "FROM"):
        setattr(settings, f"TWILIO_{name}", "")


def read_form(got):
    """Hold a request against the published rules of the two resources; return its fields."""
    assert got.method == "POST"
    assert got.headers["content-type"] == "application/x-www-form-urlencoded"
    coded = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
    assert got.headers["authorization"] == f"Basic {coded}"
    fields = {
        name: values[0]
        for name, values in parse_qs(got.body.decode("ascii"), strict_parsing=True).items()
    }
    for name in ("To", "From"):
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}", fields[name])
    if got.path.endswith("/Messages.json"):
        assert set(fields) == {"To", "From", "Body"}
        assert 0 < len(fields["Body"]) <= 320
    else:
        assert got.path.endswith("/Calls.json")
        assert set(fields) == {"To", "From", "Twiml"}
        assert len(fields["Twiml"]) <= 4000
    assert f"/2010-04-01/Accounts/{SID}/" in got.path
    return fields


def send(kind, message, answer=201, now=NOW):
    with Provider(lambda n: answer) as provider:
        given = {"to": "+49 151 123-45678", "api_url": provider.url} | ACCOUNT
        outcome = kind.send(message, kind.clean(given, allow=LOOPBACK), now=now)
    return outcome, [read_form(got) for got in provider.got]


def text_of(message, now=NOW):
    outcome, (fields,) = send(SMS, message, now=now)
    assert outcome.kind == "sent"
    assert fields["To"] == "+4915112345678"
    return fields["Body"]


def speech_of(message):
    """Return what the call says, once, after checking that the script is TwiML."""
    outcome, (fields,) = send(VOICE, message)
    assert outcome.kind == "sent"
    script = ET.fromstring(fields["Twiml"])
    assert script.tag == "Response"
    assert [verb.tag for verb in script] == ["Say", "Pause", "Say"]
    assert all(len(verb) == 0 for verb in script)
    assert script[0].text == script[2].text
    return script[0].text


def refuse(status, code, message="no"):
    body = {"code": code, "message": message, "more_info": "https://x", "status": status}
    return Answer(status, body=json.dumps(body).encode())


# --- text messages ------------------------------------------------------------------------------


def test_a_text_says_first_what_matters_and_ends_with_the_link():
    assert text_of(make_message()) == (
        f"Down: backup (acme): silent since 02:14 UTC. No push for 1 min 30 s. Ack: {ACK}"
    )


def test_a_text_about_another_day_names_it():
    body = text_of(make_message(), now=NOW + timedelta(days=1))
    assert body.startswith("Down: backup (acme): silent since 22 Nov 02:14 UTC.")


def test_without_a_link_to_acknowledge_a_text_has_the_incidents():
    message = make_message()
    del message.payload["acknowledge_url"]
    assert text_of(message).endswith(f" {URL}")


def test_a_text_of_a_recovery():
    body = text_of(make_message("incident.resolved"))
    assert body == f"Up: backup (acme), was down 3 min 25 s. {URL}"
    body = text_of(make_message("incident.resolved", resolved_reason="ana@acme.example"))
    assert body == f"Resolved: backup (acme): ana@acme.example. {URL}"


def test_a_text_of_a_code_has_the_code():
    payload = {"code": "314159", "team": {"slug": "acme", "name": "Acme"}}
    body = text_of(Message("k", "contact.code", NOW, payload))
    assert "314159" in body[:40]


def test_a_text_of_a_digest_is_cut_but_its_link_is_whole():
    payload = {
        "team": {"slug": "acme", "name": "Acme"},
        "url": "https://tocsin.example/t/acme/incidents/",
        "counts": {"opened": 900, "resolved": 0, "flapping": 0, "total": 900},
        "incidents": [
            {
                "monitor": f"device-{n}",
                "namespace": "acme",
                "event": "incident.opened",
                "down_since": "2026-11-22T02:14:05Z",
                "cause": "silence",
            }
            for n in range(50)
        ],
    }
    body = text_of(Message("k", "incident.digest", NOW, payload))
    assert body.startswith("900 incidents in Acme")
    assert "device-0" in body
    assert body.endswith("... https://tocsin.example/t/acme/incidents/")


@pytest.mark.parametrize("event", ["incident.opened", "incident.resolved", "incident.flapping"])
def test_hostile_texts_are_one_short_plain_line(event):
    body = text_of(make_hostile(event))
    assert body.isprintable()
    assert "https://tocsin.example/" in body
    assert len(body) <= 320


def test_a_link_that_leaves_no_room_is_left_out():
    message = make_message()
    message.payload["acknowledge_url"] = "https://tocsin.example/" + "a" * 300
    body = text_of(message)
    assert "https://" not in body
    assert "Ack:" not in body


# --- calls --------------------------------------------------------------------------------------


def test_a_call_says_it_in_words():
    message = make_message()
    message.payload["monitor"]["name"] = "nightly-backup.eu_1"
    assert speech_of(message) == (
        "This is Tocsin. Critical: nightly backup eu 1, of acme, is down: silent, "
        "for 3 minutes 55 seconds. Open Tocsin to acknowledge it."
    )


def test_a_call_says_the_digits_of_a_code_one_by_one():
    message = Message("k", "contact.code", NOW, {"code": "314159"})
    assert speech_of(message) == "This is Tocsin. Your code is: 3, 1, 4, 1, 5, 9."


def test_a_test_can_be_heard():
    assert "nothing to do" in speech_of(make_test())


@pytest.mark.parametrize("event", ["incident.opened", "incident.resolved", "incident.digest"])
def test_nothing_hostile_gets_into_the_script(event):
    said = speech_of(make_hostile(event))
    assert said.isprintable()
    assert not set(said) & set("<>&{}")


def test_a_phone_does_not_ring_for_what_is_over():
    assert VOICE.events == {"incident.opened"}
    assert "incident.resolved" in SMS.events


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SMS, VOICE], ids=["sms", "voice"])
@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (201, "sent"),
        (refuse(400, 21211, "The 'To' number is not valid."), "failed"),
        (refuse(400, 21610, "Attempt to send to unsubscribed recipient"), "failed"),
        (refuse(400, 21611, "Queue is full"), "retry"),
        (refuse(400, 20429, "Too many requests"), "retry"),
        (refuse(401, 20003, "Authenticate"), "failed"),
        (refuse(429, 20429, "Too many requests"), "retry"),
        (refuse(503, 20503, "Service unavailable"), "retry"),
        (429, "retry"),
        (500, "retry"),
        (404, "failed"),
        (Answer(400, body=b"[1]"), "failed"),
        (Answer(400, body=b"[" * 60_000), "failed"),
        (Answer(400, body=b'{"code":"21211"}'), "failed"),
    ],
)
def test_each_answer_is_judged(kind, answer, verdict):
    assert send(kind, make_message(), answer)[0].kind == verdict


def test_what_it_says_is_shown_without_the_token():
    outcome, _ = send(SMS, make_message(), refuse(400, 21211, f"no valid number, {TOKEN}"))
    assert outcome.detail == "answered 400: 21211 no valid number, [hidden]"


def test_a_wait_that_it_asks_for_is_passed_on():
    answer = refuse(429, 20429)
    outcome, _ = send(SMS, make_message(), Answer(429, {"Retry-After": "9"}, answer.body))
    assert (outcome.kind, outcome.retry_after_seconds) == ("retry", 9)


# --- configuration ----------------------------------------------------------------------------


@dataclass(frozen=True)
class NearTwilio(TwilioSmsKind):
    """Twilio's own address, on loopback."""

    server_default: ClassVar[str] = ""


def test_a_person_needs_no_account_where_the_operator_has_one(settings):
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = SID, TOKEN
    settings.TWILIO_FROM = "+15005550006"
    config = SMS.clean({"to": "+4915112345678"}, allow=())
    assert config == {"to": "+4915112345678"}
    with Provider(lambda n: 201) as provider:
        kind = type("Near", (NearTwilio,), {"server_default": provider.url})()
        assert kind.send(make_message(), config, now=NOW).kind == "sent"
    assert read_form(provider.got[0])["From"] == "+15005550006"


def test_the_operators_token_goes_to_no_address_of_a_tenant(settings):
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = SID, TOKEN
    settings.TWILIO_FROM = "+15005550006"
    with Provider(lambda n: 201) as provider:
        given = {"to": "+4915112345678", "api_url": provider.url}
        with pytest.raises(InvalidConfig) as error:
            SMS.clean(given, allow=LOOPBACK)
        assert set(error.value.errors) == {"account_sid", "auth_token", "from"}
        # Even if it were stored.
        for more in ({}, {"account_sid": SID}, {"auth_token": "x"}):
            assert SMS.send(make_message(), given | more, now=NOW).kind == "failed"
    assert provider.connections == 0


def test_an_account_that_the_operator_took_away_is_a_visible_failure():
    outcome = SMS.send(make_message(), {"to": "+4915112345678"}, now=NOW)
    assert outcome.kind == "failed"
    assert "No Twilio account" in outcome.detail


def test_the_token_is_written_never_read_and_does_not_follow_to_another_server():
    stored = SMS.clean({"to": "+4915112345678"} | ACCOUNT, allow=())
    shown = SMS.hide_secrets(stored)
    assert TOKEN not in str(shown)
    assert (shown["to"], shown["from"]) == ("+4915112345678", "+15005550006")
    assert SMS.keep_secrets(shown, stored=stored) == stored
    with pytest.raises(InvalidConfig):
        SMS.keep_secrets(shown | {"api_url": "https://evil.example"}, stored=stored)


@pytest.mark.parametrize("written", ["+4915112345678", "+49 (151) 123-45678", "+49.151/12345678"])
def test_a_number_may_be_written_as_people_do(written):
    config = SMS.clean({"to": written} | ACCOUNT, allow=())
    assert config["to"] == "+4915112345678"
    assert SMS.clean(config, allow=()) == config


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        ({"to": ""}, {"to"}),
        ({"to": None}, {"to"}),
        ({"to": "0151 12345678"}, {"to"}),
        ({"to": "+0151"}, {"to"}),
        ({"to": ["+4915112345678"]}, {"to"}),
        ({"to": "+49151\u0661\u0662\u0663\u0664\u0665\u0666"}, {"to"}),
        ({"from": "Tocsin"}, {"from"}),
        ({"account_sid": "AC123"}, {"account_sid"}),
        ({"account_sid": f"{SID}/../x"}, {"account_sid"}),
        ({"auth_token": "geheim geheim"}, {"auth_token"}),
        ({"auth_token": ""}, {"auth_token"}),
        ({"from": "", "account_sid": "", "auth_token": ""}, {"from", "account_sid", "auth_token"}),
        ({"api_url": "https://[::1]/"}, {"api_url"}),
        ({"sid": "x"}, {"sid"}),
    ],
)
def test_a_bad_configuration_names_the_fields(config, fields):
    with pytest.raises(InvalidConfig) as error:
        SMS.clean({"to": "+4915112345678"} | ACCOUNT | config, allow=())
    assert set(error.value.errors) == fields
    assert "geheim" not in str(error.value)
