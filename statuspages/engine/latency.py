"""Hourly latencies of components, from what their monitors were pushed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from statuspages.view import LatencyPoint

HOURS = 24
_MONITORS = 10
_SLOTS = 12
_ROWS = 20

# name: latency_points
# The median and 95th percentile of each component's latencies per hour. However often its monitors
# push, at most 240 results of an hour are read of each, spread over it: 20 from every 5 minutes.
_POINTS = """
WITH links AS MATERIALIZED (
  SELECT component_id, team_id, monitor_id FROM (
    SELECT component_id, team_id, monitor_id,
      row_number() OVER (PARTITION BY component_id ORDER BY monitor_id) AS place
    FROM statuspages_componentmonitor WHERE component_id = ANY(%(components)s)) l
  WHERE place <= %(monitors)s
)
SELECT l.component_id, s.slot / %(slots)s AS hour,
  percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY r.latency_ms)
FROM links l
CROSS JOIN generate_series(0, %(hours)s * %(slots)s - 1) AS s(slot)
CROSS JOIN LATERAL (
  SELECT latency_ms FROM monitors_pushresult
  WHERE monitor_id = l.monitor_id AND team_id = l.team_id AND latency_ms IS NOT NULL
    AND received_at >= %(since)s::timestamptz + s.slot * interval '1 hour' / %(slots)s
    AND received_at < %(since)s::timestamptz + (s.slot + 1) * interval '1 hour' / %(slots)s
  LIMIT %(rows)s) r
GROUP BY 1, 2
"""


def latency_points(
    component_ids: Collection[UUID], *, now: datetime
) -> dict[UUID, tuple[LatencyPoint, ...]]:
    """Return the last 24 full and present hours of each component, oldest first.

    One query for all of them, none for none. An hour without a measured latency is a gap.
    """
    if not component_ids:
        return {}
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    values: dict[str, Any] = {
        "components": list(component_ids),
        "monitors": _MONITORS,
        "since": since,
        "hours": HOURS,
        "slots": _SLOTS,
        "rows": _ROWS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_POINTS, values)
        measured = {(component, hour): pair for component, hour, pair in cursor.fetchall()}
    return {
        component: tuple(
            LatencyPoint(since + timedelta(hours=hour), *measured.get((component, hour), _GAP))
            for hour in range(HOURS)
        )
        for component in component_ids
    }


_GAP = (None, None)
