"""The last resort: when nobody was reached, the owners are mailed."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django_scopes import scopes_disabled

from accounts.models import Team
from accounts.teams import owner_addresses
from incidents.models import (
    Delivery,
    DeliveryState,
    Incident,
    IncidentState,
    Notification,
    TimelineEvent,
)
from incidents.notifications.compose import email_contact, queue_notices
from incidents.notifications.payload import incident_payload
from monitors.models import Monitor
from monitors.queries import database_now

# So many tries take about half a minute; they go on, but somebody else has to hear of it by then.
PATIENT_TRIES = 4
OWNER_STEP = 1_000_000  # a step number that no escalation uses


def mail_owners_if_unreached(*, incident_id: UUID) -> int:
    """Mail the owners if no message that opened the incident got through; return how many mails.

    Safe to run twice: the notification's unique key admits each owner once.
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
        if opened.exclude(unreached).exists():
            return 0
        team = Team.objects.get(pk=incident.team_id)
        monitor = Monitor.objects.select_related("heartbeat").filter(pk=incident.monitor_id).first()
        payload = incident_payload(
            incident=incident,
            team=team,
            monitor={
                "labels": monitor.labels,
                "runbook_url": monitor.runbook_url,
                "last_push_at": monitor.heartbeat.last_push_at,
                "interval": monitor.interval,
                "silent_after": monitor.silent_after,
            }
            if monitor
            else {},
            reason=f"No channel could be reached, and you own the team {team.slug}.",
        )
        told = set(
            Notification.objects.filter(incident=incident, kind="opened").values_list(
                "contact", flat=True
            )
        )
        contacts = [email_contact(address, "") for address in owner_addresses(team)]
        contacts = [contact for contact in contacts if contact.key not in told]
        if not contacts:
            return 0
        at = database_now()
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
        TimelineEvent.objects.create(
            team_id=incident.team_id,
            incident=incident,
            at=at,
            kind="notified",
            text="No channel could be reached: mailing the owners.",
        )
        return len(deliveries)
