"""The email kind: what a mail says, that nothing in it can bite, and what it is told to do."""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.core import mail as outbox

from incidents.channels.base import InvalidConfig, Message
from tests.channels.letters import (
    DASH,
    KEY,
    KIND,
    NOW,
    html_of,
    message,
    sent,
    text_of,
)
from tests.channels.test_addresses import words


@pytest.fixture(autouse=True)
def _mail_settings(settings):
    settings.BASE_URL = "https://tocsin.example"
    settings.DEFAULT_FROM_EMAIL = "Tocsin <tocsin@tocsin.example>"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    outbox.outbox = []


# --- what it says ---------------------------------------------------------------------------


def test_a_silence_is_told():
    mail = sent(message())
    assert mail["Subject"] == f"[Tocsin] Down: fleet (acme) {DASH} silent"
    assert mail["To"] == "ana@acme.example"
    assert mail["From"] == "Tocsin <tocsin@tocsin.example>"
    assert text_of(mail).splitlines() == [
        "fleet went silent",
        "",
        "Down since 22 Nov 2026 14:03:41 UTC, 4 s ago.",
        "Last push 22 Nov 2026 14:02:11 UTC, expected every 1 min.",
        "",
        "Look at the incident and acknowledge it:",
        "https://tocsin.example/t/acme/incidents/1/",
        "",
        "Runbook:",
        "https://wiki.acme.example/fleet",
        "",
        "Monitor: fleet (acme)",
        "Severity: critical",
        "Labels: az=b, tier=1",
        "Team: Acme",
        "",
        "You get this as an owner of Acme.",
        "Tocsin, https://tocsin.example",
    ]
    html = html_of(mail)
    for part in ("fleet went silent", "14:02:11 UTC", 'href="https://tocsin.example/t/acme/inc'):
        assert part in html


@pytest.mark.parametrize(
    ("cause", "subject", "headline"),
    [
        ("failure", f"Down: fleet (acme) {DASH} failing", "fleet reported a failure"),
        ("latency", f"Down: fleet (acme) {DASH} slow", "fleet is slower than its limit"),
        ("weather", f"Down: fleet (acme) {DASH} weather", "fleet is down"),
        ("", "Down: fleet (acme)", "fleet is down"),
    ],
)
def test_other_causes_are_told(cause, subject, headline):
    mail = sent(message(incident={"cause": cause, "summary": "queue 12000"}))
    assert mail["Subject"] == f"[Tocsin] {subject}"
    assert text_of(mail).splitlines()[0] == headline
    assert "Details: queue 12000" in text_of(mail)


def test_a_silence_from_the_start_says_so():
    assert "No push has ever come." in text_of(sent(message(monitor={"last_push_at": None})))


def test_a_window_shorter_than_the_interval_does_not_quote_the_interval():
    text = text_of(sent(message(monitor={"interval": 60, "silent_after": 5})))
    assert "Last push 22 Nov 2026 14:02:11 UTC.\n" in text
    assert "expected" not in text


def test_a_recovery_is_told():
    resolved = {"resolved_at": "2026-11-22T14:08:11Z", "resolved_reason": "recovered"}
    mail = sent(message("incident.resolved", incident=resolved))
    assert mail["Subject"] == f"[Tocsin] Up: fleet (acme) {DASH} was down 4 min 30 s"
    lines = text_of(mail).splitlines()
    assert lines[0] == "fleet is up again"
    assert lines[2] == (
        "Down from 22 Nov 2026 14:03:41 UTC to 22 Nov 2026 14:08:11 UTC, 4 min 30 s."
    )


def test_a_resolve_without_recovery_claims_none():
    resolved = {"resolved_at": "2026-11-22T14:08:11Z", "resolved_reason": "monitor paused"}
    mail = sent(message("incident.resolved", incident=resolved))
    assert mail["Subject"] == "[Tocsin] Resolved: fleet (acme)"
    assert "Reason: monitor paused." in text_of(mail)
    assert "up again" not in text_of(mail) + html_of(mail)


def test_an_acknowledgement_is_told():
    mail = sent(message("incident.acknowledged", incident={"acknowledged_at": str(NOW)}))
    assert mail["Subject"] == "[Tocsin] Acknowledged: fleet (acme)"
    assert "Acknowledged 22 Nov 2026 14:03:41 UTC" in text_of(mail)


def test_a_test_message_alarms_nobody():
    mail = sent(Message(KEY, "channel.test", NOW, {"team": {"slug": "acme"}}))
    assert mail["Subject"] == "[Tocsin] Test of a channel"
    assert "Nothing is down" in text_of(mail)
    assert "In-Reply-To" not in mail


@pytest.mark.parametrize(
    "event",
    ["incident.opened", "incident.acknowledged", "incident.resolved", "incident.flapping", ""],
)
@pytest.mark.parametrize("payload", [{}, {"incident": None, "monitor": {}, "team": "x"}])
def test_a_payload_with_holes_is_still_told(event, payload):
    assert text_of(sent(Message(KEY, event, NOW, payload))).strip()


# --- headers --------------------------------------------------------------------------------


