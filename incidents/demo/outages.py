"""The past incidents of the demo team: what its rules made of the changes, and who was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from accounts.models import Team
from incidents.demo.past import Moved, Past, id_at
from incidents.demo.story import Outage
from incidents.lifecycle import wording
from incidents.lifecycle.resolving import REASON_TEXT
from incidents.models import Channel, Incident, IncidentState
from incidents.notifications.compose import (
    Contact,
    contacts_of,
    delivery_rows,
    notification_row,
)
from incidents.notifications.payload import incident_payload
from incidents.routing import Rule, Subject, route
from incidents.rows import Row
from monitors.models import Monitor
from monitors.state import State

SENT = {"email": "Accepted by the mail server.", "webhook": "HTTP 200"}


@dataclass
class History:
    """Rows to be written, in order of time within each monitor."""

    team: Team
    owner: str
    rules: list[Rule]
    channels: dict[Any, Channel]
    incidents: list[Incident] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    notifications: list[Row] = field(default_factory=list)

    def note(self, incident: Incident, at: datetime, kind: str, text: str, actor: str = "") -> None:
        """Add a line to an incident's timeline."""
        self.events.append(
            {
                "team_id": incident.team_id,
                "incident_id": incident.pk,
                "at": at,
                "kind": kind,
                "actor": actor or "tocsin",
                "text": text,
            }
        )


def tell_incidents(history: History, *, monitor: Monitor, past: Past, now: datetime) -> None:
    """Add the incidents that a monitor's changes have opened and resolved."""
    open_one: Incident | None = None
    told_of: list[Row] = []
    previous = None
    for moved in past.moves:
        if moved.change.to_state is State.DOWN and open_one is None:
            outage = _outage_of(past, moved, now)
            open_one = _open(history, monitor, moved, previous)
            told_of = _tell(history, open_one, monitor, moved, "opened", open_one.opened_at, [])
            _attend(history, open_one, outage)
            previous = open_one.pk
        elif moved.change.to_state is not State.DOWN and open_one is not None:
            open_one.state = IncidentState.RESOLVED
            open_one.resolved_at = moved.at
            open_one.resolved_reason = "recovered"
            history.note(open_one, moved.at, "resolved", REASON_TEXT["recovered"])
            _tell(history, open_one, monitor, moved, "resolved", moved.at, told_of)
            open_one = None


def _outage_of(past: Past, moved: Moved, now: datetime) -> Outage | None:
    """Return the outage of the story that lies nearest."""
    began = moved.since or moved.at
    return min(
        past.told.outages,
        key=lambda outage: abs(now - timedelta(days=outage.days_ago) - began),
        default=None,
    )


def _open(history: History, monitor: Monitor, moved: Moved, previous: Any) -> Incident:
    assert moved.change.cause is not None
    opened_at = moved.at + timedelta(seconds=0.4)
    told_seconds = monitor.interval * 2
    if moved.since and moved.last_push_at:
        told_seconds = round((moved.since - moved.last_push_at).total_seconds())
    incident = Incident(
        id=id_at(opened_at),
        team=history.team,
        monitor_id=monitor.pk,
        monitor_name=monitor.name,
        namespace=monitor.namespace.name,
        cause=moved.change.cause.value,
        severity=monitor.severity,
        summary=wording.summary_text(
            name=monitor.name,
            cause=moved.change.cause.value,
            detail=moved.detail,
            last_push_at=moved.last_push_at,
            window_seconds=told_seconds,
        ),
        down_since=moved.since or moved.at,
        opened_at=opened_at,
        previous_id=previous,
    )
    history.incidents.append(incident)
    history.note(incident, opened_at, "opened", incident.summary)
    return incident


def _attend(history: History, incident: Incident, outage: Outage | None) -> None:
    """Let the owner acknowledge, and say what was found."""
    if outage is None or outage.acknowledged_after_minutes is None:
        return
    at = incident.opened_at + timedelta(minutes=outage.acknowledged_after_minutes)
    incident.state = IncidentState.ACKNOWLEDGED
    incident.acknowledged_at, incident.acknowledged_by = at, history.owner
    history.note(incident, at, "acknowledged", "Acknowledged", history.owner)
    if outage.note:
        history.note(incident, at + timedelta(minutes=2), "note", outage.note, history.owner)


def _tell(
    history: History,
    incident: Incident,
    monitor: Monitor,
    moved: Moved,
    kind: str,
    at: datetime,
    before: list[Row],
) -> list[Row]:
    """Add the messages about an incident as they went out, and return them."""
    values = {
        "labels": monitor.labels,
        "runbook_url": monitor.runbook_url,
        "last_push_at": moved.last_push_at,
        "interval": monitor.interval,
        "silent_after": monitor.silent_after,
    }
    rows = delivery_rows(
        incident=incident,
        kind=kind,
        payloads=[
            (
                contact,
                incident_payload(
                    incident=incident, team=history.team, monitor=values, reason=contact.reason
                ),
            )
            for contact in _contacts(history, incident, monitor)
        ],
        at=at,
        after={row["contact"]: row["id"] for row in before},
    )
    for row in rows:
        sent_at = at + timedelta(seconds=0.7)
        attempt = {"at": sent_at.isoformat(), "outcome": "sent", "detail": SENT[row["kind"]]}
        row |= {
            "id": id_at(at),
            "state": "delivered",
            "attempts": [attempt],
            "attempt_count": 1,
            "finished_at": sent_at,
        }
        name = row["contact"].removeprefix("email:")
        if row["channel_id"] is not None:
            name = history.channels[row["channel_id"]].name
        said = "Told" if kind == "opened" else "Told of the recovery:"
        history.note(incident, sent_at, "notified", f"{said} {name} ({row['kind']})")
    history.deliveries += rows
    history.notifications += [notification_row(row) for row in rows]
    return rows


def _contacts(history: History, incident: Incident, monitor: Monitor) -> list[Contact]:
    subject = Subject(
        labels=monitor.labels,
        namespace=incident.namespace,
        name=incident.monitor_name,
        severity=incident.severity,
        cause=incident.cause,
        at=incident.opened_at,
    )
    found = route(history.rules, subject)
    contacts, _ = contacts_of(
        found, team=history.team, channels=history.channels, owners=[history.owner]
    )
    return contacts
