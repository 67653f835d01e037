"""What follows the outcome of a message: timelines, repeats, and who is next if it failed."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction
from django_scopes import scopes_disabled

from incidents.channels.base import DIGEST, FIRING, OPENED
from incidents.channels.registry import KINDS
from incidents.contacts import as_method, quiet_until
from incidents.delivery.outbox import Leased
from incidents.models import (
    Channel,
    ContactMethod,
    Delivery,
    DeliveryState,
    Incident,
    IncidentState,
    TimelineEvent,
)
from incidents.notifications.fallback import turn_to_next
from monitors.queries import database_now

SAID = {
    OPENED: "Told",
    "incident.resolved": "Told of the recovery:",
    "incident.flapping": "Told that it flaps:",
    "incident.acknowledged": "Told of the acknowledgement:",
}
BATCH_ROWS = 100
MOST_BATCHES = 20

# name: tell_bundled
# Tell the timelines of all incidents in a digest what became of it.
TELL_BUNDLED = """
INSERT INTO incidents_timelineevent (team_id, incident_id, at, kind, actor, text)
SELECT DISTINCT team_id, incident_id, clock_timestamp(), %(kind)s, 'tocsin', %(text)s
FROM incidents_delivery
WHERE bundle_id = %(digest)s AND state <> 'cancelled' AND incident_id IS NOT NULL
"""


def tell_timelines(leased: Leased, state: str, detail: str) -> None:
    """Add to the timeline of the message's incident, or of all in a digest, what became of it."""
    name = _name(leased)
    if state == "delivered":
        kind, text = "notified", f"{SAID.get(leased.event, 'Told')} {name} ({leased.kind})"
    else:
        kind, text = "failed", f"Could not tell {name} ({leased.kind}): {detail}"
    if leased.event == DIGEST:
        text += ", in one message for many" if state == "delivered" else ""
        with connection.cursor() as cursor:
            cursor.execute(TELL_BUNDLED, {"digest": leased.id, "kind": kind, "text": text})
    elif leased.incident_id is not None and (leased.event != FIRING or state == "failed"):
        TimelineEvent.objects.create(
            team_id=leased.team_id,
            incident_id=leased.incident_id,
            at=database_now(),
            kind=kind,
            text=text,
        )


def start_resending(leased: Leased, incident: Incident | None) -> None:
    """Queue the message that says again and again that an incident lasts, if its kind wants it."""
    every = KINDS[leased.kind].resend_seconds if leased.kind in KINDS else None
    if every is None or incident is None or incident.state == IncidentState.RESOLVED:
        return
    known = Delivery.objects.filter(incident=incident, event=FIRING, contact=leased.contact)
    if known.filter(state__in=(DeliveryState.PENDING, DeliveryState.SENDING)).exists():
        return
    at = database_now()
    Delivery.objects.create(
        team_id=leased.team_id,
        incident=incident,
        channel_id=leased.channel_id,
        contact_method_id=leased.contact_method_id,
        contact=leased.contact,
        kind=leased.kind,
        event=FIRING,
        payload=leased.payload,
        direct=leased.direct,
        next_attempt_at=at + timedelta(seconds=every),
        paced=True,
        created_at=at,
    )


def rescue_unreached(*, most_batches: int = MOST_BATCHES) -> int:
    """Turn to whoever is next for pages that did not get through; return how many pages.

    The person's other methods come first, then further steps, at last the owners. A bounded number
    of incidents at a time, each under its lock; what somebody else holds waits for the next look.
    """
    rescued = 0
    for _ in range(most_batches):
        with transaction.atomic(), scopes_disabled():
            done = _rescue_batch()
        rescued += done
        if done < BATCH_ROWS:
            break
    return rescued


def _rescue_batch() -> int:
    flagged = Delivery.objects.filter(rescue=True)
    wanted = list(flagged.order_by("id").values_list("incident", flat=True)[:BATCH_ROWS])
    if not wanted:
        return 0
    # Incidents before deliveries, each in the order of their ids, as everywhere.
    locked = Incident.objects.select_for_update(no_key=True, skip_locked=True)
    incidents = {i.pk: i for i in locked.filter(pk__in=set(wanted)).order_by("id")}
    rows = list(
        flagged.filter(incident__in=incidents).select_for_update(no_key=True).order_by("id")
    )
    at = database_now()
    unreached = {
        row.incident_id: incidents[row.incident_id]
        for row in rows
        if row.incident_id is not None
        and not _use_next_method(row, incidents[row.incident_id], at=at)
    }
    turn_to_next(list(unreached.values()), at=at)
    flagged.filter(pk__in=[row.pk for row in rows]).update(rescue=False)
    return len(rows)


def _use_next_method(tried: Delivery, incident: Incident, *, at: datetime) -> bool:
    """Bring the next page to the same person forward to now; return whether there was one."""
    if tried.contact_method_id is None or incident.state != IncidentState.OPEN:
        return False
    person = ContactMethod.objects.filter(pk=tried.contact_method_id).values("membership")
    waiting = (
        Delivery.objects.filter(
            incident=incident,
            event=OPENED,
            state=DeliveryState.PENDING,
            attempt_count=0,
            contact_method__membership__in=person,
        )
        .exclude(contact_method=tried.contact_method_id)
        .select_related("contact_method")
        .order_by("next_attempt_at")
    )
    for delivery in waiting:
        method = delivery.contact_method
        assert method is not None
        if quiet_until(as_method(method), severity=incident.severity, at=at) is None:
            Delivery.objects.filter(
                pk=delivery.pk, state=DeliveryState.PENDING, next_attempt_at__gt=at
            ).update(next_attempt_at=at)
            return True
    return False


def _name(leased: Leased) -> str:
    if leased.channel_id is not None:
        found = Channel.objects.filter(pk=leased.channel_id).values_list("name", flat=True).first()
        return found or "a deleted channel"
    return str(leased.payload.get("to") or leased.contact.removeprefix("email:"))
