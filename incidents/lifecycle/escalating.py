"""Climbing policies: firing the steps that are due, and what follows each.

Who is on call is read when a step fires. Within one step every contact gets one message, however
many targets lead to it. A step that reaches nobody says so, and the next one fires at once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.lifecycle.resolving import later_payloads
from incidents.lifecycle.work import Sent, event_row
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
from incidents.notifications.holding import hold_back
from incidents.notifications.payload import incident_payload, monitor_facts
from incidents.policies.reaching import Reached, Way, due_at, resolve_targets
from incidents.rows import Row, insert_rows, run_with_rows, with_any

BATCH_ROWS = 1000
SHARES = 4  # of a batch, as in lifecycle/advance.py; other engines lock the first of them
# Between the last step of a round and the first of the next there is always a breath, so that a
# policy without delays does not page ten times at once; and more after a round without anybody.
ROUND_PAUSE = timedelta(seconds=5)
EMPTY_ROUND_PAUSE = timedelta(seconds=60)
POISON_PAUSE = timedelta(seconds=60)

log = logging.getLogger(__name__)

_FIRES = "(i.state = 'open' OR (i.resolved_reason = 'recovered' AND w.firings = 0))"

# name: claim_escalations
# Lock the incidents whose next step is due, in turns over the teams: one with ten thousand lets
# another's first one through. A first step that was due when the monitor recovered fires as well.
# The clock is read once: what is read anew for every row finds nothing by an index.
CLAIM = f"""
WITH RECURSIVE clock AS MATERIALIZED (SELECT clock_timestamp() AS now), teams AS (
  (SELECT team_id FROM incidents_escalation WHERE next_step_at IS NOT NULL
    ORDER BY team_id LIMIT 1)
  UNION ALL
  SELECT (SELECT w.team_id FROM incidents_escalation w
    WHERE w.next_step_at IS NOT NULL AND w.team_id > teams.team_id ORDER BY w.team_id LIMIT 1)
  FROM teams WHERE teams.team_id IS NOT NULL
), due AS MATERIALIZED (
  -- Of those whose steps all lie ahead nobody takes a turn: no share is kept for them.
  SELECT team_id FROM teams WHERE EXISTS (SELECT FROM incidents_escalation w
    WHERE w.team_id = teams.team_id AND w.next_step_at <= (SELECT now FROM clock))
), picked AS MATERIALIZED (
  SELECT oldest.id, oldest.turn FROM due CROSS JOIN LATERAL (
    SELECT w.id, row_number() OVER (ORDER BY w.next_step_at) AS turn
    FROM incidents_escalation w JOIN incidents_incident i ON i.id = w.incident_id
    WHERE w.team_id = due.team_id AND w.next_step_at <= (SELECT now FROM clock)
      AND {_FIRES} AND (%(only)s::uuid IS NULL OR w.id = %(only)s)
    ORDER BY w.next_step_at
    LIMIT (SELECT ceil({SHARES}.0 * %(limit)s / greatest(count(*), 1)) FROM due)) oldest
)
SELECT w.id, w.incident_id, clock_timestamp()
FROM picked JOIN incidents_escalation w ON w.id = picked.id
JOIN incidents_incident i ON i.id = w.incident_id
WHERE {_FIRES}
ORDER BY picked.turn LIMIT %(limit)s FOR NO KEY UPDATE OF i SKIP LOCKED
"""

# name: due_escalations
# The ladders whose next step is due.
DUE = """
SELECT id FROM incidents_escalation WHERE next_step_at <= (SELECT clock_timestamp())
ORDER BY next_step_at LIMIT %s
"""

# name: advance_escalations
# Write how far a batch of ladders was climbed.
ADVANCE = """
UPDATE incidents_escalation e
SET firings = r.firings, reached = r.reached, next_step_at = r.next_step_at
FROM json_to_recordset(%s::json)
  AS r(id uuid, firings int, reached bool, next_step_at timestamptz)
