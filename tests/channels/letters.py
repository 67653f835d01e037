"""A mail of an incident, and how tests send it and read it."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime, timedelta

from django.core import mail as outbox

from incidents.channels.base import Message
from incidents.channels.mail import EmailKind

DASH = "\N{EN DASH}"
KIND = EmailKind()
NOW = datetime(2026, 11, 22, 14, 3, 41, tzinfo=UTC)
KEY = "0199c2d4-7a00-7000-8000-0000000000aa"
TO = {"to": ["ana@acme.example"]}
PAYLOAD = {
    "incident": {
        "id": "0199c2d4-0000-7000-8000-000000000001",
        "url": "https://tocsin.example/t/acme/incidents/1/",
        "state": "open",
        "cause": "silence",
        "severity": "critical",
        "summary": "",
        "down_since": "2026-11-22T14:03:41Z",
        "opened_at": "2026-11-22T14:03:41.4Z",
        "acknowledged_at": None,
        "resolved_at": None,
        "resolved_reason": None,
    },
    "monitor": {
        "id": "m1",
        "name": "fleet",
        "namespace": "acme",
        "url": "https://tocsin.example/t/acme/monitors/m1/",
        "labels": {"az": "b", "tier": "1"},
        "runbook_url": "https://wiki.acme.example/fleet",
        "last_push_at": "2026-11-22T14:02:11Z",
        "interval": 60,
        "silent_after": 90,
    },
    "team": {"slug": "acme", "name": "Acme"},
    "reason": "You get this as an owner of Acme.",
}


def message(event="incident.opened", *, incident=(), monitor=(), **rest):
    payload = {
        **PAYLOAD,
        "incident": {**PAYLOAD["incident"], **dict(incident)},
        "monitor": {**PAYLOAD["monitor"], **dict(monitor)},
        **rest,
    }
    return Message(KEY, event, NOW, payload)


def sent(message, *, now=NOW + timedelta(seconds=4), config=TO):
    """Send, and return the mail as a mail program reads it."""
    assert KIND.send(message, config, now=now).kind == "sent"
    return email.message_from_bytes(
        outbox.outbox[-1].message().as_bytes(), policy=email.policy.default
    )


def text_of(mail):
    return mail.get_body(("plain",)).get_content()


def html_of(mail):
    return mail.get_body(("html",)).get_content()
