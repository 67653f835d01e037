"""After the database went back in time: what was told in the time that is gone is not told again.

A restore to a point before the failure brings back messages that went out after that point. Which
of them did, the database no longer knows. Whatever was due by then almost certainly did, so it is
taken as sent, and says so; whatever lies ahead waits for a while in which monitors push, incidents
of the healthy end, and people look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection, transaction
from django.utils.module_loading import import_string
from django_scopes import scopes_disabled

from incidents.channels.base import FIRING
from incidents.delivery.aftermath import rescue_unreached
from incidents.lifecycle.lanes import advance
from incidents.notifications.handoffs import announce_handoffs
from monitors.queries import database_now
from monitors.sweep import sweep

QUIET_SECONDS = 600
# A message is claimed within a second or two of being due.
DUE_SLACK = timedelta(seconds=5)
RUNNING = timedelta(seconds=3)
DETAIL = "Taken as sent: the database was restored to {point:%Y-%m-%d %H:%M:%S} UTC."

# name: point
# The last sign of life of any part: up to when the database remembers.
POINT = """
SELECT max(at) FROM (
  SELECT at FROM monitors_listeningstamp UNION ALL SELECT at FROM monitors_enginestamp) stamps
"""

# name: take_as_sent
# Messages that were under way or due, and those made just now of what had not been looked at. A
# message that is repeated as long as its incident lasts goes on.
TAKE_AS_SENT = """
WITH taken AS (
  UPDATE incidents_delivery SET state = 'delivered', lease_token = NULL, finished_at = now(),
    rescue = false, attempts = attempts || jsonb_build_object(
      'at', now(), 'outcome', 'restored', 'detail', %(detail)s::text)
  WHERE event <> %(firing)s AND (
    (state = 'sending' OR state = 'pending'
      AND (attempt_count > 0 OR next_attempt_at <= %(until)s
        OR created_at >= %(began)s AND next_attempt_at <= now()))
    OR state = 'bundled' AND bundle_id IN (
      SELECT id FROM incidents_delivery WHERE state IN ('pending', 'sending')))
  RETURNING team_id, incident_id
), told AS (
  INSERT INTO incidents_timelineevent (team_id, incident_id, at, kind, actor, text)
  SELECT team_id, incident_id, clock_timestamp(), 'note', 'tocsin',
    count(*) || CASE count(*) WHEN 1 THEN ' message. ' ELSE ' messages. ' END || %(detail)s
  FROM taken WHERE incident_id IS NOT NULL GROUP BY team_id, incident_id
)
SELECT count(*) FROM taken
"""

# name: hold_messages
# What lies ahead, such as a second contact method, waits at least until the quiet time is over.
HOLD_MESSAGES = """
UPDATE incidents_delivery SET next_attempt_at = greatest(next_attempt_at, %(quiet)s)
WHERE state = 'pending' AND event <> %(firing)s
"""
HOLD_STEPS = """
UPDATE incidents_escalation SET next_step_at = greatest(next_step_at, %(quiet)s)
WHERE next_step_at IS NOT NULL
"""
HOLD_TIMERS = """
UPDATE incidents_incident SET
  wake_at = CASE WHEN wake_at IS NOT NULL THEN greatest(wake_at, %(quiet)s) END,
  settle_at = CASE WHEN settle_at IS NOT NULL THEN greatest(settle_at, %(quiet)s) END
WHERE state <> 'resolved' AND (wake_at IS NOT NULL OR settle_at IS NOT NULL)
"""

# name: open
# What the operator should look at: nobody knows what became of these in the time that is gone.
OPEN = """
SELECT i.id, t.slug, i.monitor_name FROM incidents_incident i
JOIN accounts_team t ON t.id = i.team_id
WHERE i.state <> 'resolved' ORDER BY i.opened_at DESC LIMIT 1000
"""


class StillRunning(Exception):  # noqa: N818 (it says what is wrong, not that something broke)
    """Processes work on the database, or did until a moment ago."""


@dataclass(frozen=True)
class Restored:
    """What was done: up to when the database remembers, and until when nobody is paged by timers.

    `open` lists the incidents that are open, as (id, team, monitor).
    """

    point: datetime
    quiet_until: datetime
    taken_as_sent: int
    open: list[tuple[UUID, str, str]]


def quieten_restored(*, quiet_seconds: float = QUIET_SECONDS) -> Restored:
    """Take what was due when the database was left as told, and hold back what lies ahead.

    It runs after a restore and before any other process. Raises StillRunning where some part has
    worked within the last seconds.
    """
    began = database_now()
    with connection.cursor() as cursor:
        cursor.execute(POINT)
        point: datetime = cursor.fetchone()[0] or began
    if began - point < RUNNING:
        raise StillRunning
    with scopes_disabled():
        # What the engine had not looked at yet it did a second later: incidents first, silently.
        sweep()
        advance()
        rescue_unreached()
        announce_handoffs()
        with transaction.atomic(), connection.cursor() as cursor:
            quiet_until = began + timedelta(seconds=quiet_seconds)
            values: dict[str, Any] = {
                "began": began,
                "until": point + DUE_SLACK,
                "quiet": quiet_until,
                "firing": FIRING,
                "detail": DETAIL.format(point=point),
            }
            cursor.execute(TAKE_AS_SENT, values)
            taken: int = cursor.fetchone()[0]
            for statement in (HOLD_MESSAGES, HOLD_STEPS, HOLD_TIMERS):
                cursor.execute(statement, values)
            for part in _other_parts():
                taken += part(until=point + DUE_SLACK, detail=values["detail"])
            cursor.execute(OPEN)
            left = cursor.fetchall()
    return Restored(point, quiet_until, taken, left)


def _other_parts() -> list[Callable[..., int]]:
    """Return what rooms above this one name as `restore_parts` in their AppConfig."""
    named = (getattr(room, "restore_parts", ()) for room in apps.get_app_configs())
    return [import_string(path) for paths in named for path in paths]
