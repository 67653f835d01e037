"""The sweep: notice pushes that did not come.

`check_at` is lazy: it is never later than the true due time, and pushes do not move it. So the
sweep finds a monitor whose time *may* have come, works out the due time anew, and either sets the
alarm again or writes the silence. Two statements in one transaction:

1. `CLAIM` locks a bounded batch of heartbeats whose alarm has rung, skipping what is locked.
2. The judging statements read configuration and heartbeat with a fresh snapshot under that lock,
   so an edit or a push that was committed a moment before is seen.

Time is judged up to the listening stamp, not up to now: what happened after the last moment in
which we could accept a push is not known yet. While nobody listens, nobody is found silent; where
the canary says that the stamp is wrong, its last word counts (`monitors.canary`). The
stamp is read once, before the gaps: should we come back from an outage in the middle of a batch, a
new stamp would otherwise be compared with deadlines that know nothing of the new gap.

Fixed windows that no gap touches are judged in SQL, hundreds of thousands a minute; cron schedules
and windows that overlap a listening gap in Python, by `monitors.schedule`.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from accounts.database.standing import unscoped
from monitors.canary import judged_until
from monitors.mass_guard import find_wave, hold, is_holding
from monitors.models import ListeningGap
from monitors.schedule import Cron, Gap, Window, due_at

BATCH_ROWS = 2000
# Of few more than a batch the oldest and the latest may be the same: then it has so many at least.
FULL_ROWS = BATCH_ROWS - BATCH_ROWS // 8
BROKEN_SCHEDULE_SECONDS = 600
LOCK_KEY = 7_203_001  # pg_advisory_xact_lock: one sweep at a time, whoever runs it

log = logging.getLogger(__name__)

# name: claim
# Lock heartbeats whose alarm rang before the listening stamp: most of them the longest waiting, and
# an eighth the latest. In a flood what falls due next need not wait for all that came before it.
CLAIM = """
WITH oldest AS MATERIALIZED (
  SELECT monitor_id FROM monitors_heartbeat
  WHERE check_at <= %(until)s
  ORDER BY check_at LIMIT %(limit)s - %(limit)s / 8 FOR UPDATE SKIP LOCKED
), latest AS MATERIALIZED (
  SELECT monitor_id FROM monitors_heartbeat
  WHERE check_at <= %(until)s
  ORDER BY check_at DESC LIMIT %(limit)s / 8 FOR UPDATE SKIP LOCKED
)
SELECT coalesce(array_agg(monitor_id), '{}')
FROM (SELECT monitor_id FROM oldest UNION SELECT monitor_id FROM latest) claimed
"""

# name: fixed_due
# The due times of claimed monitors with a fixed window that began after the last gap.
_FIXED_DUE = """
  SELECT h.monitor_id, h.clock_from + make_interval(secs => m.silent_after + m.grace) AS due_at
  FROM unnest(%(ids)s::uuid[]) AS claimed(monitor_id)
  JOIN monitors_heartbeat h ON h.monitor_id = claimed.monitor_id
  JOIN monitors_monitor m ON m.id = h.monitor_id
  WHERE m.cron = '' AND NOT EXISTS (
    SELECT FROM monitors_listeninggap g WHERE g.ended_at > h.clock_from)
"""

# name: given_due
# Due times that Python has worked out.
_GIVEN_DUE = """
  SELECT monitor_id, due_at
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(monitor_id uuid, due_at timestamptz)
"""

# name: apply
# Set the alarm of those not yet due; write the silence of the others. As
# monitors.state.after_silence has it: the first cause stays, a later one is a further transition.
_APPLY = """
WITH due AS MATERIALIZED ({due}), judged AS MATERIALIZED (
  SELECT h.*, due.due_at, clock_timestamp() AS now,
    due.due_at <= %(until)s AS is_silent
  FROM due JOIN monitors_heartbeat h ON h.monitor_id = due.monitor_id
  WHERE h.state <> 'paused'
), changed AS (
  INSERT INTO monitors_transition
    (team_id, monitor_id, at, from_state, to_state, cause, since, detail)
  SELECT team_id, monitor_id, now, state, 'down', 'silence', due_at, ''
  FROM judged WHERE is_silent AND open_causes & 1 = 0
)
UPDATE monitors_heartbeat h SET
  check_at = CASE WHEN NOT j.is_silent THEN j.due_at END,
  state = CASE WHEN j.is_silent THEN 'down' ELSE j.state END,
  cause = CASE WHEN j.is_silent AND j.state <> 'down' THEN 'silence' ELSE j.cause END,
  open_causes = CASE WHEN j.is_silent THEN j.open_causes | 1 ELSE j.open_causes END,
  down_since = CASE WHEN j.is_silent AND j.state <> 'down' THEN j.due_at ELSE j.down_since END,
  consecutive_passes = CASE WHEN j.is_silent THEN 0 ELSE j.consecutive_passes END
