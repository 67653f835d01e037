"""The `opsgenie` kind: the Alert API, by the alias that all requests about an incident share.

Opsgenie answers 202 and works later, so closing what it does not know is no error either.
https://docs.opsgenie.com/docs/alert-api
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from incidents.channels.base import Field, Message, Outcome
from incidents.channels.facts import IncidentFacts, read_facts
from incidents.channels.notice import write_notice
from incidents.channels.posting import ConfigReader, HttpKind
from incidents.channels.wording import clip_text
from incidents.outbound.addresses import Network

_URLS = {"us": "https://api.opsgenie.com", "eu": "https://api.eu.opsgenie.com"}
_PRIORITIES = {"critical": "P1", "warning": "P3", "info": "P5"}
_ACTIONS = {"incident.acknowledged": "acknowledge", "incident.resolved": "close"}
# What Opsgenie takes, in characters; it refuses or cuts what is longer.
_MAX_MESSAGE, _MAX_DESCRIPTION, _MAX_ENTITY = 130, 15_000, 512
_MAX_TAGS, _MAX_TAG, _MAX_DETAILS = 20, 50, 8_000


@dataclass(frozen=True)
class OpsgenieKind(HttpKind):
    """Alerts in Opsgenie."""

    name: ClassVar[str] = "opsgenie"
    label: ClassVar[str] = "Opsgenie"
    fields: ClassVar[tuple[Field, ...]] = (
        Field("api_key", "API key", help="Of an API integration.", input_type="password"),
        Field(
            "region",
            "Region",
            help="Where the account lives.",
            input_type="select",
            required=False,
            choices=("us", "eu"),
        ),
        Field(
            "api_url",
            "Address",
            help=(
                "Only where the Alert API lives elsewhere, as for Jira Service Management: "
                "https://api.atlassian.com/jsm/ops/integration"
            ),
            input_type="url",
            required=False,
            placeholder=_URLS["us"],
        ),
    )
    secret_fields: ClassVar[frozenset[str]] = frozenset({"api_key"})
    server_field: ClassVar[str] = "api_url"
    events: ClassVar[frozenset[str]] = frozenset(
        {"incident.opened", "incident.acknowledged", "incident.resolved"}
    )
    digests: ClassVar[bool] = False
    keeps_account: ClassVar[bool] = True

    def clean(self, config: Mapping[str, Any], *, allow: Sequence[Network]) -> dict[str, Any]:
        """Return `{"api_key", "region"?, "api_url"?}`. Raises InvalidConfig."""
        reader = ConfigReader(config, {"api_key", "region", "api_url"})
        reader.text(
            "api_key",
            r"[A-Za-z0-9-]{8,100}",
            missing="Give the API key of an API integration.",
            wrong="An API key has letters, digits and hyphens only.",
        )
        reader.text("region", "us|eu", wrong="Give us or eu.")
        url = reader.url("api_url", allow=allow)
        if "?" in url or "#" in url:
            reader.fail("api_url", "Give the address without ? and #.")
        return reader.finish()

    def send(self, message: Message, config: Mapping[str, Any], *, now: datetime) -> Outcome:
        """Create, acknowledge or close the alert of the incident."""
        facts = read_facts(message)
        base = (config.get("api_url") or _URLS[config.get("region") or "us"]).rstrip("/")
        url, content = f"{base}/v2/alerts", _write_alert(message, facts, now=now)
        if message.event in _ACTIONS:
            alias = quote(facts.id, safe="")
            url = f"{url}/{alias}/{_ACTIONS[message.event]}?identifierType=alias"
            content = _write_action(message, facts)
        elif message.event not in {"incident.opened", "channel.test"}:
            return Outcome("failed", f"Opsgenie is not told of {message.event}.")
        key = config["api_key"]
        return self.post_json(
            url,
            content,
            key=message.key,
            now=now,
            headers={"Authorization": f"GenieKey {key}"},
            secrets=(key,),
        )


def _write_action(message: Message, facts: IncidentFacts) -> dict[str, str]:
    note = "Acknowledged in Tocsin."
    if message.event == "incident.acknowledged" and facts.acknowledged_by:
        note = f"Acknowledged in Tocsin by {facts.acknowledged_by}."
    elif message.event == "incident.resolved":
        note = f"Resolved in Tocsin: {facts.resolved_reason or 'recovered'}."
    return {"source": "Tocsin", "user": "Tocsin", "note": note}


def _write_alert(message: Message, facts: IncidentFacts, *, now: datetime) -> dict[str, Any]:
    if message.event == "channel.test":
        return {
            "message": "Test from Tocsin: nothing is down",
            "description": "Close it: there is nothing else to do.",
            "alias": message.key,
            "priority": "P5",
            "source": "Tocsin",
        }
    notice = write_notice(message, now=now)
    paragraphs = [*notice.sentences, facts.url, facts.runbook and f"Runbook: {facts.runbook}"]
    return {
        "message": clip_text(facts.line, _MAX_MESSAGE),
        "description": clip_text("\n".join(filter(None, paragraphs)), _MAX_DESCRIPTION),
        "alias": facts.id,
        "priority": _PRIORITIES[facts.severity],
        "entity": clip_text(facts.title, _MAX_ENTITY),
        "source": "Tocsin",
        "tags": _write_tags(facts),
        "details": _write_details(facts),
    }


def _write_tags(facts: IncidentFacts) -> list[str]:
    tags = [facts.severity, facts.cause, *(f"{k}={v}" for k, v in facts.labels.items())]
    return [clip_text(tag.replace(",", " "), _MAX_TAG) for tag in tags if tag][:_MAX_TAGS]


def _write_details(facts: IncidentFacts) -> dict[str, str]:
    own = {
        "monitor": facts.name,
        "namespace": facts.namespace,
        "team": facts.team_name,
        "cause": facts.cause,
        "incident": facts.url,
        "runbook": facts.runbook,
    }
    details: dict[str, str] = {}
    left = _MAX_DETAILS
    for name, value in (own | {f"label:{k}": v for k, v in facts.labels.items()}).items():
        if value and len(name) + len(value) <= left:
            details[name] = value
            left -= len(name) + len(value)
    return details


KIND = OpsgenieKind()
