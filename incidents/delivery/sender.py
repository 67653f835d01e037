"""Sending one leased message, and what its outcome means."""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import connection, transaction
from django.utils.timezone import now
from django_scopes import scopes_disabled

from incidents.channels.base import Message, Outcome
from incidents.channels.registry import KINDS
from incidents.delivery.outbox import MOST_ATTEMPTS, Leased, backoff_seconds, record
from incidents.models import Channel, Incident, IncidentState, TimelineEvent
from incidents.notifications.fallback import PATIENT_TRIES, mail_owners_if_unreached
from monitors.queries import database_now

log = logging.getLogger(__name__)

SAID = {"incident.opened": "Told", "incident.resolved": "Told of the recovery:"}


def send_leased(leased: Leased) -> str:
    """Send one message and record the outcome; return the delivery's new state.

    No transaction and no connection is held while the provider answers.
    """
    connection.close_if_unusable_or_obsolete()
    outcome = _attempt(leased)
    with scopes_disabled():
        return _record(leased, outcome)


def _attempt(leased: Leased) -> Outcome:
    kind = KINDS.get(leased.kind)
    config = leased.config
    if leased.contact.startswith("email:"):
        config = {"to": [leased.contact.removeprefix("email:")]}
    if kind is None or config is None:
        return Outcome("failed", "The channel no longer exists.")
    if leased.attempt_count > MOST_ATTEMPTS:
        return Outcome("failed", "Every sender died with it; given up.")
    message = Message(
        key=str(leased.id), event=leased.event, at=leased.created_at, payload=leased.payload
    )
    try:
        return kind.send(message, config, now=now())
    except Exception as error:
        # One message's trouble is its own: whatever a kind raises, the others go on.
        log.exception("delivery %s could not be sent", leased.id)
        return Outcome("retry", f"Our own error: {type(error).__name__}.")


def _record(leased: Leased, outcome: Outcome) -> str:
    gave_up = outcome.kind == "retry" and leased.attempt_count >= MOST_ATTEMPTS
    if outcome.kind == "sent":
        state, delay = "delivered", 0.0
    elif outcome.kind == "failed" or gave_up:
        state, delay = "failed", 0.0
    else:
        state = "pending"
        delay = backoff_seconds(leased.attempt_count, outcome.retry_after_seconds)
    with transaction.atomic():
        # The order of locks is incident, channel, delivery, as everywhere.
        if state != "delivered" and _was_seen(leased) and state == "pending":
            state = "cancelled"
        if outcome.disable_channel and leased.channel_id is not None:
            Channel.objects.filter(pk=leased.channel_id, disabled_at=None).update(
                disabled_at=database_now(), disabled_reason=outcome.detail[:300]
            )
        ours = record(
            leased, state=state, outcome=outcome.kind, detail=outcome.detail, delay_seconds=delay
        )
        if ours and leased.incident_id is not None and state in ("delivered", "failed"):
            _tell_timeline(leased, leased.incident_id, state, outcome.detail)
        # In the same commit: between a failure and its last resort nothing may get lost.
        tried = state == "failed" or (state == "pending" and leased.attempt_count >= PATIENT_TRIES)
        if ours and tried and leased.event == "incident.opened" and leased.incident_id is not None:
            mail_owners_if_unreached(incident_id=leased.incident_id)
    return state


def _was_seen(leased: Leased) -> bool:
    """Return whether a page needs no further try: its incident was seen, or is over.

    Takes the incident's lock before the delivery's, as acknowledging does: of the two, the later
    one sees what the other did.
    """
    if leased.event != "incident.opened" or leased.incident_id is None:
        return False
    incident = Incident.objects.select_for_update(no_key=True).filter(pk=leased.incident_id).first()
    return incident is not None and incident.state != IncidentState.OPEN


def _tell_timeline(leased: Leased, incident_id: UUID, state: str, detail: str) -> None:
    name = leased.contact.removeprefix("email:")
    if leased.channel_id is not None:
        name = (
            Channel.objects.filter(pk=leased.channel_id).values_list("name", flat=True).first()
            or "a deleted channel"
        )
    if state == "delivered":
        text = f"{SAID.get(leased.event, 'Told')} {name} ({leased.kind})"
    else:
        text = f"Could not tell {name} ({leased.kind}): {detail}"
    TimelineEvent.objects.create(
        team_id=leased.team_id,
        incident_id=incident_id,
        at=database_now(),
        kind="notified" if state == "delivered" else "failed",
        text=text,
    )