WHERE e.id = r.id
"""

# name: count_steps
# Write how many steps have fired for a batch of incidents.
COUNT = """
UPDATE incidents_incident i SET step_seq = r.step_seq
FROM json_to_recordset(%s::json) AS r(id uuid, step_seq int) WHERE i.id = r.id
"""


@dataclass
class _Firing:
    """What one batch of steps reads and writes."""

    now: datetime
    teams: Mapping[UUID, Team]
    monitors: Mapping[UUID, dict[str, Any]]
    found: Mapping[str, Reached]  # by the target's JSON
    events: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    notifications: list[Row] = field(default_factory=list)
    unreached: set[UUID] = field(default_factory=set)  # incidents that nobody was paged for

    def note(self, incident: Incident, kind: str, text: str) -> None:
        self.events.append(event_row(incident, self.now, kind, text))


def fire_steps(*, limit: int = BATCH_ROWS) -> tuple[int, int]:
    """Fire up to `limit` due steps; return how many fired, and how many messages were queued.

    A step that cannot be fired fails alone: where a batch fails, its steps are taken one by one,
    and the one that fails again waits, logged, for a minute.
    """
    try:
        return _fire_batch(limit=limit, only=None)
    except Exception:
        log.exception("a batch of steps failed; taking them one by one")
    fired = queued = 0
    with connection.cursor() as cursor:
        cursor.execute(DUE, [limit])
        due = [row[0] for row in cursor.fetchall()]
    for pk in due:
        try:
            steps, messages = _fire_batch(limit=1, only=pk)
        except Exception:
            log.exception("a step of escalation %s could not be fired", pk)
            with scopes_disabled():
                Escalation.objects.filter(pk=pk).update(next_step_at=Now() + POISON_PAUSE)
            continue
        fired += steps
        queued += messages
    return fired, queued


def _fire_batch(*, limit: int, only: UUID | None) -> tuple[int, int]:
    with transaction.atomic(), scopes_disabled():
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, {"limit": limit, "only": only})
            claimed = cursor.fetchall()
        if not claimed:
            return 0, 0
        now = claimed[0][2]
        # Read anew under the lock: another engine may have fired a step since the claim's look.
        waiting = Escalation.objects.filter(next_step_at__lte=now)
        found = {e.pk: e for e in with_any(waiting, "id", [row[0] for row in claimed])}
        escalations = {pk: found[pk] for pk, *_ in claimed if pk in found}
        climbing = {e.incident_id for e in found.values()}
        incidents = {i.pk: i for i in with_any(Incident.objects.all(), "id", climbing)}
        firing = _read(list(escalations.values()), incidents, now=now)
        for escalation in escalations.values():
            _fire(firing, incidents[escalation.incident_id], escalation)
        insert_rows(TimelineEvent, firing.events)
        hold_back(firing.deliveries)
        insert_rows(Delivery, firing.deliveries)
        insert_rows(Notification, firing.notifications)
        run_with_rows(COUNT, [{"id": pk, "step_seq": i.step_seq} for pk, i in incidents.items()])
        run_with_rows(
            ADVANCE,
            [
                {
                    "id": e.pk,
                    "firings": e.firings,
                    "reached": e.reached,
                    "next_step_at": e.next_step_at,
                }
                for e in escalations.values()
            ],
        )
        mailed = turn_to_next([incidents[pk] for pk in firing.unreached], at=now)
    return len(escalations), len(firing.deliveries) + mailed


def _read(
    escalations: Sequence[Escalation], incidents: Mapping[UUID, Incident], *, now: datetime
) -> _Firing:
    targets = {_key(target): target for e in escalations for target in _step(e)["targets"]}
    reached = resolve_targets(list(targets.values()), at=now)
    return _Firing(
        now=now,
        teams=Team.objects.in_bulk({incident.team_id for incident in incidents.values()}),
        monitors=monitor_facts({incident.monitor_id for incident in incidents.values()}),
        found=dict(zip(targets, reached, strict=True)),
    )


def _step(escalation: Escalation) -> dict[str, Any]:
    step: dict[str, Any] = escalation.steps[escalation.firings % len(escalation.steps)]
    return step


def _key(target: Mapping[str, Any]) -> str:
    return json.dumps(target, sort_keys=True)


def _fire(firing: _Firing, incident: Incident, escalation: Escalation) -> None:
    """Fire one step: tell whom it reaches, say whom it does not, and set when the next one comes.

    1. Each contact once: of two ways to the same contact the sooner counts.
    2. What comes later or must wait for the end of quiet hours is queued for then.
    3. The next step comes after its delay, at once if this one reached nobody, and never after the
       last round; then, or after a whole round without anybody, the owners are mailed unless
       somebody else was reached.
    """
    number = escalation.firings % len(escalation.steps) + 1
    found = [firing.found[_key(target)] for target in _step(escalation)["targets"]]
    incident.step_seq += 1
    rows = _queue(firing, incident, escalation, number, found)
    name = f"Step {number} of “{escalation.policy_name}”"
    for reached in found:
        if reached.remark:
            firing.note(incident, "skipped", f"{name}: {reached.remark}")
    if rows:
        firing.note(incident, "step", f"{name} pages {_name_all(found)}.")
    else:
        firing.note(incident, "skipped", f"{name} reached nobody.")
    escalation.firings += 1
    escalation.reached = escalation.reached or bool(rows)
    if incident.state != IncidentState.OPEN:
        escalation.next_step_at = None
        _tell_the_end(firing, incident, rows)
        return
    _set_next(firing, incident, escalation, reached=bool(rows))


def _tell_the_end(firing: _Firing, incident: Incident, pages: Sequence[Row]) -> None:
    """Follow the pages of an incident that is over already by its end, each after its page."""
    payloads, after = later_payloads(
        "resolved",
        incident,
        firing.teams[incident.team_id],
        firing.monitors.get(incident.monitor_id, {}),
        [Sent.of(page) for page in pages],
    )
    rows = delivery_rows(
        incident=incident, kind="resolved", payloads=payloads, at=firing.now, after=after
    )
    firing.deliveries += rows
    firing.notifications += [notification_row(row, step_seq=incident.step_seq) for row in rows]


def _set_next(
    firing: _Firing, incident: Incident, escalation: Escalation, *, reached: bool
) -> None:
    steps = escalation.steps
    round_over = escalation.firings % len(steps) == 0
    if round_over and not escalation.reached:
        firing.unreached.add(incident.pk)
    if escalation.firings >= len(steps) * (escalation.repeat + 1):
        escalation.next_step_at = None
        firing.note(
            incident,
            "exhausted",
            f"The last step of “{escalation.policy_name}” has fired: it pages nobody further.",
        )
        return
    wait = timedelta(seconds=_step(escalation)["delay"])
    if not reached:
        wait = timedelta(0)
    if round_over:
        wait = max(wait, ROUND_PAUSE if escalation.reached else EMPTY_ROUND_PAUSE)
    escalation.next_step_at = firing.now + wait


def _queue(
    firing: _Firing,
    incident: Incident,
    escalation: Escalation,
    number: int,
    found: Sequence[Reached],
) -> list[Row]:
    """Add the step's messages and their intents; return the messages."""
    team = firing.teams[incident.team_id]
    monitor = firing.monitors.get(incident.monitor_id, {})
    sooner: dict[str, tuple[Way, Reached]] = {}
    for reached in found:
        for way in reached.contacts:
            known = sooner.get(way.key)
            if known is None or way.delay_seconds < known[0].delay_seconds:
                sooner[way.key] = (way, reached)
    rows: list[Row] = []
    for way, reached in sooner.values():
        reason = f"Step {number} of the policy “{escalation.policy_name}” pages you."
        label = reached.person or way.label
        contact = Contact(way.key, way.kind, way.channel_id, reason, way.method_id, label)
        payload = incident_payload(incident=incident, team=team, monitor=monitor, reason=reason)
        payload["incident"] |= {"state": "open", "resolved_at": None, "resolved_reason": None}
        at = due_at(way, fired_at=firing.now, severity=incident.severity)
        rows += delivery_rows(
            incident=incident, kind="opened", payloads=[(contact, payload)], at=at
        )
    for row in rows:
        row["created_at"] = firing.now
        firing.notifications.append(notification_row(row, step_seq=incident.step_seq))
    firing.deliveries += rows
    return rows


def _name_all(found: Sequence[Reached]) -> str:
    names = [reached.person or reached.contacts[0].label for reached in found if reached.contacts]
    return ", ".join(dict.fromkeys(names))