FROM judged j WHERE h.monitor_id = j.monitor_id
RETURNING h.monitor_id, j.is_silent
"""
APPLY_FIXED = _APPLY.format(due=_FIXED_DUE)
APPLY_GIVEN = _APPLY.format(due=_GIVEN_DUE)

# name: irregular
# What Python needs to judge the claimed monitors that APPLY_FIXED left.
IRREGULAR = """
SELECT h.monitor_id, h.clock_from, h.clock_from IS NOT DISTINCT FROM h.last_push_at,
  m.silent_after, m.grace, m."interval", m.cron, m.cron_timezone
FROM monitors_heartbeat h JOIN monitors_monitor m ON m.id = h.monitor_id
WHERE h.monitor_id = ANY(%(ids)s::uuid[])
"""


@unscoped
def sweep_batch(*, limit: int = BATCH_ROWS) -> tuple[int, int]:
    """Judge up to `limit` monitors whose alarm rang; return how many, and how many were silent.

    Safe to run twice at once: only one holds the lock, the other returns (0, 0).
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK_KEY])
        if not cursor.fetchone()[0]:
            return 0, 0
        until = judged_until(cursor)
        if until is None or is_holding(cursor):
            return 0, 0
        cursor.execute(CLAIM, {"limit": limit, "until": until})
        ids: list[Any] = cursor.fetchone()[0]
        if not ids:
            return 0, 0
        with transaction.atomic():
            silent = _judge(cursor, ids, until)
            wave = find_wave(cursor, silent, until)
            if wave is not None:
                transaction.set_rollback(True)
        if wave is not None:
            hold(cursor, wave)
            log.error("%s silences of %s teams at once are held back", wave.monitors, wave.teams)
            return 0, 0
    return len(ids), len(silent)


def _judge(cursor: Any, ids: list[Any], until: datetime) -> list[Any]:
    """Set the alarms of claimed monitors or write their silence; return those found silent."""
    cursor.execute(APPLY_FIXED, {"ids": ids, "until": until})
    judged = cursor.fetchall()
    left = set(ids) - {row[0] for row in judged}
    if left:
        judged += _judge_irregular(cursor, list(left), until)
    return [monitor_id for monitor_id, is_silent in judged if is_silent]


def sweep(*, most_batches: int = 100) -> int:
    """Judge all monitors whose alarm rang; return how many were found silent."""
    return sweep_some(most_batches=most_batches)[1]


def sweep_some(*, most_batches: int) -> tuple[int, int]:
    """Judge so many batches of them; return how many, and how many were found silent."""
    judged = silent = 0
    for _ in range(most_batches):
        rows, found = sweep_batch()
        judged, silent = judged + rows, silent + found
        if rows < FULL_ROWS:
            break
    return judged, silent


def _judge_irregular(cursor: Any, ids: list[Any], until: datetime) -> list[tuple[Any, bool]]:
    cursor.execute(IRREGULAR, {"ids": ids})
    rows = cursor.fetchall()
    if not rows:
        return []
    gaps = gaps_since(min(row[1] for row in rows))
    due_rows = []
    for monitor_id, clock_from, by_push, silent_after, grace, interval, cron, zone in rows:
        window = Window(silent_after, grace, interval, Cron(cron, zone) if cron else None)
        try:
            due = due_at(window, clock_from, gaps, by_push=by_push)
        except (ValueError, KeyError, OverflowError):
            # A schedule that was good once and is no longer (a zone that is gone) must not hold up
            # the others: look again later, and say so each time.
            log.exception("monitor %s: its schedule cannot be worked out", monitor_id)
            due = database_time(cursor) + timedelta(seconds=BROKEN_SCHEDULE_SECONDS)
        due_rows.append({"monitor_id": str(monitor_id), "due_at": due.isoformat()})
    cursor.execute(APPLY_GIVEN, {"rows": json.dumps(due_rows), "until": until})
    judged: list[tuple[Any, bool]] = cursor.fetchall()
    return judged


def database_time(cursor: Any) -> datetime:
    """Return the time of the database's clock."""
    cursor.execute("SELECT clock_timestamp()")
    at: datetime = cursor.fetchone()[0]
    return at


def gaps_since(start: datetime) -> list[Gap]:
    """Return the recorded listening gaps that end after `start`, in order."""
    rows = ListeningGap.objects.filter(ended_at__gt=start).order_by("started_at")
    return [Gap(row.started_at, row.ended_at) for row in rows]
