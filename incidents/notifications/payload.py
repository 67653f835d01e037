"""What a message carries: the state of things when it was written, the same on every attempt."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from accounts.models import Team
from incidents.models import Incident
from incidents.rows import with_any
from monitors.models import Monitor


def incident_url(team_slug: str, incident_id: Any) -> str:
    """Return the address of an incident's page in the console."""
    return f"{settings.BASE_URL}/t/{team_slug}/incidents/{incident_id}/"


def monitor_facts(monitor_ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return for each monitor that still exists what messages tell of it: one query."""
    columns = ("labels", "runbook_url", "interval", "silent_after", "heartbeat__last_push_at")
    rows = with_any(Monitor.objects.all(), "id", set(monitor_ids)).values_list("pk", *columns)
    return {
        pk: {
            "labels": labels,
            "runbook_url": runbook_url,
            "interval": interval,
            "silent_after": silent_after,
            "last_push_at": last_push_at,
        }
        for pk, labels, runbook_url, interval, silent_after, last_push_at in rows
    }


def write_time(at: datetime | None) -> str | None:
    """Return an instant of UTC as payloads carry it, with a Z; None stays None."""
    return at.isoformat().replace("+00:00", "Z") if at else None


def incident_payload(
    *, incident: Incident, team: Team, monitor: dict[str, Any], reason: str
) -> dict[str, Any]:
    """Return the payload of a notice about `incident`.

    `monitor` holds what the message tells of the monitor: labels, runbook_url, last_push_at,
    interval, silent_after. `reason` says why the receiver gets this.
    """
    return {
        "incident": {
            "id": str(incident.pk),
            "url": incident_url(team.slug, incident.pk),
            "state": incident.state,
            "cause": incident.cause,
            "severity": incident.severity,
            "summary": incident.summary,
            "down_since": write_time(incident.down_since),
            "opened_at": write_time(incident.opened_at),
            "acknowledged_at": write_time(incident.acknowledged_at),
            "acknowledged_by": incident.acknowledged_by,
            "resolved_at": write_time(incident.resolved_at),
            "resolved_reason": incident.resolved_reason,
            "flapping": incident.flapping,
        },
        "monitor": {
            "id": str(incident.monitor_id),
            "name": incident.monitor_name,
            "namespace": incident.namespace,
            "url": f"{settings.BASE_URL}/t/{team.slug}/monitors/{incident.monitor_id}/",
            "labels": monitor.get("labels") or {},
            "runbook_url": monitor.get("runbook_url") or "",
            "last_push_at": write_time(monitor.get("last_push_at")),
            "interval": monitor.get("interval"),
            "silent_after": monitor.get("silent_after"),
        },
        "team": {"slug": team.slug, "name": team.name},
        "reason": reason,
    }
