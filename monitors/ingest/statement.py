"""The statement that commits a batch of pushes.

One statement does all of it: finds the monitors, locks their heartbeats in one order, counts,
decides the state as `monitors.state.after_push` specifies it, and writes the results and the
transitions. What a batch must hold: at most one push per monitor (a second one by an old slug is
reported as `again` and is sent with the next batch).

The batch is one JSON parameter: psycopg would dump a Python list element by element. The planner
expects a thousand rows of a set-returning function and would choose full scans, so the recorder's
session turns those off (`SESSION`).
"""

from __future__ import annotations

import re

# name: session
# Settings of the connection that runs the statement.
SESSION = """
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off;
SET jit = off; SET statement_timeout = '5s'; SET lock_timeout = '250ms';
SET idle_in_transaction_session_timeout = '5s'; SET plan_cache_mode = force_generic_plan
"""

# name: lock_for_receipts
# Take the heartbeats of a batch with idempotency keys first, in a statement of its own: the next
# statement's snapshot then sees every receipt that a concurrent repeat has committed.
LOCK = """
SELECT h.monitor_id FROM monitors_heartbeat h
WHERE h.monitor_id IN (
  SELECT coalesce(b.monitor, k.monitor_id)
  FROM jsonb_to_recordset(%(batch)s::jsonb) AS b(slug text, monitor uuid)
  LEFT JOIN monitors_pushkey k ON k.value = b.slug
)
ORDER BY h.monitor_id FOR UPDATE
"""


def compact(sql: str) -> str:
    """Return a statement without comments and line breaks.

    psycopg analyses a statement of more than 4,096 characters anew at each execution.
    """
    return " ".join(re.sub(r"--.*", "", sql).split())


# name: unlocked
# Which pushes of a batch wait for nobody now: their monitor's row is free, or there is none. The
# locks that it takes end with it.
UNLOCKED = """
WITH named AS MATERIALIZED (
  SELECT b.n, coalesce(b.monitor, k.monitor_id) AS monitor_id
  FROM jsonb_to_recordset(%(batch)s::jsonb) AS b(n int, slug text, monitor uuid)
  LEFT JOIN monitors_pushkey k ON k.value = b.slug
), free AS MATERIALIZED (
  SELECT h.monitor_id FROM monitors_heartbeat h
  WHERE h.monitor_id IN (SELECT monitor_id FROM named)
  FOR UPDATE SKIP LOCKED
)
SELECT n FROM named
WHERE monitor_id IS NULL OR monitor_id IN (SELECT monitor_id FROM free)
  OR NOT EXISTS (SELECT FROM monitors_heartbeat h WHERE h.monitor_id = named.monitor_id)
"""

