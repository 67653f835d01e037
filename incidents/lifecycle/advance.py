"""Advance: from transitions to incidents, timelines and messages, one transaction per batch.

1. Claim unhandled transitions in order of their ids, which is their order within each monitor.
   One advance at a time (an advisory lock), so that no monitor's second change overtakes its first.
2. Walk them with the open incidents in memory: open, note a further cause, or resolve.
3. Write incidents, timeline, notifications and deliveries, and mark the transitions handled.

A crash anywhere before the commit leaves the transitions unhandled, and nothing half done.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.lifecycle import wording
from incidents.lifecycle.resolving import (
    Sent,
    cancel_deliveries,
    end_incidents,
    resolve_in_memory,
)
from incidents.lifecycle.rows import Row, insert_rows
from incidents.models import (
    Channel,
    Delivery,
    DeliveryState,
    Incident,
    IncidentState,
    Notification,
    TimelineEvent,
)
from incidents.notifications.compose import (
    Contact,
    contacts_of,
    delivery_rows,
    notification_row,
    owner_addresses_by_team,
)
from incidents.notifications.payload import incident_payload
from incidents.routing import Rule, Subject, load_rules, route

log = logging.getLogger(__name__)

BATCH_ROWS = 1000
LOCK_KEY = 7_203_002

# name: claim_transitions
# The oldest unhandled transitions, with what messages tell of their monitors, and their monitors'
# open and latest incidents. Not by id: ids carry the application's clock, and say nothing of the
# order within one millisecond.
CLAIM = """
SELECT t.id, t.team_id, t.monitor_id, t.at, t.from_state, t.to_state, t.cause, t.since, t.detail,
  m.name, n.name AS namespace, m.severity, m.labels, m.runbook_url, m."interval", m.silent_after,
  m.grace, h.last_push_at, o.id AS open, coalesce(o.id, i.id) AS previous,
  i.resolved_at AS previous_resolved_at
FROM monitors_transition t
LEFT JOIN monitors_monitor m ON m.id = t.monitor_id
LEFT JOIN accounts_namespace n ON n.id = m.namespace_id
LEFT JOIN monitors_heartbeat h ON h.monitor_id = t.monitor_id
LEFT JOIN incidents_incident o ON o.monitor_id = t.monitor_id AND o.state <> 'resolved'
LEFT JOIN LATERAL (
  SELECT id, resolved_at FROM incidents_incident
  WHERE monitor_id = t.monitor_id AND o.id IS NULL
  ORDER BY opened_at DESC, down_since DESC LIMIT 1) i ON true
WHERE t.handled_at IS NULL AND (%(monitor)s::uuid IS NULL OR t.monitor_id = %(monitor)s)
ORDER BY t.id LIMIT %(limit)s
"""

# name: waiting_monitors
# The monitors that have unhandled transitions, the longest waiting first.
WAITING = """
SELECT monitor_id FROM monitors_transition WHERE handled_at IS NULL
GROUP BY monitor_id ORDER BY min(id) LIMIT %s
"""

RESOLVE_REASONS = {"up": "recovered", "paused": "paused", "deleted": "deleted", "pending": "paused"}


@dataclass
class Work:
    """What one batch has read and will write."""

    now: datetime
    teams: dict[UUID, Team]
    rules: dict[UUID, list[Rule]]
    channels: dict[UUID, Channel]
    open: dict[UUID, Incident]
    previous: dict[UUID, UUID]
    owners: dict[UUID, list[str]]
    sent: dict[UUID, list[Sent]]  # by incident: what was queued for it before now
    contacts_cache: dict[Any, tuple[list[Contact], list[str]]] = field(default_factory=dict)
    created: list[Incident] = field(default_factory=list)
    changed: dict[UUID, Incident] = field(default_factory=dict)
    events: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    cancelled: dict[UUID, datetime] = field(default_factory=dict)

    def note(self, incident: Incident, at: datetime, kind: str, text: str) -> None:
        """Add a line to an incident's timeline."""
        self.events.append(
            {
                "team_id": incident.team_id,
                "incident_id": incident.pk,
                "at": at,
                "kind": kind,
                "actor": "tocsin",
                "text": text,
            }
        )


