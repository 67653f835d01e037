"""Advance: from transitions to incidents, timelines and messages, one transaction per batch.

1. Claim unhandled transitions, in turns over the teams, and take them in order of their ids, which
   is their order within each monitor. One advance at a time (advisory locks), so that no monitor's
   second change overtakes its first.
2. Walk them with the open incidents in memory: open, hold back, note a further cause, or resolve.
3. Write incidents, timeline, notifications and deliveries, and mark the transitions handled.

A crash anywhere before the commit leaves the transitions unhandled, and nothing half done.

In a flood the monitors are shared by lanes (`lanes.py`), of which several are worked on at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict, cast
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django_scopes import scopes_disabled

from incidents.lifecycle import wording
from incidents.lifecycle.flapping import WITHIN, is_flapping
from incidents.lifecycle.opening import open_incident
from incidents.lifecycle.resolving import flap_in_memory, resolve_in_memory
from incidents.lifecycle.work import LANES, Work, read_sent, start_work, try_lock
from incidents.maintenance.covering import covered_monitors
from incidents.models import HeldOutage, Incident, IncidentState
from incidents.rows import with_any

BATCH_ROWS = 1000
# So many times its even share of a batch one team may have while others wait. What is read to find
# the teams' turns is a multiple of the batch, however many teams there are.
SHARES = 4

# What messages tell of a monitor, its open incident and its latest one. Not by id: ids carry the
# application's clock, and say nothing of the order within one millisecond.
MONITOR_COLUMNS = """
  m.name, n.name AS namespace, m.severity, m.labels, m.runbook_url, m."interval", m.silent_after,
  m.grace, h.last_push_at, o.id AS open, coalesce(o.id, i.id) AS previous,
  i.resolved_at AS previous_resolved_at
"""
MONITOR_JOINS = """
LEFT JOIN monitors_monitor m ON m.id = t.monitor_id
LEFT JOIN accounts_namespace n ON n.id = m.namespace_id
LEFT JOIN monitors_heartbeat h ON h.monitor_id = t.monitor_id
LEFT JOIN incidents_incident o ON o.monitor_id = t.monitor_id AND o.state <> 'resolved'
LEFT JOIN LATERAL (
  SELECT id, resolved_at FROM incidents_incident
  WHERE monitor_id = t.monitor_id AND o.id IS NULL
  ORDER BY opened_at DESC, down_since DESC LIMIT 1) i ON true
"""

# Which lane a waiting transition belongs to: its monitor's, always the same.
LANE = f"abs(uuid_hash(w.monitor_id) %% {LANES})"

# name: claim_transitions
# Unhandled transitions (of one lane), the oldest of each team in turns: a team with ten thousand
# lets another's first one through. And how many changes between up and down each monitor has had of
# late, that one included.
CLAIM = f"""
WITH RECURSIVE teams AS (
  (SELECT team_id FROM monitors_transition WHERE handled_at IS NULL ORDER BY team_id LIMIT 1)
  UNION ALL
  SELECT (SELECT w.team_id FROM monitors_transition w
    WHERE w.handled_at IS NULL AND w.team_id > teams.team_id ORDER BY w.team_id LIMIT 1)
  FROM teams WHERE teams.team_id IS NOT NULL
), picked AS MATERIALIZED (
  SELECT oldest.id FROM teams CROSS JOIN LATERAL (
    SELECT w.id, row_number() OVER (ORDER BY w.id) AS turn FROM monitors_transition w
    WHERE w.handled_at IS NULL AND w.team_id = teams.team_id
      AND (%(monitor)s::uuid IS NULL OR w.monitor_id = %(monitor)s)
      AND (%(lane)s::int IS NULL OR {LANE} = %(lane)s) AND w.monitor_id <> ALL(%(left)s::uuid[])
    ORDER BY w.id LIMIT (SELECT least(%(limit)s, ceil({SHARES}.0 * %(limit)s / count(team_id)))
      FROM teams)) oldest
  ORDER BY oldest.turn, oldest.id LIMIT %(limit)s
)
SELECT t.id, t.team_id, t.monitor_id, t.at, t.from_state, t.to_state, t.cause, t.since, t.detail,
  {MONITOR_COLUMNS}, coalesce(f.changes, 0) AS changes
FROM picked JOIN monitors_transition t ON t.id = picked.id {MONITOR_JOINS}
LEFT JOIN LATERAL (
  SELECT count(*) AS changes FROM monitors_transition c
  WHERE c.monitor_id = t.monitor_id AND c.id <= t.id AND c.at > t.at - %(within)s
    AND (c.from_state, c.to_state) IN (('up', 'down'), ('down', 'up'))) f
  ON (t.from_state, t.to_state) IN (('up', 'down'), ('down', 'up'))
ORDER BY t.id
"""


class _Change(TypedDict, total=False):
    """What a statement with `MONITOR_COLUMNS` selects; of columns not named here, JSON's types."""

    team_id: UUID
    monitor_id: UUID
    at: datetime
    since: datetime | None
    last_push_at: datetime | None
    open: UUID | None
    previous: UUID | None
    previous_resolved_at: datetime | None
    # These as they are.
    id: int
    from_state: str
    to_state: str
    state: str | None
    cause: str | None
    detail: str
    name: str | None
    namespace: str | None
    severity: str | None
    labels: dict[str, str] | None
    runbook_url: str | None
    interval: int | None
    silent_after: int | None
    grace: int | None
    changes: int


