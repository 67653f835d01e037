"""Which components may have changed: what is asked every second, so a few cheap statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

LOCK_KEY = 7_203_021  # pg_advisory_xact_lock: one refresh at a time, whoever runs it
STAMP, STAMP_ALL = "pages:seen", "pages:all"
# Changes become visible when their batch commits, after the instant that they carry.
LOOK_BACK = timedelta(seconds=30)
ALL_EVERY = timedelta(seconds=60)
STAMP_EVERY = timedelta(seconds=5)

# name: clock
# Take the lock; let no statement of the transaction last long; say what time it is and when the
# last rounds were.
_CLOCK = """
SELECT pg_try_advisory_xact_lock(%s), set_config('statement_timeout', '5s', true),
  clock_timestamp(),
  (SELECT at FROM monitors_enginestamp WHERE name = %s),
  (SELECT at FROM monitors_enginestamp WHERE name = %s)
"""

# name: fresh_changes
# The changes of monitors that became known since the last round and were not looked at yet. Those
# that have made no incident yet count too: a page need not wait for them. The array must be of the
# column's type: only then is it hashed, and after a flood it has a hundred thousand elements.
_FRESH = """
(SELECT id, monitor_id, coalesce(since, at), handled_at FROM monitors_transition
 WHERE handled_at > %(since)s AND id <> ALL(%(seen)s::bigint[])
 ORDER BY handled_at, id LIMIT %(limit)s)
UNION ALL
(SELECT id, monitor_id, coalesce(since, at), NULL FROM monitors_transition
 WHERE handled_at IS NULL AND id <> ALL(%(seen)s::bigint[])
 ORDER BY id LIMIT %(limit)s)
"""

# name: candidates
# Components that may have to be shown otherwise, and since when what is known of them may differ.
# 1. Those of monitors that changed. 2. Those whose history is to be written anew. 3. Those whose
# state is somebody's word, which may have been taken back. 4. Those of posts that say how they are.
# 5. Those in a maintenance window of their page. 6. Those that were edited.
# 7. Once a minute all whose open span is not what their monitors say.
_CANDIDATES = """
WITH fresh AS MATERIALIZED (
  SELECT * FROM unnest(%(monitors)s::uuid[], %(began)s::timestamptz[]) AS f(monitor_id, began)
), edited AS (
  (SELECT id, NULL::timestamptz AS began FROM statuspages_component
   WHERE history_stale_at IS NOT NULL ORDER BY history_stale_at LIMIT %(limit)s)
  UNION ALL
  SELECT id, NULL FROM statuspages_component
  WHERE updated_at > %(now)s - interval '5 seconds'
    OR (manual_status <> '' AND manual_status <> status)
), spoken AS (
  SELECT component_id, NULL::timestamptz FROM statuspages_componentspan
  WHERE ended_at IS NULL AND NOT derived
  UNION ALL
  SELECT l.component_id, NULL
  FROM statuspages_post p JOIN statuspages_postcomponent l ON l.post_id = p.id
  WHERE p.resolved_at IS NULL AND p.published_at IS NOT NULL
    AND (l.status <> '' OR p.status IN ('in_progress', 'verifying'))
), differing AS (
  SELECT x.id, NULL::timestamptz FROM (
    SELECT c.id, c.rule, count(l.id) AS links,
      count(*) FILTER (WHERE h.state = 'down') AS down,
      count(*) FILTER (WHERE h.state IN ('up', 'down')) AS known
    FROM statuspages_component c
    LEFT JOIN statuspages_componentmonitor l ON l.component_id = c.id
    LEFT JOIN monitors_heartbeat h ON h.monitor_id = l.monitor_id
    WHERE %(all)s AND c.manual_status = '' GROUP BY c.id) x
  LEFT JOIN statuspages_componentspan s ON s.component_id = x.id AND s.ended_at IS NULL
  WHERE coalesce(s.derived, true) AND coalesce(s.kind, '') <> CASE
    WHEN links = 0 OR (known > 0 AND down = 0) THEN ''
    WHEN known = 0 THEN 'no_data'
    WHEN rule = 'any' OR (rule = 'majority' AND 2 * down > known)
      OR (rule = 'all' AND down = known) THEN 'major'
    ELSE 'partial' END
)
SELECT id, min(began) FROM (
  SELECT l.component_id AS id, f.began
  FROM fresh f JOIN statuspages_componentmonitor l ON l.monitor_id = f.monitor_id
  UNION ALL SELECT * FROM edited
  UNION ALL SELECT * FROM spoken
  UNION ALL SELECT component_id, NULL FROM ({covered}) covered
  UNION ALL SELECT * FROM differing) found
GROUP BY id
"""

# name: covered_components
# Components of which a monitor is in a maintenance window that is announced on their page.
COVERED = """
SELECT DISTINCT l.component_id
FROM incidents_maintenance w
JOIN incidents_maintenancespan s
  ON s.maintenance_id = w.id AND s.starts_at <= %(now)s AND s.ends_at > %(now)s
JOIN statuspages_component c ON c.page_id = w.status_page_id AND c.team_id = w.team_id
JOIN statuspages_componentmonitor l ON l.component_id = c.id
JOIN monitors_monitor m ON m.id = l.monitor_id
WHERE w.status_page_id IS NOT NULL AND ((w.labels <> '{}' AND m.labels @> w.labels) OR EXISTS (
  SELECT FROM incidents_maintenancemonitor k
  WHERE k.maintenance_id = w.id AND k.monitor_id = m.id))
"""

# name: stamp
# Say how far a part has come.
_STAMP = """
INSERT INTO monitors_enginestamp (name, at) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET at = excluded.at
"""


class Clock(NamedTuple):
    """What time it is, and what the rounds before have looked at."""

    now: datetime
    last: datetime | None
    last_all: datetime | None

    @property
    def since(self) -> datetime:
        """From when on changes may have been missed."""
        return min(self.last or self.now, self.now) - LOOK_BACK

    @property
    def is_all_due(self) -> bool:
        """Whether everything is to be looked at."""
        return self.last_all is None or self.now - self.last_all >= ALL_EVERY


class Fresh(NamedTuple):
    """A monitor's change that began at `began`; `handled_at` is empty until incidents know it."""

    id: int
    monitor_id: UUID
    began: datetime
    handled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A component, and since when its monitors may have changed."""

    id: UUID
    began: datetime | None


def take_clock() -> Clock | None:
    """Take the lock until the transaction's end; None if somebody else has it."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOCK, [LOCK_KEY, STAMP, STAMP_ALL])
        taken, _, *times = cursor.fetchone()
    return Clock(*times) if taken else None


def fresh_changes(*, since: datetime, seen: Sequence[int], limit: int) -> list[Fresh]:
    """Return up to `limit` changes that became known after `since`, and as many newer ones."""
    with connection.cursor() as cursor:
        cursor.execute(_FRESH, {"since": since, "seen": list(seen), "limit": limit})
        return [Fresh(*row) for row in cursor.fetchall()]


def find_candidates(clock: Clock, fresh: Sequence[Fresh], *, limit: int) -> list[Candidate]:
    """Return the components that may have to be shown otherwise."""
    values: dict[str, Any] = {
        "monitors": [change.monitor_id for change in fresh],
        "began": [change.began for change in fresh],
        "now": clock.now,
        "all": clock.is_all_due,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CANDIDATES.replace("{covered}", COVERED), values)
        return [Candidate(*row) for row in cursor.fetchall()]


def stamp(name: str, at: datetime) -> None:
    """Note how far a part has come."""
    with connection.cursor() as cursor:
        cursor.execute(_STAMP, [name, at])
