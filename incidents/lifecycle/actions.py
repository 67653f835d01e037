"""What a person does to an incident: acknowledge, resolve, note."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.lifecycle.resolving import cancel_unsent, recovery_notices
from incidents.models import Delivery, Incident, IncidentState, Notification, TimelineEvent
from monitors.models import Monitor
from monitors.queries import database_now
from monitors.services import forget_causes

MOST_NOTE = 10_000


class AlreadyResolved(Exception):  # noqa: N818 - it names what happened
    """The incident is over; nothing can be done to it but a note."""


def acknowledge_incident(*, incident: Incident, actor: str) -> Incident:
    """Stop paging: what was not sent is cancelled. Acknowledging twice changes nothing.

    Raises AlreadyResolved.
    """
    with transaction.atomic(), scopes_disabled():
        locked = _lock(incident)
        if locked.state == IncidentState.ACKNOWLEDGED:
            return locked
        at = database_now()
        locked.state = IncidentState.ACKNOWLEDGED
        locked.acknowledged_at = at
        locked.acknowledged_by = actor
        locked.save(update_fields=["state", "acknowledged_at", "acknowledged_by"])
        cancelled = cancel_unsent(locked.pk, untried_too=True, at=at)
        text = "Acknowledged"
        if cancelled:
            text += f"; {cancelled} unsent message{'s' if cancelled > 1 else ''} cancelled"
        _note(locked, at, "acknowledged", actor, text)
    return locked


def resolve_incident(*, incident: Incident, actor: str) -> Incident:
    """End an incident by hand; those who were paged are told. Raises AlreadyResolved.

    The monitor stays down until it passes, but its causes are forgotten: a further fail, or a
    further silence after a push, opens a new incident linked to this one.
    """
    with transaction.atomic(), scopes_disabled():
        # The heartbeat first, the order in which everybody takes the two locks.
        monitor = Monitor.objects.filter(pk=incident.monitor_id).first()
        if monitor is not None:
            forget_causes(monitor=monitor)
        locked = _lock(incident)
        at = database_now()
        locked.state = IncidentState.RESOLVED
        locked.resolved_at = at
        locked.resolved_reason = f"resolved by {actor}"[:120]
        locked.save(update_fields=["state", "resolved_at", "resolved_reason"])
        _note(locked, at, "resolved", actor, "Resolved by hand")
        cancel_unsent(locked.pk, untried_too=True, at=at)
        notifications, deliveries = recovery_notices(
            incident=locked,
            team=Team.objects.get(pk=locked.team_id),
            monitor=_monitor_values(monitor),
            opened=Delivery.objects.filter(incident=locked, event="incident.opened"),
            at=at,
        )
        Delivery.objects.bulk_create(deliveries)
        Notification.objects.bulk_create(notifications)
    return locked


def add_note(*, incident: Incident, actor: str, text: str) -> TimelineEvent:
    """Add a person's note to the timeline, of a resolved incident too."""
    with scopes_disabled():
        return _note(incident, database_now(), "note", actor, text[:MOST_NOTE])


def _lock(incident: Incident) -> Incident:
    locked = Incident.objects.select_for_update(no_key=True).get(pk=incident.pk)
    if locked.state == IncidentState.RESOLVED:
        raise AlreadyResolved
    return locked


def _note(incident: Incident, at: Any, kind: str, actor: str, text: str) -> TimelineEvent:
    return TimelineEvent.objects.create(
        team_id=incident.team_id, incident=incident, at=at, kind=kind, actor=actor, text=text
    )


def _monitor_values(monitor: Monitor | None) -> dict[str, Any]:
    if monitor is None:
        return {}
    return {
        "labels": monitor.labels,
        "runbook_url": monitor.runbook_url,
        "last_push_at": monitor.heartbeat.last_push_at,
        "interval": monitor.interval,
        "silent_after": monitor.silent_after,
    }