def advance_batch(*, limit: int = BATCH_ROWS, monitor: UUID | None = None) -> tuple[int, int]:
    """Handle up to `limit` transitions; return how many, and how many messages were queued.

    With `monitor` only that monitor's are handled.
    """
    with transaction.atomic(), scopes_disabled(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK_KEY])
        if not cursor.fetchone()[0]:
            return 0, 0
        cursor.execute(CLAIM, {"limit": limit, "monitor": monitor})
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        if not rows:
            return 0, 0
        work = _read(cursor, rows)
        for row in rows:
            _handle(work, row)
        _write(work)
        cursor.execute(
            "UPDATE monitors_transition SET handled_at = %s WHERE id = ANY(%s)",
            [work.now, [row["id"] for row in rows]],
        )
    return len(rows), len(work.deliveries)


def _read(cursor: Any, rows: list[dict[str, Any]]) -> Work:
    team_ids = {row["team_id"] for row in rows}
    cursor.execute("SELECT clock_timestamp()")
    now = cursor.fetchone()[0]
    found = {row["open"] for row in rows if row["open"]}
    unresolved = Incident.objects.select_for_update(no_key=True).filter(pk__in=found)
    still_open = {i.monitor_id: i for i in unresolved.exclude(state=IncidentState.RESOLVED)}
    rules = load_rules(team_ids)
    used = {c for team_rules in rules.values() for rule in team_rules for c in rule.channels}
    for row in rows:
        if isinstance(row["labels"], str):  # Django's cursors hand JSON over as text
            row["labels"] = json.loads(row["labels"])
    return Work(
        now=now,
        teams={team.pk: team for team in Team.objects.filter(pk__in=team_ids)},
        rules=rules,
        channels=Channel.objects.in_bulk(used),
        open=still_open,
        previous={row["monitor_id"]: row["previous"] for row in rows if row["previous"]},
        owners=owner_addresses_by_team(team_ids),
        sent=_read_sent(rows, still_open),
    )


def _read_sent(
    rows: list[dict[str, Any]], still_open: dict[UUID, Incident]
) -> dict[UUID, list[Sent]]:
    """Return and lock the deliveries of the incidents that may end in this batch, by incident.

    The lock holds off the senders: what is found waiting here can be cancelled.
    """
    ending = {row["monitor_id"] for row in rows if row["to_state"] != "down"}
    incidents = [still_open[monitor_id].pk for monitor_id in ending & still_open.keys()]
    sent: dict[UUID, list[Sent]] = {}
    if incidents:
        found = Delivery.objects.filter(incident_id__in=incidents).order_by("id")
        for incident_id, *values in found.select_for_update(no_key=True).values_list(
            "incident_id", *Sent._fields
        ):
            assert incident_id is not None
            sent.setdefault(incident_id, []).append(Sent(*values))
    return sent


def _handle(work: Work, row: dict[str, Any]) -> None:
    incident = work.open.get(row["monitor_id"])
    if row["to_state"] == "down":
        if incident is None and row["from_state"] == "down" and _was_over(row):
            return  # a later cause of an incident that was resolved by hand meanwhile
        if incident is None:
            _open(work, row)
        else:
            work.note(incident, row["at"], "cause", wording.cause_text(row["cause"], row["detail"]))
    elif incident is not None:
        reason = RESOLVE_REASONS[row["to_state"]]
        resolve_in_memory(work, incident, reason=reason, at=row["at"], monitor=row)
        del work.open[row["monitor_id"]]


def _was_over(row: dict[str, Any]) -> bool:
    resolved_at = row["previous_resolved_at"]
    return resolved_at is not None and row["at"] <= resolved_at


