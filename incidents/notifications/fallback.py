"""The last resort: when nobody was reached, the next in line is, and then the owners."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet

from accounts.models import Team
from accounts.teams import owner_addresses_by_team
from incidents.channels.base import OPENED
from incidents.models import (
    Delivery,
    DeliveryState,
    Escalation,
    Incident,
    IncidentState,
    Notification,
    TimelineEvent,
)
from incidents.notifications.compose import delivery_rows, email_contact, notification_row
from incidents.notifications.payload import incident_payload, monitor_facts
from incidents.rows import Row, insert_rows

# While a ladder still has steps they come first, but not for longer than this.
PATIENCE = timedelta(seconds=30)
# What waits for longer (for quiet hours, say) reaches nobody now; a digest waits for a minute.
SOON = timedelta(seconds=65)
OWNER_STEP = 1_000_000  # step numbers from here on are of no escalation

_ON_THE_WAY = (
    DeliveryState.PENDING,
    DeliveryState.SENDING,
    DeliveryState.BUNDLED,
    DeliveryState.DELIVERED,
)


def turn_to_next(incidents: Sequence[Incident], *, at: datetime) -> int:
    """Go on to whoever is left for open incidents of which no page gets through.

    The incidents are locked by the caller. Of those that nobody was reached for since they were
    last opened, a further step of their policies fires at once; without one, or once they are half
    a minute old, the owners are mailed. Returns how many mails. Safe to repeat: the notification's
    unique key admits each owner once.
    """
    wanted = [incident for incident in incidents if incident.state == IncidentState.OPEN]
    ids = [incident.pk for incident in wanted]
    pages = _pages_of(ids)
    tried = set(pages.values_list("incident", flat=True))
    reached = set(pages.exclude(_unreached(at)).values_list("incident", flat=True))
    unreached = [incident for incident in wanted if incident.pk not in reached]
    waiting = _fire_next_steps([i for i in unreached if i.pk in tried], at=at)
    now_due = [
        incident
        for incident in unreached
        if incident.pk not in waiting
        or at - (incident.reopened_at or incident.opened_at) >= PATIENCE
    ]
    return _mail_owners(now_due, tried=tried, at=at)


def _pages_of(incident_ids: Collection[UUID]) -> QuerySet[Delivery]:
    """Return the pages of incidents since each was last opened."""
    pages = Delivery.objects.filter(incident__in=incident_ids, event=OPENED)
    return pages.filter(
        Q(incident__reopened_at=None) | Q(created_at__gte=F("incident__reopened_at"))
    )


def _unreached(at: datetime) -> Q:
    """Return what says of a page that it reaches nobody now.

    Of an incident that is open, only what went with its channel is cancelled.
    """
    return (
        Q(state__in=(DeliveryState.FAILED, DeliveryState.CANCELLED))
        | Q(state__in=(DeliveryState.PENDING, DeliveryState.SENDING), given_way=True)
        | Q(state=DeliveryState.BUNDLED, bundle__given_way=True)
        | Q(state=DeliveryState.PENDING, attempt_count=0, next_attempt_at__gt=at + SOON)
    )


def _fire_next_steps(incidents: Iterable[Incident], *, at: datetime) -> set[UUID]:
    """Bring the next steps of ladders forward to now; return the incidents that have one."""
    known = {incident.pk: incident for incident in incidents}
    ladders = Escalation.objects.filter(incident__in=known, next_step_at__isnull=False)
    found = dict.fromkeys(ladders.values_list("incident", flat=True))
    later = set(ladders.filter(next_step_at__gt=at).values_list("incident", flat=True))
    if later:
        ladders.filter(next_step_at__gt=at).update(next_step_at=at)
        text = "Nobody could be reached: the next step fires at once."
        insert_rows(TimelineEvent, [_event(known[pk], at, "skipped", text) for pk in later])
    return set(found)


def _mail_owners(incidents: Sequence[Incident], *, tried: Collection[UUID], at: datetime) -> int:
    if not incidents:
        return 0
    team_ids = {incident.team_id for incident in incidents}
    teams = Team.objects.in_bulk(team_ids)
    owners = owner_addresses_by_team(team_ids)
    monitors = monitor_facts({incident.monitor_id for incident in incidents})
    told = _told(incidents)
    deliveries: list[Row] = []
    notifications: list[Row] = []
    events: list[Row] = []
    for incident in incidents:
        team = teams[incident.team_id]
        why = "No channel could be reached" if incident.pk in tried else "No step reached anybody"
        contacts = [email_contact(address, "") for address in owners[team.pk]]
        contacts = [c for c in contacts if (incident.pk, c.key) not in told]
        if not contacts:
            continue
        payload = incident_payload(
            incident=incident,
            team=team,
            monitor=monitors.get(incident.monitor_id, {}),
            reason=f"{why}, and you own the team {team.slug}.",
        )
        rows = delivery_rows(
            incident=incident, kind="opened", payloads=[(c, payload) for c in contacts], at=at
        )
        deliveries += rows
        notifications += [notification_row(row, step_seq=_owner_step(incident)) for row in rows]
        events.append(_event(incident, at, "notified", f"{why}: mailing the owners."))
    insert_rows(Delivery, deliveries)
    insert_rows(Notification, notifications)
    insert_rows(TimelineEvent, events)
    return len(deliveries)


def _told(incidents: Sequence[Incident]) -> set[tuple[UUID, str]]:
    """Return who need not be mailed about what: they were already, or are about to be."""
    steps = {incident.pk: _owner_step(incident) for incident in incidents}
    pages = Notification.objects.filter(incident__in=steps, kind="opened")
    as_owner = {
        (incident, contact)
        for incident, contact, step in pages.filter(step_seq__gte=OWNER_STEP).values_list(
            "incident", "contact", "step_seq"
        )
        if step == steps[incident]
    }
    coming = pages.filter(
        Q(incident__reopened_at=None) | Q(created_at__gte=F("incident__reopened_at")),
        delivery__state__in=_ON_THE_WAY,
        delivery__given_way=False,
    )
    return as_owner | set(coming.values_list("incident", "contact"))


def _owner_step(incident: Incident) -> int:
    """Return the step number of the owners' mail: another one each time it is opened again."""
    at = incident.reopened_at
    return OWNER_STEP + (int(at.timestamp() * 1000) % 1_000_000_000 if at else 0)


def _event(incident: Incident, at: datetime, kind: str, text: str) -> dict[str, Any]:
    return {
        "team_id": incident.team_id,
        "incident_id": incident.pk,
        "at": at,
        "kind": kind,
        "actor": "tocsin",
        "text": text,
    }
