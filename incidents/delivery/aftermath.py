"""What follows the outcome of a message: timelines, repeats, and who is next if it failed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from incidents.channels.registry import KINDS
from incidents.contacts import Method, quiet_until
from incidents.delivery.outbox import Leased
from incidents.delivery.pacing import DIGEST
from incidents.models import (
    Channel,
    ContactMethod,
    Delivery,
    DeliveryState,
    Incident,
    IncidentState,
    TimelineEvent,
)
from incidents.notifications.fallback import mail_owners_if_unreached
from monitors.queries import database_now

SAID = {
    "incident.opened": "Told",
    "incident.resolved": "Told of the recovery:",
    "incident.flapping": "Told that it flaps:",
    "incident.acknowledged": "Told of the acknowledgement:",
}
RESENT = "incident.firing"


def tell_timelines(leased: Leased, state: str, detail: str) -> None:
    """Add to the timeline of the message's incident, or of all in a digest, what became of it."""
    name = _name(leased)
    if state == "delivered":
        kind, text = "notified", f"{SAID.get(leased.event, 'Told')} {name} ({leased.kind})"
    else:
        kind, text = "failed", f"Could not tell {name} ({leased.kind}): {detail}"
    if leased.event == DIGEST:
        text += ", in one message for many" if state == "delivered" else ""
    at = database_now()
    TimelineEvent.objects.bulk_create(
        TimelineEvent(team_id=leased.team_id, incident_id=pk, at=at, kind=kind, text=text)
        for pk in _incidents(leased)
        if leased.event != RESENT or state == "failed"
    )


def start_resending(leased: Leased, incident: Incident | None) -> None:
    """Queue the message that says again and again that an incident lasts, if its kind wants it."""
    every = KINDS[leased.kind].resend_seconds if leased.kind in KINDS else None
    if every is None or incident is None or incident.state == IncidentState.RESOLVED:
        return
    known = Delivery.objects.filter(incident=incident, event=RESENT, contact=leased.contact)
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
        event=RESENT,
        payload=leased.payload,
        next_attempt_at=at + timedelta(seconds=every),
        paced=True,
        created_at=at,
    )


def go_on(leased: Leased) -> None:
    """Turn to whoever is next: the person's other methods, further steps, at last the owners."""
    if leased.event not in ("incident.opened", DIGEST):
        return
    for incident_id in _incidents(leased):
        if not _use_next_method(leased, incident_id):
            mail_owners_if_unreached(incident_id=incident_id)


def _use_next_method(leased: Leased, incident_id: UUID) -> bool:
    """Bring the next page to the same person forward to now; return whether there was one."""
    if leased.contact_method_id is None:
        return False
    person = ContactMethod.objects.filter(pk=leased.contact_method_id).values("membership")
    waiting = (
        Delivery.objects.filter(
            incident_id=incident_id,
            event="incident.opened",
            state=DeliveryState.PENDING,
            attempt_count=0,
            contact_method__membership__in=person,
        )
        .exclude(contact_method=leased.contact_method_id)
        .select_related("contact_method", "incident")
        .order_by("next_attempt_at")
    )
    at = database_now()
    for delivery in waiting:
        method = delivery.contact_method
        assert method is not None
        assert delivery.incident is not None
        quiet = quiet_until(
            Method(
                id=method.pk,
                membership_id=method.membership_id,
                kind=method.kind,
                key=delivery.contact,
                delay_seconds=0,
                quiet_hours=tuple(method.quiet_hours),
            ),
            severity=delivery.incident.severity,
            at=at,
        )
        if quiet is None:
            Delivery.objects.filter(
                pk=delivery.pk, state=DeliveryState.PENDING, next_attempt_at__gt=at
            ).update(next_attempt_at=at)
            return True
    return False


def _incidents(leased: Leased) -> Iterable[UUID]:
    """Return the incidents that a message is about: those of a digest are its messages'."""
    if leased.event == DIGEST:
        found = Delivery.objects.filter(bundle=leased.id).exclude(state=DeliveryState.CANCELLED)
        pks = found.order_by("incident").values_list("incident", flat=True).distinct()
        return [pk for pk in pks if pk is not None]
    return [leased.incident_id] if leased.incident_id is not None else []


def _name(leased: Leased) -> str:
    if leased.channel_id is not None:
        found = Channel.objects.filter(pk=leased.channel_id).values_list("name", flat=True).first()
        return found or "a deleted channel"
    return str(leased.payload.get("to") or leased.contact.removeprefix("email:"))
