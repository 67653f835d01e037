"""An incident as a provider that keeps its own account of incidents wants it: values, not prose.

Texts of the tenant are made safe lines here; the format is left to the kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from incidents.channels.base import Message
from incidents.channels.wording import clean_line, read_time, web_link

CAUSES = {"silence": "silent", "failure": "failing", "latency": "too slow"}
SEVERITIES = ("critical", "warning", "info")
_MOST_LABELS = 32


@dataclass(frozen=True)
class IncidentFacts:
    """What a message tells of its incident; what is missing is empty or None.

    `id` is the incident's and the same in all that is said of it, so that a provider can tell what
    belongs together. `labels` are the monitor's.
    """

    id: str
    url: str
    acknowledge_url: str
    name: str
    namespace: str
    severity: str
    cause: str
    summary: str
    resolved_reason: str
    acknowledged_by: str
    team: str
    team_name: str
    runbook: str
    labels: Mapping[str, str]
    down_since: datetime
    resolved_at: datetime | None

    @property
    def title(self) -> str:
        """Return the monitor's name with its namespace."""
        return f"{self.name} ({self.namespace})" if self.namespace else self.name

    @property
    def cause_word(self) -> str:
        """Return what is wrong in a word: "silent"."""
        return CAUSES.get(self.cause, self.cause) or "down"

    @property
    def line(self) -> str:
        """Return what is wrong in one line: "backup (acme) is silent: No push since …"."""
        said = f"{self.title} is {self.cause_word}"
        return f"{said}: {self.summary}" if self.summary else said


def read_facts(message: Message) -> IncidentFacts:
    """Return the facts in a message about one incident; a test has the message for an incident."""
    payload = message.payload
    incident, monitor = part_of(payload, "incident"), part_of(payload, "monitor")
    team = part_of(payload, "team")
    severity = str(incident.get("severity"))
    slug = clean_line(team.get("slug"), 100)
    labels = part_of(monitor, "labels")
    return IncidentFacts(
        id=clean_line(incident.get("id"), 100) or message.key,
        url=web_link(incident.get("url")) or web_link(payload.get("url")),
        acknowledge_url=web_link(payload.get("acknowledge_url")),
        name=clean_line(monitor.get("name")) or "a monitor",
        namespace=clean_line(monitor.get("namespace"), 100),
        severity=severity if severity in SEVERITIES else "critical",
        cause=clean_line(incident.get("cause"), 40),
        summary=clean_line(incident.get("summary"), 500),
        resolved_reason=clean_line(incident.get("resolved_reason")),
        acknowledged_by=clean_line(incident.get("acknowledged_by"), 100),
        team=slug,
        team_name=clean_line(team.get("name")) or slug,
        runbook=web_link(monitor.get("runbook_url")),
        labels={
            clean_line(name, 63): clean_line(value, 255)
            for name, value in sorted(labels.items())[:_MOST_LABELS]
        },
        down_since=read_time(incident.get("down_since")) or message.at,
        resolved_at=read_time(incident.get("resolved_at")),
    )


def part_of(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object called `name` in a payload, an empty one if there is none."""
    part = payload.get(name)
    return part if isinstance(part, Mapping) else {}