def test_mails_of_an_incident_make_one_thread():
    opened = sent(message())
    resolved = sent(message("incident.resolved"))
    root = "<incident-0199c2d4-0000-7000-8000-000000000001@tocsin.example>"
    for mail in (opened, resolved):
        assert mail["In-Reply-To"] == mail["References"] == root
        assert mail["Message-ID"] == f"<{KEY}@tocsin.example>"
        assert mail["X-Tocsin-Delivery"] == KEY
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail["Date"]


def test_the_id_is_the_same_on_every_attempt():
    first, second = sent(message()), sent(message(), now=NOW + timedelta(minutes=9))
    assert first["Message-ID"] == second["Message-ID"]


# --- hostile text ---------------------------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></bdi><a href='https://evil.example'>click</a>",
    "=cmd|' /C calc'!A0",
    "fleet\r\nBcc: victim@evil.example\r\n\r\nbody",
    "fleet\nBcc: victim@evil.example",
    "fleet\x0bBcc: a\x0cBcc: b\x85Bcc: c\u2028Bcc: d\u2029Bcc: e",
    "\u202egpj.exe\u202c \u2066x\u2069 \u200fa\u200e \u061c \u200b\ufeff",
    "\x00\x07\x1b[31mred\x7f",
    "\ud800 half",
    "{{ settings.SECRET_KEY }}{% debug %}",
    "=?utf-8?q?=0D=0ABcc:_victim=40evil.example?=",
    "n" * 5000,
    "é" * 5000,
    "🔥" * 300,
]
BIDI = set("\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


OUR_TAGS = set(words("html head meta title body div h1 bdi p a table tbody tr th td br"))


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links = set(), []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [value for name, value in attributes if name in {"href", "src"}]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("event", ["incident.opened", "incident.resolved"])
def test_hostile_text_is_inert_everywhere(hostile, event):
    mail = sent(
        message(
            event,
            incident={"summary": hostile, "cause": hostile, "resolved_reason": hostile},
            monitor={"name": hostile, "namespace": hostile, "labels": {hostile: hostile}},
            team={"name": hostile},
            reason=hostile,
        )
    )
    assert mail["To"] == "ana@acme.example"
    assert not {"bcc", "cc"} & {name.lower() for name in mail.keys()}  # noqa: SIM118
    assert len(mail.get_all("Subject")) == 1
    assert mail.defects == []
    subject = mail["Subject"]
    assert subject == outbox.outbox[-1].subject
    assert subject.startswith("[Tocsin] ")
    assert subject.isprintable()
    assert len(subject) <= 200
    for line in (text_of(mail) + html_of(mail)).splitlines():
        assert not BIDI & set(line)
        assert "\x1b" not in line
        assert not line.strip().startswith("Bcc:")
    seen = _Tags()
    seen.feed(html_of(mail))
    assert seen.tags <= OUR_TAGS
    assert not [link for link in seen.links if "evil" in link]


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "data:text/html,x", "https://a.example/ b", "//x", "https://a\nb c", 7],
)
def test_only_a_web_link_becomes_one(link):
    mail = sent(message(monitor={"runbook_url": link}))
    assert "Runbook" not in text_of(mail) + html_of(mail)


def test_letters_of_right_to_left_scripts_and_emoji_stay():
    assert "שלום 👩‍🚒" in sent(message(monitor={"name": "שלום 👩‍🚒"}))["Subject"]


# --- configuration --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "clean"),
    [
        ({"address": "a@b.example"}, ["a@b.example"]),
        ({"to": "a@b.example"}, ["a@b.example"]),
        ({"to": ["a@b.example", "c@d.example", "a@b.example"]}, ["a@b.example", "c@d.example"]),
        ({"to": ["a+b@bücher.example"]}, ["a+b@bücher.example"]),
    ],
)
def test_addresses_are_normalised(config, clean):
    once = KIND.clean(config, allow=())
    assert once == {"to": clean}
    assert KIND.clean(once, allow=()) == once


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "to"),
        ({"to": []}, "to"),
        ({"to": None}, "to"),
        ({"to": 7}, "to"),
        ({"to": {"a@b.example": 1}}, "to"),
        ({"to": ["nope"]}, "to"),
        ({"to": [None]}, "to"),
        ({"to": ["a@b.example\nBcc: c@d.example"]}, "to"),
        ({"to": ["a@b.example, c@d.example"]}, "to"),
        ({"to": ["Ana <a@b.example>"]}, "to"),
        ({"to": ["a" * 300 + "@b.example"]}, "to"),
        ({"to": [f"a{n}@b.example" for n in range(21)]}, "to"),
        ({"address": "nope"}, "address"),
        ({"address": ""}, "address"),
        ({"to": ["a@b.example"], "address": "c@d.example"}, "address"),
        ({"to": ["a@b.example"], "cc": "c@d.example"}, "cc"),
    ],
)
def test_a_bad_configuration_names_the_field(config, field):
    with pytest.raises(InvalidConfig) as error:
        KIND.clean(config, allow=())
    assert list(error.value.errors) == [field]
