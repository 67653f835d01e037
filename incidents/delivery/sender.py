"""Sending one leased message, and what its outcome means."""

from __future__ import annotations

import logging
from time import monotonic, perf_counter, sleep

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.observing import working
from incidents.channels.base import DIGEST, FIRING, OPENED, Message, Outcome
from incidents.channels.registry import KINDS, find_sender
from incidents.delivery.aftermath import start_resending, tell_timelines
from incidents.delivery.outbox import (
    LEASE_SECONDS,
    MOST_ATTEMPTS,
    Leased,
    backoff_seconds,
    rearm,
    record,
)
from incidents.measures import ATTEMPTS, SENDING
from incidents.models import Channel, ContactMethod, Incident, IncidentState
from incidents.notifications.compose import queue_disabled_method_notice, queue_disabled_notice
from incidents.notifications.links import Link, acknowledge_url
from monitors.queries import database_now

log = logging.getLogger(__name__)

# So many tries take about half a minute, and so long a wait would make it one: they go on, but
# somebody else has to hear of it by then.
PATIENT_TRIES = 4
PATIENT_SECONDS = 15.0
# An outcome that the database does not take is written again, but not when the lease is nearly over
# and another sender about to begin.
RECORD_PAUSE_SECONDS = 0.25
MOST_RECORD_PAUSE_SECONDS = 2.0
LEASE_LEFT_SECONDS = 5.0


def send_leased(leased: Leased) -> str:
    """Send one message and record the outcome; return the delivery's new state.

    No transaction and no connection is held while the provider answers. Raises OperationalError or
    InterfaceError where the database took no record until the lease was nearly over.
    """
    connection.close_if_unusable_or_obsolete()
    with working("delivery", **leased.about(), kind=leased.kind, event=leased.event):
        started = perf_counter()
        outcome = _attempt(leased)
        SENDING.observe(perf_counter() - started, leased.kind)
        ATTEMPTS.inc(leased.kind, outcome.kind)
        with scopes_disabled():
            state = _record_patiently(leased, outcome)
        log.info("delivery of %s by %s: %s", leased.event, leased.kind, state)
    return state


def _attempt(leased: Leased) -> Outcome:
    kind = find_sender(leased.kind)
    config = leased.config
    if leased.direct:
        config = {"to": [leased.contact.removeprefix("email:")]}
    if kind is None or config is None:
        return Outcome(
            "failed", "The channel or contact method no longer exists, or is not proved."
        )
    if leased.attempt_count > MOST_ATTEMPTS and leased.event != FIRING:
        return Outcome("failed", "Every sender died with it; given up.")
    try:
        message = _compose(leased)
        return kind.send(message, config, now=now())
    except Exception as error:
        # One message's trouble is its own: whatever a kind raises, the others go on.
        log.exception("delivery %s could not be sent", leased.id)
        return Outcome("retry", f"Our own error: {type(error).__name__}.")


def _compose(leased: Leased) -> Message:
    payload = leased.payload
    if leased.event == OPENED and leased.incident_id is not None:
        actor = str(payload.get("to") or leased.contact)
        link = Link(leased.incident_id, actor, leased.channel_id, leased.contact_method_id)
        payload = {**payload, "acknowledge_url": acknowledge_url(link, sent_at=leased.created_at)}
    return Message(key=str(leased.id), event=leased.event, at=leased.created_at, payload=payload)


def _record_patiently(leased: Leased, outcome: Outcome) -> str:
    """Record an outcome, again and again while the database is away: the page is not taken back.

    A record that was committed though it seemed to fail finds its lease gone, and changes nothing.
    """
    until = leased.claimed_at + LEASE_SECONDS - LEASE_LEFT_SECONDS
    pause = RECORD_PAUSE_SECONDS
    while True:
        try:
            return _record(leased, outcome)
        except (OperationalError, InterfaceError) as error:
            if monotonic() + pause > until:
                raise
            log.warning("delivery %s not recorded yet: %s", leased.id, type(error).__name__)
            connection.close()
        sleep(pause)
        pause = min(MOST_RECORD_PAUSE_SECONDS, pause * 2)


