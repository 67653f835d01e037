"""Ending an incident: the reason, what is still unsent, and who hears of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec
from django.db import connection

from accounts.models import Team
from incidents.lifecycle.rows import Row
from incidents.models import Delivery, DeliveryState, Incident, IncidentState, Notification
from incidents.notifications.compose import Contact, delivery_rows, queue_notices
from incidents.notifications.payload import incident_payload

if TYPE_CHECKING:
    from incidents.lifecycle.advance import Work

REASON_TEXT = {
    "recovered": "Recovered: it pushes a pass again",
    "paused": "The monitor was paused",
    "deleted": "The monitor was deleted",
}


class Sent(NamedTuple):
    """What ending an incident must know of a message about it."""

    id: UUID
    event: str
    contact: str
    kind: str
    channel_id: UUID | None
    state: str
    attempt_count: int

    @classmethod
    def of(cls, row: Row) -> Sent:
        """Return it for a delivery that is not stored yet."""
        return cls(*[row[name] for name in cls._fields])


def resolve_in_memory(
    work: Work, incident: Incident, *, reason: str, at: datetime, monitor: dict[str, Any]
) -> None:
    """Resolve an incident of this batch or of an earlier one, and queue the notices.

    A first message that has not been tried yet still goes out before the recovery when the monitor
    recovered by itself: a fail and a pass within one second are both told, in order. What failed
    once and waits for its next try is cancelled, and its contact hears nothing of the recovery.
    Deleting tells nobody: nothing has recovered.
    """
    incident.state = IncidentState.RESOLVED
    incident.resolved_at = at
    incident.resolved_reason = reason
    work.changed[incident.pk] = incident
    work.note(incident, at, "resolved", REASON_TEXT[reason])
    told = work.sent.get(incident.pk, [])
    kept = []
    for delivery in told:
        waits = delivery.state == DeliveryState.PENDING
        if waits and (reason != "recovered" or delivery.attempt_count > 0):
            work.cancelled[delivery.id] = at
        else:
            kept.append(delivery)
    if reason == "deleted":
        return
    team = work.teams[incident.team_id]
    payloads, after = _recovery_payloads(incident, team, monitor, kept)
    work.deliveries += delivery_rows(
        incident=incident, kind="resolved", payloads=payloads, at=work.now, after=after
    )


# name: end_incidents
# Write how a batch of incidents ended.
_END = """
UPDATE incidents_incident i
SET state = 'resolved', resolved_at = r.at, resolved_reason = r.reason
FROM json_to_recordset(%s::json) AS r(id uuid, at timestamptz, reason text)
WHERE i.id = r.id
"""

# name: cancel_deliveries
# Cancel a batch of messages that wait, under a lock that was taken when they were read.
_CANCEL = """
UPDATE incidents_delivery d SET state = 'cancelled', finished_at = r.at
FROM json_to_recordset(%s::json) AS r(id uuid, at timestamptz)
WHERE d.id = r.id AND d.state = 'pending'
"""


def end_incidents(incidents: Iterable[Incident]) -> None:
    """Write the end of incidents that `resolve_in_memory` has resolved."""
    _execute(
        _END,
        [{"id": i.pk, "at": i.resolved_at, "reason": i.resolved_reason} for i in incidents],
    )


def cancel_deliveries(cancelled: Mapping[UUID, datetime]) -> None:
    """Cancel stored messages, given by id with the time; those not stored yet are left out."""
    _execute(_CANCEL, [{"id": pk, "at": at} for pk, at in cancelled.items()])


def _execute(statement: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(statement, [msgspec.json.encode(rows).decode()])


def cancel_unsent(incident_id: UUID, *, untried_too: bool, at: datetime) -> int:
    """Cancel the incident's messages that wait; return how many.

    One that is being sent at this moment is left alone: at most that one still goes out.
    """
    waiting = Delivery.objects.filter(incident_id=incident_id, state=DeliveryState.PENDING)
    if not untried_too:
        waiting = waiting.filter(attempt_count__gt=0)
    return waiting.update(state=DeliveryState.CANCELLED, finished_at=at)


def recovery_notices(
    *,
    incident: Incident,
    team: Team,
    monitor: dict[str, Any],
    opened: Iterable[Delivery],
    at: datetime,
) -> tuple[list[Notification], list[Delivery]]:
    """Return the unsaved rows that tell those who were paged, each after its first message."""
    payloads, after = _recovery_payloads(incident, team, monitor, opened)
    return queue_notices(incident=incident, kind="resolved", payloads=payloads, at=at, after=after)


def _recovery_payloads(
    incident: Incident, team: Team, monitor: dict[str, Any], opened: Iterable[Delivery | Sent]
) -> tuple[list[tuple[Contact, dict[str, Any]]], dict[str, UUID]]:
    """Return who hears what of the end, and after which of their messages."""
    reached = [
        d
        for d in opened
        if d.event == "incident.opened"
        and d.state not in (DeliveryState.CANCELLED, DeliveryState.FAILED)
    ]
    reason = "You were told that this incident opened."
    payloads = []
    for delivery in reached:
        contact = Contact(delivery.contact, delivery.kind, delivery.channel_id, reason)
        payload = incident_payload(incident=incident, team=team, monitor=monitor, reason=reason)
        payloads.append((contact, payload))
    return payloads, {d.contact: d.id for d in reached}
