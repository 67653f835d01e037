"""Messages about one incident, as tests of the kinds that keep their own account want them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from incidents.channels.base import Message

NOW = datetime(2026, 11, 22, 2, 18, 0, tzinfo=UTC)
DOWN_SINCE = datetime(2026, 11, 22, 2, 14, 5, 123456, tzinfo=UTC)
INCIDENT = "0199c2d4-7a00-7000-8000-0000000000aa"
URL = f"https://tocsin.example/t/acme/incidents/{INCIDENT}/"
ACK = "https://tocsin.example/a/3w0h6s7c9d2k4m5n8p1q"
# What a tenant may write into a name: markup, controls, bidi override, half a surrogate, mentions.
HOSTILE = '</Say><Dial>+1900</Dial>&"\r\nX-Evil: 1\x00\u202e\ud800{{7*7}}<!channel> =cmd|'


def make_payload(**incident: Any) -> dict[str, Any]:
    """Return the payload of a notice; the arguments change the incident."""
    return {
        "incident": {
            "id": INCIDENT,
            "url": URL,
            "state": "open",
            "cause": "silence",
            "severity": "critical",
            "summary": "No push for 1 min 30 s.",
            "down_since": DOWN_SINCE.isoformat().replace("+00:00", "Z"),
            "opened_at": "2026-11-22T02:14:06Z",
            "acknowledged_at": None,
            "acknowledged_by": "",
            "resolved_at": None,
            "resolved_reason": "",
        }
        | incident,
        "monitor": {
            "id": "0199c2d4-7a00-7000-8000-0000000000bb",
            "name": "backup",
            "namespace": "acme",
            "url": "https://tocsin.example/t/acme/monitors/m/",
            "labels": {"site": "eu-1", "app.kubernetes.io/name": "backup", "severity": "low"},
            "runbook_url": "https://runbooks.example/backup",
            "last_push_at": "2026-11-22T02:12:35Z",
            "interval": 60,
            "silent_after": 90,
        },
        "team": {"slug": "acme", "name": "Acme"},
        "reason": "Alert rule “all” sends to the channel “hook”.",
        "acknowledge_url": ACK,
    }


def make_message(event: str = "incident.opened", **incident: Any) -> Message:
    """Return a message about the incident; a resolved one ended at 02:17:30."""
    if event == "incident.resolved":
        incident = {
            "state": "resolved",
            "resolved_at": "2026-11-22T02:17:30Z",
            "resolved_reason": "recovered",
        } | incident
    return Message(
        key=f"key-of-{event}",
        event=event,
        at=NOW - timedelta(seconds=2),
        payload=make_payload(**incident),
    )


def make_test() -> Message:
    """Return the test of a channel: it is about no incident."""
    payload = {
        "team": {"slug": "acme", "name": "Acme"},
        "channel": {"id": "c1", "name": "hook"},
        "url": "https://tocsin.example/t/acme/",
        "reason": "ana@acme.example asked for a test of the channel “hook”.",
    }
    return Message(key="key-of-test", event="channel.test", at=NOW, payload=payload)


def make_hostile(event: str = "incident.opened") -> Message:
    """Return a message in which everything that a tenant writes is hostile, and long."""
    payload = make_payload(summary=HOSTILE * 200, resolved_reason=HOSTILE, acknowledged_by=HOSTILE)
    payload["monitor"] |= {
        "name": HOSTILE * 20,
        "namespace": HOSTILE,
        "labels": {HOSTILE: HOSTILE * 9, "9lives": "x", "": "y", "__name__": "z"},
        "runbook_url": "javascript:alert(1)",
    }
    payload["team"] = {"slug": HOSTILE, "name": HOSTILE}
    return Message(key="key-of-hostile", event=event, at=NOW, payload=payload)