def _record(leased: Leased, outcome: Outcome) -> str:
    state, delay = _judge(leased, outcome)
    with transaction.atomic():
        # The order of locks is incident, channel, delivery, as everywhere.
        incident = _lock_incident(leased)
        if state == "pending" and _was_seen(leased, incident):
            state = "cancelled"
        if outcome.disable_channel:
            _disable(leased, outcome)
            state = "failed"
        if leased.event == FIRING and outcome.kind == "sent" and _lasts(incident):
            every = KINDS[leased.kind].resend_seconds or 60
            rearm(leased, detail=outcome.detail, delay_seconds=every)
            return "pending"
        ours = record(
            leased,
            state=state,
            outcome=outcome.kind,
            detail=outcome.detail,
            delay_seconds=delay,
            rescue=leased.event in (OPENED, DIGEST) and _is_in_vain(leased, state, delay),
        )
        if not ours:
            return state
        if state in ("delivered", "failed"):
            tell_timelines(leased, state, outcome.detail)
        if state == "delivered" and leased.event == OPENED:
            start_resending(leased, incident)
    return state


def _judge(leased: Leased, outcome: Outcome) -> tuple[str, float]:
    """Return the state that an outcome leads to, and after how many seconds it is tried again."""
    if outcome.kind == "sent":
        return "delivered", 0.0
    wait = backoff_seconds(min(leased.attempt_count, 8), outcome.retry_after_seconds)
    if leased.event == FIRING and leased.config is not None:
        # It is repeated for as long as the incident lasts, whatever the provider says today.
        return "pending", min(wait, float(KINDS[leased.kind].resend_seconds or 60))
    if outcome.kind == "failed" or leased.attempt_count >= MOST_ATTEMPTS:
        return "failed", 0.0
    return "pending", wait


def _is_in_vain(leased: Leased, state: str, delay: float) -> bool:
    """Return whether somebody else has to hear of it, though the tries may go on."""
    if state == "failed":
        return True
    if state != "pending":
        return False
    since = leased.first_tried_at
    waited = since is not None and (database_now() - since).total_seconds() > PATIENT_SECONDS
    return waited or delay > PATIENT_SECONDS or leased.attempt_count >= PATIENT_TRIES


def _lock_incident(leased: Leased) -> Incident | None:
    """Return the message's incident under its lock, if what follows depends on how it stands.

    The incident's lock comes before the delivery's, as in acknowledging: of the two, the later one
    sees what the other did.
    """
    if leased.event not in (OPENED, FIRING) or leased.incident_id is None:
        return None
    return Incident.objects.select_for_update(no_key=True).filter(pk=leased.incident_id).first()


def _was_seen(leased: Leased, incident: Incident | None) -> bool:
    """Return whether a page needs no further try: its incident was seen, or is over."""
    if incident is None:
        return False
    if leased.event == FIRING:
        return not _lasts(incident)
    return incident.state != IncidentState.OPEN


def _lasts(incident: Incident | None) -> bool:
    return incident is not None and incident.state != IncidentState.RESOLVED


def _disable(leased: Leased, outcome: Outcome) -> None:
    """Stop using a place whose provider wants nothing more, and tell the owners."""
    reason = outcome.detail[:300]
    if leased.channel_id is not None:
        channel = Channel.objects.filter(pk=leased.channel_id, disabled_at=None).first()
        if channel is not None:
            channel.disabled_at, channel.disabled_reason = database_now(), reason
            channel.save(update_fields=["disabled_at", "disabled_reason"])
            queue_disabled_notice(channel=channel, detail=reason)
    elif leased.contact_method_id is not None:
        methods = ContactMethod.objects.select_related("membership__user")
        method = methods.filter(pk=leased.contact_method_id, disabled_at=None).first()
        if method is not None:
            method.disabled_at, method.disabled_reason = database_now(), reason
            method.save(update_fields=["disabled_at", "disabled_reason"])
            queue_disabled_method_notice(method=method, detail=reason)
