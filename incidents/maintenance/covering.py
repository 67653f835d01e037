"""Which monitors are in maintenance: by the spans that are written, for many at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from incidents.models import Maintenance

# Steps of each statement below:
# 1. `asked`: the monitors with an instant each; none at all while no window has any span.
# 2. `teams`: whose they are, and between which instants, for the index on (team, ends_at).
# 3. `live`: the spans of these teams that could cover one of them: few, or none.
# 4. A monitor is covered if its instant lies in a live span of a window that names it, or whose
#    labels (when there are any) it carries.
_LIVE = """
teams AS MATERIALIZED (
    SELECT team_id, min(at) AS earliest, max(at) AS latest FROM asked GROUP BY team_id
), live AS MATERIALIZED (
    SELECT s.team_id, s.starts_at, s.ends_at, w.id, w.labels
    FROM teams t
    JOIN incidents_maintenancespan s
        ON s.team_id = t.team_id AND s.ends_at > t.earliest AND s.starts_at <= t.latest
    JOIN incidents_maintenance w ON w.id = s.maintenance_id
)
"""
_COVERS = """
    l.team_id = a.team_id AND l.starts_at <= a.at AND l.ends_at > a.at
    AND ((l.labels <> '{}' AND a.labels @> l.labels) OR EXISTS (
        SELECT FROM incidents_maintenancemonitor k
        WHERE k.maintenance_id = l.id AND k.monitor_id = a.id
    ))
"""
_ASKED = """
WITH asked AS MATERIALIZED (
    SELECT r.n, m.id, m.team_id, m.labels, r.at
    FROM json_to_recordset(%s::json) AS r(n int, id uuid, at timestamptz)
    JOIN monitors_monitor m ON m.id = r.id
    WHERE EXISTS (SELECT FROM incidents_maintenancespan)
)
"""

# name: covered_monitors
# Say which of the monitors asked about were in maintenance at their instants.
_COVERED = (
    f"{_ASKED}, {_LIVE} SELECT a.n FROM asked a WHERE EXISTS (SELECT FROM live l WHERE {_COVERS})"
)

# name: current_windows
# Say which window holds each monitor asked about, the one that ends last if there are several.
_CURRENT = f"""
{_ASKED}, {_LIVE}
SELECT DISTINCT ON (a.id) a.id, l.id, l.ends_at
FROM asked a JOIN live l ON {_COVERS}
ORDER BY a.id, l.ends_at DESC, l.id
"""

# name: released
# Find outages that were held back and whose monitor is in no window any more, or is gone.
_RELEASED = f"""
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS at
), asked AS MATERIALIZED (
    SELECT m.id, m.team_id, m.labels, clock.at
    FROM incidents_heldoutage h JOIN monitors_monitor m ON m.id = h.monitor_id CROSS JOIN clock
), {_LIVE}
SELECT h.monitor_id FROM incidents_heldoutage h
WHERE NOT EXISTS (
    SELECT FROM asked a JOIN live l ON {_COVERS} WHERE a.id = h.monitor_id
)
ORDER BY h.at, h.monitor_id
LIMIT %s
"""

# name: count_covered
# Count the monitors that each window covers.
_COUNTS = """
SELECT w.id, count(m.id)
FROM incidents_maintenance w JOIN monitors_monitor m
    ON m.team_id = w.team_id AND ((w.labels <> '{}' AND m.labels @> w.labels) OR EXISTS (
        SELECT FROM incidents_maintenancemonitor k
        WHERE k.maintenance_id = w.id AND k.monitor_id = m.id
    ))
WHERE w.id = ANY(%s)
GROUP BY w.id
"""


@dataclass(frozen=True, slots=True)
class Cover:
    """The window that holds a monitor, and until when."""

    maintenance: Maintenance
    until: datetime


def covered_monitors(pairs: Sequence[tuple[UUID, datetime]]) -> set[int]:
    """Return the indexes of the pairs whose monitor was in maintenance at the instant.

    One statement, whatever the number; the spans of the monitor's own team alone count.
    """
    asked = [{"n": n, "id": pk, "at": at} for n, (pk, at) in enumerate(pairs)]
    return {row[0] for row in _rows(_COVERED, _json(asked))} if asked else set()


def current_windows(monitor_ids: Collection[UUID], at: datetime) -> dict[UUID, Cover]:
    """Return the windows in which monitors are at an instant, by monitor; call it in a scope."""
    asked = [{"n": 0, "id": pk, "at": at} for pk in monitor_ids]
    found = _rows(_CURRENT, _json(asked)) if asked else []
    windows = Maintenance.objects.in_bulk({row[1] for row in found}) if found else {}
    return {pk: Cover(windows[window], until) for pk, window, until in found if window in windows}


def released(limit: int) -> list[UUID]:
    """Return up to `limit` monitors whose outage is held and that are in no window now.

    The earliest outages come first; a monitor that is gone counts as released.
    """
    return [row[0] for row in _rows(_RELEASED, limit)]


def count_covered(maintenance_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return how many monitors each window covers; call it with the ids of one's own team."""
    counts = dict.fromkeys(maintenance_ids, 0)
    return counts | dict(_rows(_COUNTS, list(maintenance_ids)))


def _rows(statement: str, parameter: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [parameter])
        return list(cursor.fetchall())


def _json(rows: list[dict[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()
