"""Ending an incident: the reason, what is still unsent, and who hears of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.models import Team
from incidents.channels.base import FIRING, OPENED
from incidents.channels.registry import KINDS
from incidents.lifecycle.flapping import quiet_at
from incidents.lifecycle.wording import FLAPPING_TEXT
from incidents.lifecycle.work import Sent, Work
from incidents.models import Delivery, DeliveryState, Incident, IncidentState, Notification
from incidents.notifications.compose import Contact, delivery_rows, queue_notices
from incidents.notifications.payload import incident_payload

REASON_TEXT = {
    "recovered": "Recovered: it pushes a pass again",
    "paused": "The monitor was paused",
    "deleted": "The monitor was deleted",
}


def resolve_in_memory(
    work: Work, incident: Incident, *, reason: str, at: datetime, monitor: dict[str, Any]
) -> None:
    """Resolve an incident of this batch or of an earlier one, and queue the notices.

    A first message that is due and has not been tried yet still goes out before the recovery when
    the monitor recovered by itself: a fail and a pass within one second are both told, in order.
    What waits for the end of its contact's minute (`notifications/holding.py`), failed once and
    waits for its next try, or would come later, is cancelled, and its contact hears nothing of the
    recovery. Deleting tells nobody, for nothing has recovered, but the providers that keep an
    account of their own: their alert would stay open for ever.
    """
    at = max(at, incident.opened_at)  # what happened before it was noticed is told after it
    incident.state = IncidentState.RESOLVED
    incident.resolved_at = at
    incident.resolved_reason = reason
    work.ended[incident.pk] = incident
    work.note(incident, at, "resolved", REASON_TEXT[reason])
    kept = []
    for delivery in work.sent.get(incident.pk, []):
        waits = delivery.state == DeliveryState.PENDING
        stale = delivery.attempt_count > 0 or delivery.next_attempt_at > work.now
        if waits and (reason != "recovered" or stale or delivery.event == FIRING):
            work.cancelled[delivery.id] = at
        else:
            kept.append(delivery)
    if reason == "recovered" and work.cancelled.keys() & {
        d.id for d in work.sent.get(incident.pk, [])
    }:
        work.note(incident, at, "skipped", "Messages that still waited were cancelled: it is over.")
    team = work.teams[incident.team_id]
    if reason == "deleted":
        kept = [d for d in kept if d.kind in KINDS and KINDS[d.kind].keeps_account]
    payloads, after = later_payloads("resolved", incident, team, monitor, kept)
    work.deliveries += delivery_rows(
        incident=incident, kind="resolved", payloads=payloads, at=work.now, after=after
    )


def flap_in_memory(
    work: Work, incident: Incident, *, at: datetime, monitor: dict[str, Any], text: str
) -> None:
    """Note a change of a flapping incident, which stays open. At first those paged are told."""
    at = max(at, incident.opened_at)
    work.note(incident, at, "cause", text)
    first = not incident.flapping
    incident.flapping = True
    incident.settle_at = quiet_at(at)
    work.marked[incident.pk] = incident
    if not first:
        return
    work.note(incident, at, "flapping", FLAPPING_TEXT)
    team = work.teams[incident.team_id]
    payloads, after = later_payloads(
        "flapping", incident, team, monitor, work.sent.get(incident.pk, [])
    )
    told = delivery_rows(
        incident=incident, kind="flapping", payloads=payloads, at=work.now, after=after
    )
    work.deliveries += told
    work.sent.setdefault(incident.pk, []).extend(Sent.of(row) for row in told)


def cancel_unsent(incident_id: UUID, *, at: datetime, resent_too: bool) -> int:
    """Cancel the incident's messages that wait; return how many.

    One that is being sent at this moment is left alone: at most that one still goes out. With
    `resent_too` what only says again that the incident lasts ends as well.
    """
    waiting = Delivery.objects.filter(incident_id=incident_id, state=DeliveryState.PENDING)
    if not resent_too:
        waiting = waiting.exclude(event=FIRING)
    # Locked in the order of their ids, as everywhere.
    locked = waiting.select_for_update(no_key=True).order_by("id").values_list("id", flat=True)
    return Delivery.objects.filter(pk__in=list(locked)).update(
        state=DeliveryState.CANCELLED, finished_at=at
    )


def later_notices(
    *,
    kind: str,
    incident: Incident,
    team: Team,
    monitor: dict[str, Any],
    at: datetime,
) -> tuple[list[Notification], list[Delivery]]:
    """Return the unsaved rows that tell those who were paged of what followed, each in order."""
    opened = Delivery.objects.filter(incident=incident, event=OPENED).order_by("id")
    payloads, after = later_payloads(kind, incident, team, monitor, opened)
    return queue_notices(incident=incident, kind=kind, payloads=payloads, at=at, after=after)


def later_payloads(
    kind: str,
    incident: Incident,
    team: Team,
    monitor: dict[str, Any],
    told: Iterable[Delivery | Sent],
) -> tuple[list[tuple[Contact, dict[str, Any]]], dict[str, UUID]]:
    """Return who hears what of a later turn, and after which of their messages.

    Whoever was paged by several steps hears it once, after the first page that reached them.
    """
    unreached = (DeliveryState.CANCELLED, DeliveryState.FAILED)
    reached: dict[str, Delivery | Sent] = {}
    for delivery in told:
        if delivery.event != OPENED or delivery.state in unreached:
            continue
        known = reached.get(delivery.contact)
        if known is None or known.state == DeliveryState.PENDING:
            reached[delivery.contact] = delivery
    reason = "You were told that this incident opened."
    payloads = []
    for delivery in reached.values():
        if delivery.kind in KINDS and f"incident.{kind}" not in KINDS[delivery.kind].events:
            continue
        contact = Contact(
            delivery.contact,
            delivery.kind,
            delivery.channel_id,
            reason,
            delivery.contact_method_id,
            direct=delivery.direct,
        )
        payload = incident_payload(incident=incident, team=team, monitor=monitor, reason=reason)
        payloads.append((contact, payload))
    return payloads, {contact: delivery.id for contact, delivery in reached.items()}
