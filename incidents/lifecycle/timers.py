"""What time alone brings about: held outages open, flapping ends, acknowledgements run out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.channels.base import OPENED
from incidents.lifecycle.advance import MONITOR_COLUMNS, MONITOR_JOINS, read_rows
from incidents.lifecycle.opening import open_incident
from incidents.lifecycle.resolving import resolve_in_memory
from incidents.lifecycle.work import event_row, read_sent, start_work, try_lock
from incidents.maintenance.covering import released
from incidents.models import (
    Delivery,
    Escalation,
    Incident,
    IncidentState,
    Notification,
    TimelineEvent,
)
from incidents.notifications.compose import Contact, delivery_rows, notification_row
from incidents.notifications.fallback import turn_to_next
from incidents.notifications.payload import incident_payload, monitor_facts
from incidents.rows import Row, insert_rows
from monitors.models import Heartbeat
from monitors.queries import database_now
from monitors.state import State

BATCH_ROWS = 1000
WOKEN_ROWS = 100  # each takes a dozen statements

# name: claim_held
# Outages whose maintenance window is over, as changes that open their incidents; without those
# that recovered or stopped existing, of which a change that is not handled yet will tell.
CLAIM_HELD = f"""
SELECT t.team_id, t.monitor_id, t.at, t.cause, t.since, t.detail, h.state, {MONITOR_COLUMNS}
FROM incidents_heldoutage t {MONITOR_JOINS}
WHERE t.monitor_id = ANY(%(monitors)s)
"""

# name: claim_settled
# Lock the flapping incidents that have been quiet for long enough.
CLAIM_SETTLED = """
SELECT id FROM incidents_incident
WHERE settle_at <= (SELECT clock_timestamp()) AND state <> 'resolved'
ORDER BY settle_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""

# name: claim_woken
# Lock the incidents whose acknowledgement has run out or whose snooze is over.
CLAIM_WOKEN = """
SELECT id FROM incidents_incident
WHERE wake_at <= (SELECT clock_timestamp()) AND state = 'acknowledged'
ORDER BY wake_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""


def open_released(*, limit: int = BATCH_ROWS) -> int:
    """Open incidents for monitors still down at the end of their window; return how many."""
    with transaction.atomic(), scopes_disabled():
        over = released(limit)
        if not over or not try_lock():
            return 0
        with connection.cursor() as cursor:
            rows = read_rows(cursor, CLAIM_HELD, {"monitors": over})
        work = start_work({row["team_id"] for row in rows})
        work.previous = {row["monitor_id"]: row["previous"] for row in rows if row["previous"]}
        for row in rows:
            work.released.add(row["monitor_id"])
            if row["state"] == State.DOWN and row["open"] is None:
                open_incident(work, row)
        work.write()
        return len(work.created)


def settle_flapping(*, limit: int = BATCH_ROWS) -> int:
    """End the incidents of monitors that flapped and have been up and quiet; return how many.

    One that is down is an outage like any other from here: it stays open.
    """
    with transaction.atomic(), scopes_disabled():
        pks = _claim(CLAIM_SETTLED, limit)
        if not pks or not try_lock():
            return 0
        incidents = list(Incident.objects.filter(pk__in=pks))
        states = _states(incidents)
        facts = monitor_facts(i.monitor_id for i in incidents)
        work = start_work({incident.team_id for incident in incidents})
        work.sent = read_sent(pks)
        for incident in incidents:
            monitor = facts.get(incident.monitor_id, {})
            incident.settle_at = None
            if states.get(incident.monitor_id) == State.DOWN:
                work.note(incident, work.now, "settled", "Quiet for 10 minutes, and still down")
                work.marked[incident.pk] = incident
            else:
                resolve_in_memory(work, incident, reason="recovered", at=work.now, monitor=monitor)
        work.write()
        return len(work.ended)


def wake_incidents(*, limit: int = WOKEN_ROWS) -> int:
    """Open again what was acknowledged or snoozed for a time, from step 0; return how many.

    One whose monitor is up (it flapped, and waits for quiet) has nothing to page for.
    """
    with transaction.atomic(), scopes_disabled():
        incidents = list(Incident.objects.filter(pk__in=_claim(CLAIM_WOKEN, limit)))
        states = _states(incidents)
        for incident in incidents:
            if states.get(incident.monitor_id) != State.DOWN:
                incident.wake_at = incident.snoozed_until = None
                incident.save(update_fields=["wake_at", "snoozed_until"])
                continue
            text = "The snooze is over" if incident.snoozed_until else "The acknowledgement ran out"
            reopen_incident(incident, text=f"{text}, and it is still down: paging starts anew.")
        return len(incidents)


def _states(incidents: Sequence[Incident]) -> dict[UUID, str]:
    monitors = [incident.monitor_id for incident in incidents]
    rows = Heartbeat.objects.filter(monitor__in=monitors).values_list("monitor_id", "state")
    return dict(rows)


def reopen_incident(incident: Incident, *, text: str, actor: str = "tocsin") -> None:
    """Open a locked incident again: its ladders from step 0, or all who were told at first."""
    at = database_now()
    incident.state = IncidentState.OPEN
    incident.acknowledged_at = incident.acknowledged_by = None
    incident.snoozed_until = incident.wake_at = None
    incident.reopened_at = at
    incident.step_seq += 1
    incident.save(
        update_fields=[
            "state", "acknowledged_at", "acknowledged_by", "snoozed_until", "wake_at",
            "reopened_at", "step_seq",
        ]
    )  # fmt: skip
    insert_rows(TimelineEvent, [event_row(incident, at, "reopened", text, actor=actor)])
    ladders = list(Escalation.objects.filter(incident=incident))
    for ladder in ladders:
        ladder.firings, ladder.reached = 0, False
        ladder.next_step_at = at + timedelta(seconds=ladder.steps[0]["delay"])
        ladder.save(update_fields=["firings", "reached", "next_step_at"])
    if not ladders:
        _tell_again(incident, at=at)
        turn_to_next([incident], at=at)


def _tell_again(incident: Incident, *, at: datetime) -> None:
    """Page anew the contacts of an incident that climbs no ladder, as far as they still work."""
    team = Team.objects.get(pk=incident.team_id)
    monitor = monitor_facts([incident.monitor_id]).get(incident.monitor_id, {})
    first: dict[str, Delivery] = {}
    told = Delivery.objects.filter(incident=incident, event=OPENED)
    works = Q(direct=True) | Q(channel__isnull=False, channel__disabled_at=None)
    for delivery in told.filter(works).order_by("id"):
        first.setdefault(delivery.contact, delivery)
    rows: list[Row] = []
    for key, page in first.items():
        reason, label = (str(page.payload.get(name, "")) for name in ("reason", "to"))
        contact = Contact(key, page.kind, page.channel_id, reason, None, label, direct=page.direct)
        payload = incident_payload(incident=incident, team=team, monitor=monitor, reason=reason)
        rows += delivery_rows(
            incident=incident, kind="opened", payloads=[(contact, payload)], at=at
        )
    insert_rows(Delivery, rows)
    insert_rows(Notification, [notification_row(row, step_seq=incident.step_seq) for row in rows])


def _claim(statement: str, limit: int) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [limit])
        return [row[0] for row in cursor.fetchall()]
