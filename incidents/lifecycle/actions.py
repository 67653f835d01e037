"""What a person does to an incident: acknowledge, snooze, assign, resolve, note."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django_scopes import scopes_disabled

from accounts.models import Membership, Team
from incidents.lifecycle.opening import escalation_row
from incidents.lifecycle.resolving import cancel_unsent, later_notices
from incidents.lifecycle.timers import reopen_incident
from incidents.models import (
    Delivery,
    Escalation,
    EscalationPolicy,
    Incident,
    IncidentState,
    Notification,
    TimelineEvent,
)
from incidents.notifications.payload import monitor_facts
from incidents.policies.snapshot import Snapshot, load_policies
from incidents.rows import insert_rows
from monitors.models import Monitor
from monitors.queries import database_now
from monitors.services import forget_causes

MOST_NOTE = 10_000


class AlreadyResolved(Exception):  # noqa: N818 - it names what happened
    """The incident is over; nothing can be done to it but a note."""


def acknowledge_incident(*, incident: Incident, actor: str) -> Incident:
    """Stop paging: what was not sent is cancelled. Acknowledging twice changes nothing.

    If a policy says so, the incident opens again when it is not resolved in time. Acknowledging
    a snoozed incident ends the snooze: somebody is on it. Raises AlreadyResolved.
    """
    with transaction.atomic(), scopes_disabled():
        locked = _lock(incident)
        if locked.state == IncidentState.ACKNOWLEDGED and locked.snoozed_until is None:
            return locked
        at = database_now()
        cancelled = _take_on(locked, actor=actor, at=at, snoozed_until=None)
        timeout = _acknowledge_timeout(locked)
        if timeout is not None:
            locked.wake_at = at + timedelta(seconds=timeout)
            locked.save(update_fields=["wake_at"])
        _note(locked, at, "acknowledged", actor, "Acknowledged" + _say_cancelled(cancelled))
        _tell_later(locked, "acknowledged", at=at)
    return locked


def snooze_incident(*, incident: Incident, actor: str, seconds: int) -> Incident:
    """Acknowledge an incident for a time: if it is not over then, it opens again from step 0.

    Raises AlreadyResolved.
    """
    with transaction.atomic(), scopes_disabled():
        locked = _lock(incident)
        at = database_now()
        until = at + timedelta(seconds=seconds)
        was_open = locked.state == IncidentState.OPEN
        cancelled = _take_on(locked, actor=actor, at=at, snoozed_until=until)
        text = f"Snoozed until {until:%Y-%m-%d %H:%M:%S} UTC" + _say_cancelled(cancelled)
        _note(locked, at, "snoozed", actor, text)
        if was_open:
            _tell_later(locked, "acknowledged", at=at)
    return locked


def assign_incident(
    *,
    incident: Incident,
    actor: str,
    member: Membership | None = None,
    policy: EscalationPolicy | None = None,
) -> Incident:
    """Hand an incident to one member or to a policy, which is paged now instead of the others.

    What was not sent is cancelled, and the incident is open again. Raises AlreadyResolved.
    """
    if (member is None) == (policy is None):
        raise ValueError("give either a member or a policy")
    with transaction.atomic(), scopes_disabled():
        locked = _lock(incident)
        at = database_now()
        cancel_unsent(locked.pk, at=at, resent_too=False)
        if policy is not None:
            snapshot = load_policies([policy.pk])[policy.pk]
        else:
            assert member is not None
            snapshot = _snapshot_of(member)
        Escalation.objects.filter(incident=locked).delete()
        insert_rows(Escalation, [escalation_row(locked, snapshot, at=at)])
        reopen_incident(locked, text=f"Assigned to {snapshot.name}", actor=actor)
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
        locked.wake_at = locked.settle_at = None
        locked.save(
            update_fields=["state", "resolved_at", "resolved_reason", "wake_at", "settle_at"]
        )
        _note(locked, at, "resolved", actor, "Resolved by hand")
        _stop_ladders(locked)
        cancel_unsent(locked.pk, at=at, resent_too=True)
        _tell_later(locked, "resolved", at=at)
    return locked


def add_note(*, incident: Incident, actor: str, text: str) -> TimelineEvent:
    """Add a person's note to the timeline, of a resolved incident too."""
    with scopes_disabled():
        return _note(incident, database_now(), "note", actor, text[:MOST_NOTE])


def _take_on(locked: Incident, *, actor: str, at: datetime, snoozed_until: datetime | None) -> int:
    """Mark an incident as somebody's; return how many messages were cancelled."""
    locked.state = IncidentState.ACKNOWLEDGED
    locked.acknowledged_at = at
    locked.acknowledged_by = actor
    locked.snoozed_until = locked.wake_at = snoozed_until
    locked.save(
        update_fields=["state", "acknowledged_at", "acknowledged_by", "snoozed_until", "wake_at"]
    )
    _stop_ladders(locked)
    return cancel_unsent(locked.pk, at=at, resent_too=False)


def _stop_ladders(locked: Incident) -> None:
    Escalation.objects.filter(incident=locked, next_step_at__isnull=False).update(next_step_at=None)


def _acknowledge_timeout(locked: Incident) -> int | None:
    """Return after how many seconds the acknowledgement runs out; of several policies the least."""
    ladders = Escalation.objects.filter(incident=locked, acknowledge_timeout__isnull=False)
    least: int | None = (
        ladders.order_by("acknowledge_timeout")
        .values_list("acknowledge_timeout", flat=True)
        .first()
    )
    return least


def _snapshot_of(member: Membership) -> Snapshot:
    name = member.user.email
    target = {"member": str(member.pk), "name": name}
    return Snapshot(
        policy_id=None,
        name=name,
        repeat=0,
        acknowledge_timeout=None,
        steps=[{"delay": 0, "targets": [target]}],
    )


def _tell_later(locked: Incident, kind: str, *, at: datetime) -> None:
    """Tell those who were paged what became of it, as far as their kind wants to hear it."""
    notifications, deliveries = later_notices(
        kind=kind,
        incident=locked,
        team=Team.objects.get(pk=locked.team_id),
        monitor=monitor_facts([locked.monitor_id]).get(locked.monitor_id, {}),
        at=at,
    )
    if kind == "acknowledged":
        # An incident may be acknowledged more than once, and each time is told.
        seq = Notification.objects.filter(incident=locked, kind=kind).count()
        for notification in notifications:
            notification.step_seq = seq
    Delivery.objects.bulk_create(deliveries)
    Notification.objects.bulk_create(notifications)


def _lock(incident: Incident) -> Incident:
    locked = Incident.objects.select_for_update(no_key=True).get(pk=incident.pk)
    if locked.state == IncidentState.RESOLVED:
        raise AlreadyResolved
    return locked


def _note(incident: Incident, at: datetime, kind: str, actor: str, text: str) -> TimelineEvent:
    return TimelineEvent.objects.create(
        team_id=incident.team_id, incident=incident, at=at, kind=kind, actor=actor, text=text
    )


def _say_cancelled(count: int) -> str:
    return f"; {count} unsent message{'s' if count > 1 else ''} cancelled" if count else ""