_BATCH = """
WITH batch AS MATERIALIZED (
  -- 1. what arrived
  SELECT * FROM jsonb_to_recordset(%(batch)s::jsonb) AS b(
    n int, id uuid, slug text, monitor uuid, fail boolean, latency_ms float8, message text,
    labels jsonb, receipt text)
), named AS MATERIALIZED (
  -- 2. whose it is: a slug that is current or within its overlap, and needs no token; or a
  --    monitor whose credential was checked before
  SELECT k.monitor_id AS whose, b.* FROM batch b
  JOIN monitors_pushkey k ON k.value = b.slug
  WHERE k.expires_at IS NULL OR k.expires_at > now()
  UNION ALL
  SELECT b.monitor, b.* FROM batch b WHERE b.monitor IS NOT NULL
), turn AS MATERIALIZED (
  SELECT *, row_number() OVER (PARTITION BY whose ORDER BY n) AS turn FROM named
), locked AS MATERIALIZED (
  -- 3. the heartbeats, locked in the one order that the sweep and other recorders use; the old
  --    state and counters are read from here and nowhere else
  SELECT t.n, t.id, t.fail, t.latency_ms, t.message, t.labels, t.receipt,
    t.monitor IS NOT NULL AS is_trusted, h.*
  FROM turn t
  JOIN monitors_heartbeat h ON h.monitor_id = t.whose
  WHERE t.turn = 1
  ORDER BY h.monitor_id FOR UPDATE OF h
), stamp AS MATERIALIZED (
  -- 4. the time, read after the last lock was granted: later than anything those rows have seen
  SELECT clock_timestamp() AS at, count(*) AS rows FROM locked
), judged AS MATERIALIZED (
  SELECT l.*, m.name, m.silent_after, m.grace, m."interval", m.cron, m.cron_timezone,
    m.failures_to_open, m.passes_to_close,
    greatest(s.at, l.last_push_at) AS at,
    CASE WHEN l.fail THEN 'fail'
         WHEN l.latency_ms > m.latency_limit_ms THEN 'slow'
         ELSE 'pass' END AS kind
  FROM locked l
  JOIN monitors_monitor m ON m.id = l.monitor_id
  CROSS JOIN stamp s
  WHERE (l.is_trusted OR NOT m.require_token){fresh}
), counted AS MATERIALIZED (
  -- 5. each kind of push counts for itself and resets the other two
  SELECT j.*,
    CASE kind WHEN 'fail' THEN least(consecutive_fails + 1, 1000000) ELSE 0 END AS fails,
    CASE kind WHEN 'slow' THEN least(consecutive_slow + 1, 1000000) ELSE 0 END AS slow,
    CASE kind WHEN 'pass' THEN least(consecutive_passes + 1, 1000000) ELSE 0 END AS passes
  FROM judged j
), decided AS MATERIALIZED (
  -- 6. open_causes: silence 1, failure 2, latency 4
  SELECT c.*,
    CASE WHEN state = 'paused' THEN 0
         WHEN fails >= failures_to_open THEN 2
         WHEN slow >= failures_to_open THEN 4
         ELSE 0 END AS opens,
    CASE WHEN state = 'paused' THEN 'paused'
         WHEN fails >= failures_to_open OR slow >= failures_to_open THEN 'down'
         WHEN state = 'down' AND passes < passes_to_close THEN 'down'
         ELSE 'up' END AS to_state
  FROM counted c
), kept AS (
  INSERT INTO monitors_pushresult
    (team_id, monitor_id, received_at, id, status, latency_ms, message, labels)
  SELECT team_id, monitor_id, at, id, CASE WHEN fail THEN 'fail' ELSE 'pass' END, latency_ms,
    message, labels
  FROM decided
), changed AS (
  INSERT INTO monitors_transition
    (team_id, monitor_id, at, from_state, to_state, cause, since, detail)
  SELECT team_id, monitor_id, at, state, to_state,
    CASE opens WHEN 2 THEN 'failure' WHEN 4 THEN 'latency' END,
    CASE WHEN to_state = 'down' THEN at END,
    CASE WHEN opens = 4 THEN 'latency ' || latency_ms || ' ms' ELSE '' END
      || CASE WHEN opens = 4 AND message <> '' THEN ': ' ELSE '' END
      || left(coalesce(message, ''), 200)
  FROM decided
  WHERE state <> to_state OR (state = 'down' AND opens <> 0 AND open_causes & opens = 0)
  ORDER BY monitor_id
), moved AS (
  -- 7. a steady push touches no indexed column: check_at is set only where it was empty
  UPDATE monitors_heartbeat h SET
    last_push_at = d.at, clock_from = d.at,
    last_status = CASE WHEN d.fail THEN 'fail' ELSE 'pass' END,
    consecutive_fails = d.fails, consecutive_slow = d.slow, consecutive_passes = d.passes,
    state = d.to_state,
    cause = CASE WHEN d.to_state = 'up' THEN NULL
                 WHEN d.state = 'down' THEN d.cause
                 WHEN d.opens = 2 THEN 'failure' ELSE 'latency' END,
    open_causes = CASE WHEN d.to_state = 'up' THEN 0
                       WHEN d.state = 'down' THEN d.open_causes | d.opens
                       ELSE d.opens END,
    down_since = CASE WHEN d.to_state = 'up' THEN NULL
                      WHEN d.state = 'down' THEN d.down_since ELSE d.at END,
    check_at = coalesce(d.check_at, d.at)
  FROM decided d
  WHERE h.monitor_id = d.monitor_id AND d.state <> 'paused'
){receive}
SELECT n, 'kept', name, to_state, at, silent_after, grace, "interval", cron, cron_timezone,
  NULL::jsonb, monitor_id
FROM decided
UNION ALL
SELECT n, 'again', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, whose
FROM turn WHERE turn > 1{repeated}
"""

# name: record
# Commit a batch of pushes; returns one row per push that was kept or must come again.
RECORD = compact(_BATCH.format(fresh="", receive="", repeated=""))

# name: record_once
# The same for a batch with idempotency keys, whose heartbeats LOCK has taken: a repeat within a
# day is not stored and returns the first answer.
RECORD_ONCE = compact(
    _BATCH.format(
        fresh="""
    AND NOT EXISTS (
      SELECT FROM monitors_pushreceipt r
      WHERE r.monitor_id = l.monitor_id AND r.key = l.receipt
        AND r.created_at > now() - interval '24 hours')""",
        receive="""
, received AS (
  INSERT INTO monitors_pushreceipt (team_id, monitor_id, key, answer, created_at)
  SELECT team_id, monitor_id, receipt, jsonb_build_object(
      'id', id, 'status', CASE WHEN fail THEN 'fail' ELSE 'pass' END, 'name', name,
      'state', to_state, 'at', at, 'silent_after', silent_after, 'grace', grace,
      'interval', "interval", 'cron', cron, 'cron_timezone', cron_timezone), at
  FROM decided WHERE receipt IS NOT NULL
  ON CONFLICT (monitor_id, key) DO UPDATE SET answer = excluded.answer,
    created_at = excluded.created_at
)""",
        repeated="""
UNION ALL
SELECT l.n, 'repeat', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, r.answer, l.monitor_id
FROM locked l
JOIN monitors_pushreceipt r ON r.monitor_id = l.monitor_id AND r.key = l.receipt
  AND r.created_at > now() - interval '24 hours'""",
    )
)
