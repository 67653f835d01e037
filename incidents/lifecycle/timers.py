"""What time alone brings about: held outages open, flapping ends, acknowledgements run out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.lifecycle.advance import MONITOR_COLUMNS, MONITOR_JOINS, read_rows
from incidents.lifecycle.opening import open_incident
from incidents.lifecycle.resolving import resolve_in_memory
from incidents.lifecycle.rows import Row, insert_rows
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
from incidents.notifications.payload import incident_payload, monitor_facts
from monitors.models import Heartbeat
from monitors.queries import database_now
from monitors.state import State

BATCH_ROWS = 1000

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
WHERE settle_at <= clock_timestamp() AND state <> 'resolved'
ORDER BY settle_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""

# name: claim_woken
# Lock the incidents whose acknowledgement has run out or whose snooze is over.
CLAIM_WOKEN = """
SELECT id FROM incidents_incident
WHERE wake_at <= clock_timestamp() AND state = 'acknowledged'
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
        states = dict(
            Heartbeat.objects.filter(monitor__in=[i.monitor_id for i in incidents]).values_list(
                "monitor_id", "state"
            )
        )
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


def wake_incidents(*, limit: int = BATCH_ROWS) -> int:
    """Open again what was acknowledged or snoozed for a time, from step 0; return how many."""
    with transaction.atomic(), scopes_disabled():
        pks = _claim(CLAIM_WOKEN, limit)
        for incident in Incident.objects.filter(pk__in=pks):
            text = "The snooze is over" if incident.snoozed_until else "The acknowledgement ran out"
            reopen_incident(incident, text=f"{text}, and it is still down: paging starts anew.")
        return len(pks)


def reopen_incident(incident: Incident, *, text: str, actor: str = "tocsin") -> None:
    """Open a locked incident again: its ladders from step 0, or all who were told at first."""
    at = database_now()
    incident.state = IncidentState.OPEN
    incident.acknowledged_at = incident.acknowledged_by = None
    incident.snoozed_until = incident.wake_at = None
    incident.step_seq += 1
    incident.save(
        update_fields=[
            "state", "acknowledged_at", "acknowledged_by", "snoozed_until", "wake_at", "step_seq",
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


def _tell_again(incident: Incident, *, at: Any) -> None:
    """Page anew the contacts of an incident that climbs no ladder."""
    team = Team.objects.get(pk=incident.team_id)
    monitor = monitor_facts([incident.monitor_id]).get(incident.monitor_id, {})
    first: dict[str, Delivery] = {}
    for delivery in Delivery.objects.filter(incident=incident, event="incident.opened"):
        first.setdefault(delivery.contact, delivery)
    rows: list[Row] = []
    for key, told in first.items():
        contact = Contact(
            key,
            told.kind,
            told.channel_id,
            str(told.payload.get("reason", "")),
            told.contact_method_id,
            str(told.payload.get("to", "")),
        )
        payload = incident_payload(
            incident=incident, team=team, monitor=monitor, reason=contact.reason
        )
        rows += delivery_rows(
            incident=incident, kind="opened", payloads=[(contact, payload)], at=at
        )
    insert_rows(Delivery, rows)
    insert_rows(Notification, [notification_row(row, step_seq=incident.step_seq) for row in rows])


def _claim(statement: str, limit: int) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [limit])
        return [row[0] for row in cursor.fetchall()]
