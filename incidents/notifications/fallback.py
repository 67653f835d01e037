"""The last resort: when nobody was reached, the next in line is, and then the owners."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django_scopes import scopes_disabled

from accounts.models import Team
from accounts.teams import owner_addresses
from incidents.models import (
    Delivery,
    DeliveryState,
    Escalation,
    Incident,
    IncidentState,
    Notification,
    TimelineEvent,
)
from incidents.notifications.compose import email_contact, queue_notices
from incidents.notifications.payload import incident_payload, monitor_facts
from monitors.queries import database_now

# So many tries take about half a minute; they go on, but somebody else has to hear of it by then.
PATIENT_TRIES = 4
# While a ladder still has steps they come first, but not for longer than this.
PATIENCE = timedelta(seconds=30)
OWNER_STEP = 1_000_000  # a step number that no escalation uses


def mail_owners_if_unreached(*, incident_id: UUID) -> int:
    """Go on to whoever is left if no page of an open incident got through.

    A further step of its policies fires at once; without one, or once the incident is half a
    minute old, the owners are mailed. Returns how many mails. Safe to run twice: the notification's
    unique key admits each owner once.
    """
    with transaction.atomic(), scopes_disabled():
        incident = Incident.objects.select_for_update(no_key=True).filter(pk=incident_id).first()
        if incident is None or incident.state != IncidentState.OPEN:
            return 0
        opened = Delivery.objects.filter(incident=incident, event="incident.opened")
        # Of an incident that is open, only what went with its channel is cancelled.
        unreached = Q(state__in=(DeliveryState.FAILED, DeliveryState.CANCELLED)) | Q(
            state=DeliveryState.PENDING, attempt_count__gte=PATIENT_TRIES
        )
        unreached |= Q(
            state=DeliveryState.BUNDLED,
            bundle__state=DeliveryState.PENDING,
            bundle__attempt_count__gte=PATIENT_TRIES,
        )
        if opened.exclude(unreached).exists():
            return 0
        at = database_now()
        tried = opened.exists()
        if tried and _fire_next_step(incident, at=at) and at - incident.opened_at < PATIENCE:
            return 0
        return _mail_owners(incident, at=at, tried=tried)


def _fire_next_step(incident: Incident, *, at: datetime) -> bool:
    """Bring the next steps of the incident's ladders forward to now; False if there is none."""
    ladders = Escalation.objects.filter(incident=incident, next_step_at__isnull=False)
    if not ladders.exists():
        return False
    if ladders.filter(next_step_at__gt=at).update(next_step_at=at):
        _note(incident, at, "skipped", "Nobody could be reached: the next step fires at once.")
    return True


def _mail_owners(incident: Incident, *, at: datetime, tried: bool) -> int:
    team = Team.objects.get(pk=incident.team_id)
    why = "No channel could be reached" if tried else "No step reached anybody"
    payload = incident_payload(
        incident=incident,
        team=team,
        monitor=monitor_facts([incident.monitor_id]).get(incident.monitor_id, {}),
        reason=f"{why}, and you own the team {team.slug}.",
    )
    told = set(
        Notification.objects.filter(incident=incident, kind="opened")
        .filter(Q(step_seq=OWNER_STEP) | Q(delivery__state__in=_ON_THE_WAY))
        .values_list("contact", flat=True)
    )
    contacts = [email_contact(address, "") for address in owner_addresses(team)]
    contacts = [contact for contact in contacts if contact.key not in told]
    if not contacts:
        return 0
    notifications, deliveries = queue_notices(
        incident=incident,
        kind="opened",
        payloads=[(contact, payload) for contact in contacts],
        at=at,
    )
    for notification in notifications:
        notification.step_seq = OWNER_STEP
    Delivery.objects.bulk_create(deliveries)
    Notification.objects.bulk_create(notifications)
    _note(incident, at, "notified", f"{why}: mailing the owners.")
    return len(deliveries)


_ON_THE_WAY = (
    DeliveryState.PENDING,
    DeliveryState.SENDING,
    DeliveryState.BUNDLED,
    DeliveryState.DELIVERED,
)


def _note(incident: Incident, at: datetime, kind: str, text: str) -> None:
    TimelineEvent.objects.create(
        team_id=incident.team_id, incident=incident, at=at, kind=kind, text=text
    )
