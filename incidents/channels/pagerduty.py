"""The `pagerduty` kind: Events API v2, which opens, acknowledges and resolves on our word.

All that is said of an incident has its id as `dedup_key`, so a later step or a second copy adds to
PagerDuty's alert instead of opening another.
https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from incidents.channels.base import Field, Message, Outcome
from incidents.channels.facts import IncidentFacts, read_facts
from incidents.channels.posting import ConfigReader, HttpKind
from incidents.channels.wording import clip_text
from incidents.outbound.addresses import Network

_URLS = {
    "us": "https://events.pagerduty.com/v2/enqueue",
    "eu": "https://events.eu.pagerduty.com/v2/enqueue",
}
_MAX_SUMMARY = 1024
_ACTIONS = {
    "incident.opened": "trigger",
    "incident.acknowledged": "acknowledge",
    "incident.resolved": "resolve",
    "channel.test": "trigger",
}


@dataclass(frozen=True)
class PagerDutyKind(HttpKind):
    """Events to a PagerDuty service."""

    name: ClassVar[str] = "pagerduty"
    label: ClassVar[str] = "PagerDuty"
    fields: ClassVar[tuple[Field, ...]] = (
        Field(
            "routing_key",
            "Integration key",
            help="Of an integration “Events API v2” of the service; 32 characters.",
            input_type="password",
        ),
        Field(
            "region",
            "Region",
            help="eu if the account's address ends in .eu.pagerduty.com, otherwise us.",
            input_type="select",
            required=False,
            choices=("us", "eu"),
        ),
        Field(
            "api_url",
            "Address",
            help="Only for a proxy of your own; without it events go to PagerDuty.",
            input_type="url",
            required=False,
            placeholder=_URLS["us"],
        ),
    )
    secret_fields: ClassVar[frozenset[str]] = frozenset({"routing_key"})
    server_field: ClassVar[str] = "api_url"
    events: ClassVar[frozenset[str]] = frozenset(
        {"incident.opened", "incident.acknowledged", "incident.resolved"}
    )
    digests: ClassVar[bool] = False
    keeps_account: ClassVar[bool] = True

    def clean(self, config: Mapping[str, Any], *, allow: Sequence[Network]) -> dict[str, Any]:
        """Return `{"routing_key", "region"?, "api_url"?}`. Raises InvalidConfig."""
        reader = ConfigReader(config, {"routing_key", "region", "api_url"})
        reader.text(
            "routing_key",
            r"[A-Za-z0-9]{32}",
            missing="Give the integration key of an integration “Events API v2”.",
            wrong="An integration key has 32 letters and digits.",
        )
        reader.text("region", "us|eu", wrong="Give us or eu.")
        reader.url("api_url", allow=allow)
        return reader.finish()

    def send(self, message: Message, config: Mapping[str, Any], *, now: datetime) -> Outcome:
        """Post one event."""
        action = _ACTIONS.get(message.event)
        if action is None:
            return Outcome("failed", f"PagerDuty is not told of {message.event}.")
        key = config["routing_key"]
        event: dict[str, Any] = {"routing_key": key, "event_action": action}
        event |= _write_event(message, action)
        url = config.get("api_url") or _URLS[config.get("region") or "us"]
        return self.post_json(url, event, key=message.key, now=now, secrets=(key,))


def _write_event(message: Message, action: str) -> dict[str, Any]:
    facts = read_facts(message)
    if message.event == "channel.test":
        text = "Test from Tocsin: nothing is down. Resolve it here, there is nothing else to do."
        mild = {"summary": text, "source": "tocsin", "severity": "info"}
        return {"dedup_key": message.key, "payload": mild, **_client(facts)}
    if action != "trigger":
        return {"dedup_key": facts.id}
    payload: dict[str, Any] = {
        "summary": clip_text(facts.line, _MAX_SUMMARY),
        "source": facts.name,
        "severity": facts.severity,
        "timestamp": facts.down_since.astimezone(UTC).isoformat(timespec="milliseconds"),
        "component": facts.name,
        "group": facts.namespace or facts.team,
        "class": facts.cause or "down",
        "custom_details": {
            name: value
            for name, value in (
                ("summary", facts.summary),
                ("team", facts.team_name),
                ("namespace", facts.namespace),
                ("cause", facts.cause),
                ("labels", dict(facts.labels)),
                ("runbook", facts.runbook),
            )
            if value
        },
    }
    links = ((facts.url, "Incident in Tocsin"), (facts.runbook, "Runbook"))
    return {
        "dedup_key": facts.id,
        "payload": payload,
        "links": [{"href": href, "text": text} for href, text in links if href],
        **_client(facts),
    }


def _client(facts: IncidentFacts) -> dict[str, str]:
    return {"client": "Tocsin"} | ({"client_url": facts.url} if facts.url else {})


KIND = PagerDutyKind()
