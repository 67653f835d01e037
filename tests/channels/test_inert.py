"""What a tenant writes acts nowhere: every kind in the registry, every message, every text.

A new kind is covered once it has a sample configuration and says here how its words are read.
"""

from __future__ import annotations

import email
import email.policy
import json
from html.parser import HTMLParser
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import pytest
from django.core import mail as outbox

from incidents.channels.registry import KINDS
from tests.channels import test_discord, test_slack, test_teams, test_telegram
from tests.channels.chats import HOSTILE, LOOPBACK, UNSEEN, attempt, digest, hostile, message
from tests.channels.samples import SAMPLES
from tests.channels.test_addresses import words

MAIL_TAGS = set(words("html head meta title body div h1 bdi p a table tbody tr th td br ul li"))
OUR_HEADERS = set(
    words("""
    host accept-encoding connection content-length content-type user-agent x-tocsin-delivery
    authorization webhook-id webhook-timestamp webhook-signature
""")
)


@pytest.fixture(autouse=True)
def _settings(settings):
    settings.BASE_URL = "https://tocsin.example"
    settings.OUTBOUND_ALLOW = LOOPBACK
    settings.DEFAULT_FROM_EMAIL = "Tocsin <tocsin@tocsin.example>"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    outbox.outbox = []


def sent(name, told):
    """Send and return the body as it leaves: of a request, or the mail's bytes."""
    kind = KINDS[name]
    outcome, requests = attempt(kind, SAMPLES[name], told)
    assert outcome.kind == "sent", outcome
    if name == "email":
        return outbox.outbox[-1].message().as_bytes()
    (got,) = requests
    assert set(got.headers) <= OUR_HEADERS
    assert "evil" not in got.path
    return got.body


def texts_in(content):
    """Every text in a JSON document, keys too."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from texts_in(key)
            yield from texts_in(value)
    elif isinstance(content, list):
        for value in content:
            yield from texts_in(value)


def read_json(body):
    return list(texts_in(json.loads(body.decode("utf-8"))))


def read_form(body):
    return [value for _, value in parse_qsl(body.decode("ascii"), strict_parsing=True)]


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.text = set(), [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.links += [value for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data):
        self.text += data


def read_mail(body):
    read = email.message_from_bytes(body, policy=email.policy.default)
    assert read["To"] == "ana@acme.example"
    assert not {"bcc", "cc"} & {name.lower() for name in read.keys()}  # noqa: SIM118
    seen = Tags()
    seen.feed(read.get_body(("html",)).get_content())
    assert seen.tags <= MAIL_TAGS
    assert not [link for link in seen.links if "evil" in link.partition("//")[2].partition("/")[0]]
    return [read["Subject"], read.get_body(("plain",)).get_content(), seen.text]


def read_call(body):
    (script,) = [value for value in read_form(body) if value.startswith("<")]
    tree = ElementTree.fromstring(script)
    assert {element.tag for element in tree.iter()} <= {"Response", "Say", "Pause"}
    return [element.text for element in tree.iter() if element.text]


def read_slack(body):
    found, _ = test_slack.check_payload(json.loads(body))
    return [*found, *read_json(body)]


def read_discord(body):
    title, description, facts, _ = test_discord.check_payload(json.loads(body))
    return [title, description, *facts.values(), *read_json(body)]


def read_teams(body):
    found, _ = test_teams.check_payload(json.loads(body))
    return [*found, *read_json(body)]


def read_telegram(body):
    found, _ = test_telegram.check_payload(json.loads(body))
    return [found, *read_json(body)]


def read_webhook(body):
    # A machine's: the values as they are, and nothing in the bytes but printable ASCII.
    assert all(32 <= byte < 127 for byte in body)
    assert json.loads(body)["type"]
    return []


# How a kind's words are read; a reader fails on markup that is not ours.
READERS = {
    "alertmanager": read_json,
    "discord": read_discord,
    "email": read_mail,
    "ntfy": read_json,
    "opsgenie": read_json,
    "pagerduty": read_json,
    "pushover": read_form,
    "slack": read_slack,
    "teams": read_teams,
    "telegram": read_telegram,
    "twilio_sms": read_form,
    "twilio_voice": read_call,
    "webhook": read_webhook,
}


def check_texts(texts):
    for text in texts:
        assert not UNSEEN & set(text)
        for char in text:
            assert char.isprintable() or char in "\n ", repr(text)
        assert not [line for line in text.splitlines() if line.lstrip().startswith("Bcc:")]


def test_every_kind_says_how_it_is_read():
    assert set(KINDS) == set(READERS) == set(SAMPLES)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", KINDS)
def test_hostile_text_is_inert(name, text):
    check_texts(READERS[name](sent(name, hostile(text))))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", KINDS)
def test_hostile_text_is_inert_once_it_is_over(name, text):
    check_texts(READERS[name](sent(name, hostile(text, "incident.resolved"))))


@pytest.mark.parametrize("text", HOSTILE[:20])
@pytest.mark.parametrize("name", [name for name in KINDS if KINDS[name].digests])
def test_hostile_text_is_inert_in_a_digest(name, text):
    check_texts(READERS[name](sent(name, digest(3, text))))


@pytest.mark.parametrize("text", ["fleet", "Köln", "שלום 👩\u200d🚒", "a & b", "x_y-z.eu"])
@pytest.mark.parametrize("name", [name for name in KINDS if name != "webhook"])
def test_an_ordinary_name_is_read_as_it_is(name, text):
    body = sent(name, message(monitor={"name": text}))
    if name == "twilio_voice":
        text = "fleet"  # what cannot be said is left out
        body = sent(name, message())
    assert [said for said in READERS[name](body) if text in said]