def _open(work: Work, row: dict[str, Any]) -> None:
    if row["name"] is None:
        return  # the monitor is gone already: its last transition says so
    since = row["since"] or row["at"]
    incident = Incident(
        team_id=row["team_id"],
        monitor_id=row["monitor_id"],
        monitor_name=row["name"],
        namespace=row["namespace"],
        cause=row["cause"],
        severity=row["severity"],
        summary=wording.summary_text(
            name=row["name"],
            cause=row["cause"],
            detail=row["detail"],
            last_push_at=row["last_push_at"],
            window_seconds=row["silent_after"] + row["grace"],
        ),
        down_since=since,
        opened_at=work.now,
        previous_id=work.previous.get(row["monitor_id"]),
    )
    work.created.append(incident)
    work.open[row["monitor_id"]] = incident
    work.previous[row["monitor_id"]] = incident.pk
    work.note(incident, work.now, "opened", incident.summary)
    contacts, remarks = _contacts(work, row, incident)
    for remark in remarks:
        work.note(incident, work.now, "skipped", remark)
    team = work.teams[row["team_id"]]
    told = delivery_rows(
        incident=incident,
        kind="opened",
        payloads=[
            (
                contact,
                incident_payload(incident=incident, team=team, monitor=row, reason=contact.reason),
            )
            for contact in contacts
        ],
        at=work.now,
    )
    work.deliveries += told
    work.sent[incident.pk] = [Sent.of(row) for row in told]


def _contacts(
    work: Work, row: dict[str, Any], incident: Incident
) -> tuple[list[Contact], list[str]]:
    subject = Subject(
        labels=row["labels"] or {},
        namespace=incident.namespace,
        name=incident.monitor_name,
        severity=incident.severity,
        cause=incident.cause,
        at=work.now,
    )
    found = route(work.rules[incident.team_id], subject)
    key = (incident.team_id, tuple(found.named_by.items()), found.owners)
    if key not in work.contacts_cache:
        work.contacts_cache[key] = contacts_of(
            found,
            team=work.teams[incident.team_id],
            channels=work.channels,
            owners=work.owners.get(incident.team_id, []),
        )
    return work.contacts_cache[key]


def _write(work: Work) -> None:
    created = {incident.pk for incident in work.created}
    # The ended ones first: a monitor that recovered and failed again has one open incident only.
    end_incidents(incident for pk, incident in work.changed.items() if pk not in created)
    insert_rows(Incident, work.created)
    for row in work.deliveries:
        if cancelled_at := work.cancelled.get(row["id"]):
            row |= {"state": DeliveryState.CANCELLED, "finished_at": cancelled_at}
    cancel_deliveries(work.cancelled)
    insert_rows(TimelineEvent, work.events)
    insert_rows(Delivery, work.deliveries)
    insert_rows(Notification, [notification_row(row) for row in work.deliveries])


def advance(*, most_batches: int = 200) -> tuple[int, int]:
    """Handle all unhandled transitions; return how many, and how many messages were queued.

    A transition that cannot be handled fails alone: where a batch fails, its monitors are taken one
    by one, and the one that fails again waits, logged, until the next round.
    """
    handled = queued = 0
    for _ in range(most_batches):
        try:
            rows, messages = advance_batch()
        except Exception:
            log.exception("a batch of transitions failed; taking its monitors one by one")
            rows, messages = _advance_singly()
        handled += rows
        queued += messages
        if rows < BATCH_ROWS:
            break
    return handled, queued


def _advance_singly() -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [BATCH_ROWS])
        monitors = [row[0] for row in cursor.fetchall()]
    handled = queued = 0
    for monitor in monitors:
        try:
            rows, messages = advance_batch(monitor=monitor)
        except Exception:
            log.exception("the transitions of monitor %s could not be handled", monitor)
            continue
        handled += rows
        queued += messages
    return handled, queued
