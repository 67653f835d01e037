"""What the tests of the chat and push kinds share: messages, hostile texts, one attempt."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

from incidents.channels.base import Message
from tests.providers import Answer, Provider

NOW = datetime(2026, 11, 22, 14, 3, 45, tzinfo=UTC)
KEY = "0199c2d4-7a00-7000-8000-0000000000aa"
LOOPBACK = (ip_network("127.0.0.0/8"),)
LINK = "https://tocsin.example/t/acme/incidents/1/"
ACKNOWLEDGE = "https://tocsin.example/acknowledge/abcdefghijklmnopqrstuvwxyz/"
RUNBOOK = "https://wiki.acme.example/fleet"
INCIDENT = {
    "id": "0199c2d4-0000-7000-8000-000000000001",
    "url": LINK,
    "state": "open",
    "cause": "silence",
    "severity": "critical",
    "summary": "",
    "down_since": "2026-11-22T14:03:41Z",
    "opened_at": "2026-11-22T14:03:41.4Z",
    "acknowledged_at": None,
    "resolved_at": None,
    "resolved_reason": None,
}
MONITOR = {
    "id": "m1",
    "name": "fleet",
    "namespace": "acme",
    "url": "https://tocsin.example/t/acme/monitors/m1/",
    "labels": {"az": "b", "tier": "1"},
    "runbook_url": RUNBOOK,
    "last_push_at": "2026-11-22T14:02:11Z",
    "interval": 60,
    "silent_after": 90,
}
TEAM = {"slug": "acme", "name": "Acme"}

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</b></code></a><a href='https://evil.example'>click</a>",
    "<!channel> <!here|x> <!everyone> <@U123> <@&42> <#C1> <https://evil.example|bank>",
    "@everyone @here @ana #general /stop $TSLA",
    "[x](javascript:alert(1)) [bank](https://evil.example) ![i](https://evil.example/i.png)",
    "https://evil.example/ tg://resolve?domain=evil evil.example mailto:a@evil.example",
    "*bold* _it_ ~strike~ **b** __u__ ||spoiler|| `code` ```block``` > quote",
    "# heading",
    "- item",
    "\\[x\\](https://evil.example) \\\\[y](https://evil.example) \\",
    "<at>everyone</at> {{evil}} ${evil} @{triggerBody()}",
    "=cmd|' /C calc'!A0",
    "fleet\r\nBcc: victim@evil.example\r\n\r\nbody",
    "fleet\x0bb\x0cc\x85d\u2028e\u2029f",
    "\u202egpj.exe\u202c \u2066x\u2069 \u200fa\u200e \u061c \u200b\ufeff\U000e0041",
    "\x00\x07\x1b[31mred\x7f",
    "\ud800 half",
    "&amp; &lt;b&gt; &#60;script&#62; &",
    '{"priority": 5}","topic":"other',
    "n" * 5000,
    "é" * 5000,
    "🔥" * 5000,
    "&<>" * 2000,
    "\\" * 5000,
    "@a " * 2000,
    '"' * 5000,
]
# What turns the direction of writing or cannot be seen.
UNSEEN = set(
    "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\U000e0041"
)


def message(event="incident.opened", *, incident=(), monitor=(), **rest):
    payload = {
        "incident": {**INCIDENT, **dict(incident)},
        "monitor": {**MONITOR, **dict(monitor)},
        "team": TEAM,
        "reason": "Sent to the channel ops of Acme.",
        "acknowledge_url": ACKNOWLEDGE,
        **rest,
    }
    return Message(KEY, event, NOW - timedelta(seconds=4), payload)


def hostile(text, event="incident.opened"):
    """A message with `text` in every place that a tenant can write to."""
    return message(
        event,
        incident={
            "summary": text,
            "cause": text,
            "severity": text,
            "resolved_reason": text,
            "acknowledged_by": text,
        },
        monitor={
            "name": text,
            "namespace": text,
            "labels": {text: text, "k": text},
            "runbook_url": text,
        },
        team={"slug": text, "name": text},
        reason=text,
    )


def digest(count=10_000, name="fleet"):
    """A digest of `count` incidents, as long as names can be."""
    item = {"event": "incident.opened", "namespace": "n" * 100, "cause": "silence"}
    item |= {"down_since": "2026-11-22T14:03:41Z", "severity": "critical"}
    payload = {
        "incidents": [{**item, "monitor": f"{name}-{n} " + "é" * 100} for n in range(count)],
        "counts": {"opened": count, "resolved": 0, "flapping": 0, "total": count},
        "team": TEAM,
        "url": "https://tocsin.example/t/acme/incidents/",
        "reason": "Sent to the channel ops of Acme.",
    }
    return Message(KEY, "incident.digest", NOW, payload)


def longest(event="incident.opened"):
    """A message whose every part is as long as it can be, in characters of four bytes."""
    text = "🔥" * 3000
    return message(
        event,
        incident={"summary": text, "severity": text, "resolved_reason": text, "url": LINK},
        monitor={
            "name": text,
            "namespace": text,
            "labels": {f"{n}{text}": text for n in range(64)},
            "runbook_url": "https://wiki.example/" + "r" * 2020,
        },
        team={"slug": text, "name": text},
        reason=text,
    )


EVENTS = [
    "incident.opened",
    "incident.acknowledged",
    "incident.flapping",
    "incident.resolved",
    "channel.test",
    "contact.code",
    "contact.test",
    "rotation.handoff",
    "channel.disabled",
]


EVERYTHING = [
    *(message(event) for event in EVENTS),
    *(longest(event) for event in EVENTS),
    *(hostile(text) for text in HOSTILE),
    *(digest(count) for count in (0, 1, 3, 10_000)),
    Message(KEY, "incident.opened", NOW, {}),
]


@functools.cache
def standing_provider():
    """A provider that stays until the end: starting one for each of a thousand texts is slow."""
    return Provider().__enter__()


def attempt(kind, config_for, told=None, *, answer=None, now=NOW):
    """Make one attempt against a provider; return the outcome and what the provider got."""
    provider = standing_provider()
    provider.answer = lambda n: answer or Answer(200)
    before = len(provider.got)
    config = kind.clean(config_for(base(provider)), allow=LOOPBACK)
    outcome = kind.send(told or message(), config, now=now)
    return outcome, provider.got[before:]


def base(provider):
    """The address of a provider's root."""
    return f"http://{provider.host}:{provider.port}"
