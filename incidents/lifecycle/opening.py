"""Opening an incident: what it says, whom its rules reach at once, which ladders it climbs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from accounts.ids import uuid7
from incidents.lifecycle import wording
from incidents.lifecycle.flapping import quiet_at
from incidents.lifecycle.work import Sent, Work
from incidents.models import Incident
from incidents.notifications.compose import Contact, contacts_of, delivery_rows
from incidents.notifications.payload import incident_payload
from incidents.policies.snapshot import Snapshot
from incidents.routing import Route, Subject, route
from incidents.rows import Row, new_object


def open_incident(work: Work, row: dict[str, Any], *, flapping: bool = False) -> None:
    """Open an incident for a monitor that went down.

    `row` holds the change (team_id, monitor_id, at, cause, since, detail) and what messages tell
    of the monitor: name, namespace, severity, labels, runbook_url, interval, silent_after, grace,
    last_push_at.
    """
    incident = new_object(
        Incident,
        id=uuid7(),
        team_id=row["team_id"],
        monitor_id=row["monitor_id"],
        monitor_name=row["name"],
        namespace=row["namespace"],
        cause=row["cause"],
        severity=row["severity"],
        summary=wording.summary_text(
            name=row["name"],
            cause=row["cause"],
            detail=row["detail"],
            last_push_at=row["last_push_at"],
            window_seconds=row["silent_after"] + row["grace"],
        ),
        down_since=row["since"] or row["at"],
        opened_at=work.now,
        previous_id=work.previous.get(row["monitor_id"]),
        flapping=flapping,
        settle_at=quiet_at(row["at"]) if flapping else None,
    )
    work.created.append(incident)
    work.open[row["monitor_id"]] = incident
    work.previous[row["monitor_id"]] = incident.pk
    work.note(incident, work.now, "opened", incident.summary)
    if flapping:
        work.note(incident, row["at"], "flapping", wording.FLAPPING_TEXT)
    found = route(work.rules[incident.team_id], _subject(incident, row["labels"], work.now))
    _start_policies(work, incident, found)
    contacts, remarks = _contacts(work, incident, found)
    for remark in remarks:
        work.note(incident, work.now, "skipped", remark)
    told = delivery_rows(
        incident=incident,
        kind="opened",
        payloads=[(contact, _payload(work, incident, row, contact)) for contact in contacts],
        at=work.now,
    )
    work.deliveries += told
    work.sent[incident.pk] = [Sent.of(delivery) for delivery in told]


def _start_policies(work: Work, incident: Incident, found: Route) -> None:
    """Start the ladders of a route; one that was deleted since the rules were read is left out."""
    for policy_id, rule in list(found.policies.items()):
        snapshot = work.policies.get(policy_id)
        if snapshot is None or not snapshot.steps:
            del found.policies[policy_id]
            text = f"The policy of alert rule “{rule}” has no steps or was deleted."
            work.note(incident, work.now, "skipped", text)
            continue
        work.escalations.append(escalation_row(incident, snapshot, at=work.now))
        text = f"Alert rule “{rule}” starts the policy “{snapshot.name}”."
        work.note(incident, work.now, "routed", text)


def escalation_row(incident: Incident, snapshot: Snapshot, *, at: datetime) -> Row:
    """Return an incident's way up a policy as it is now; its first step fires after its delay."""
    return {
        "team_id": incident.team_id,
        "id": uuid7(),
        "incident_id": incident.pk,
        "policy_id": snapshot.policy_id,
        "policy_name": snapshot.name,
        "steps": snapshot.steps,
        "repeat": snapshot.repeat,
        "acknowledge_timeout": snapshot.acknowledge_timeout,
        "firings": 0,
        "reached": False,
        "next_step_at": at + timedelta(seconds=snapshot.steps[0]["delay"]),
    }


def _payload(
    work: Work, incident: Incident, row: dict[str, Any], contact: Contact
) -> dict[str, Any]:
    team = work.teams[incident.team_id]
    return incident_payload(incident=incident, team=team, monitor=row, reason=contact.reason)


def _subject(incident: Incident, labels: dict[str, str] | None, at: datetime) -> Subject:
    return Subject(
        labels=labels or {},
        namespace=incident.namespace,
        name=incident.monitor_name,
        severity=incident.severity,
        cause=incident.cause,
        at=at,
    )


def _contacts(work: Work, incident: Incident, found: Route) -> tuple[list[Contact], list[str]]:
    team_id: UUID = incident.team_id
    key = (team_id, tuple(found.named_by.items()), tuple(found.policies), found.owners)
    if key not in work.contacts_cache:
        work.contacts_cache[key] = contacts_of(
            found,
            team=work.teams[team_id],
            channels=work.channels,
            owners=work.owners.get(team_id, []),
        )
    return work.contacts_cache[key]