_decode = msgspec.json.Decoder(list[_Change]).decode

RESOLVE_REASONS = {"up": "recovered", "paused": "paused", "deleted": "deleted", "pending": "paused"}


def advance_batch(
    *,
    limit: int = BATCH_ROWS,
    monitor: UUID | None = None,
    lane: int | None = None,
    left: Sequence[UUID] = (),
) -> tuple[int, int]:
    """Handle up to `limit` transitions; return how many, and how many messages were queued.

    With `monitor` only that monitor's are handled, with `lane` only those of its monitors; those of
    the monitors `left` wait.
    """
    with transaction.atomic(), scopes_disabled(), connection.cursor() as cursor:
        if not try_lock(lane):
            return 0, 0
        asked = {
            "limit": limit,
            "monitor": monitor,
            "lane": lane,
            "left": list(left),
            "within": WITHIN,
        }
        rows = read_rows(cursor, CLAIM, asked)
        if not rows:
            return 0, 0
        work = _read(rows)
        falls = [row for row in rows if row["to_state"] == "down"]
        covered = covered_monitors([(row["monitor_id"], row["at"]) for row in falls])
        held_back = {falls[index]["id"] for index in covered}
        for row in rows:
            _handle(work, row, held_back=row["id"] in held_back)
        work.write()
        cursor.execute(
            "UPDATE monitors_transition SET handled_at = %s WHERE id = ANY(%s)",
            [work.now, [row["id"] for row in rows]],
        )
    return len(rows), len(work.deliveries) + len(work.escalations)


def read_rows(cursor: Any, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a statement with `MONITOR_COLUMNS` selects, by column and in its order.

    As one JSON text: a cursor takes five times as long for rows with many times and ids.
    """
    cursor.execute(f"SELECT json_agg(found)::text FROM ({statement}) found", parameters)
    text = cursor.fetchone()[0]
    return cast("list[dict[str, Any]]", _decode(text)) if text else []


def _read(rows: list[dict[str, Any]]) -> Work:
    work = start_work({row["team_id"] for row in rows})
    found = [row["open"] for row in rows if row["open"]]
    if found:
        unresolved = with_any(Incident.objects.select_for_update(no_key=True), "id", found)
        still_open = unresolved.exclude(state=IncidentState.RESOLVED).order_by("id")
        work.open = {i.monitor_id: i for i in still_open}
    work.previous = {row["monitor_id"]: row["previous"] for row in rows if row["previous"]}
    ending = {row["monitor_id"] for row in rows if row["to_state"] != "down"}
    work.sent = read_sent(work.open[monitor].pk for monitor in ending & work.open.keys())
    held = with_any(HeldOutage.objects.all(), "monitor_id", {row["monitor_id"] for row in rows})
    work.held = {monitor: {} for monitor in held.values_list("monitor_id", flat=True)}
    return work


def _handle(work: Work, row: dict[str, Any], *, held_back: bool) -> None:
    if row["to_state"] == "down":
        _handle_down(work, row, held_back=held_back)
        return
    monitor_id = row["monitor_id"]
    if work.held.pop(monitor_id, None) is not None:
        work.held_anew.pop(monitor_id, None)
        work.released.add(monitor_id)
    incident = work.open.get(monitor_id)
    if incident is None:
        return
    if row["to_state"] == "up" and (is_flapping(row["changes"]) or incident.flapping):
        flap_in_memory(work, incident, at=row["at"], monitor=row, text="Up again")
        return
    reason = RESOLVE_REASONS[row["to_state"]]
    resolve_in_memory(work, incident, reason=reason, at=row["at"], monitor=row)
    del work.open[monitor_id]


def _handle_down(work: Work, row: dict[str, Any], *, held_back: bool) -> None:
    incident = work.open.get(row["monitor_id"])
    if incident is not None:
        if row["from_state"] == "up":
            text = wording.down_again_text(row["cause"], row["detail"])
            flap_in_memory(work, incident, at=row["at"], monitor=row, text=text)
        else:
            text = wording.cause_text(row["cause"], row["detail"])
            work.note(incident, row["at"], "cause", text)
        return
    later = row["from_state"] == "down" and _was_over(row)  # it was resolved by hand meanwhile
    gone = row["name"] is None  # its last transition says so
    if later or gone or row["monitor_id"] in work.held:
        return
    if held_back:
        _hold(work, row)
    else:
        open_incident(work, row, flapping=is_flapping(row["changes"]))


def _hold(work: Work, row: dict[str, Any]) -> None:
    held = {
        "team_id": row["team_id"],
        "monitor_id": row["monitor_id"],
        "at": row["at"],
        "since": row["since"] or row["at"],
        "cause": row["cause"],
        "detail": row["detail"],
    }
    work.held[row["monitor_id"]] = held
    work.held_anew[row["monitor_id"]] = held


def _was_over(row: dict[str, Any]) -> bool:
    resolved_at: datetime | None = row["previous_resolved_at"]
    return resolved_at is not None and row["at"] <= resolved_at
