"""Erasing a team's results: they have no key to their team, and lie in a table for each day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from time import sleep
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.erasing import BATCH, erase_rows, erase_through
from monitors.models import Heartbeat
from monitors.partitions import partition_days, partition_name
from monitors.queries import database_now

MOST_MONITORS = 500
PAUSE_SECONDS = 0.2
KNOWN_DAYS = 390  # for so long a deleted monitor is known by its last transition

# name: open
# Monitors of a team that still accept what is pushed: those that have a heartbeat.
_OPEN = """
SELECT 1 FROM monitors_monitor m JOIN monitors_heartbeat h ON h.monitor_id = m.id
WHERE m.team_id = %s LIMIT 1
"""

# name: monitors
# The team's monitors, those too that are deleted and whose results are still there.
_MONITORS = """
SELECT id FROM monitors_monitor WHERE team_id = %(team)s
UNION SELECT monitor_id FROM monitors_transition WHERE team_id = %(team)s
"""

# name: erase_results
_ERASE = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM {table} WHERE {whose} LIMIT %s FOR UPDATE SKIP LOCKED))
"""


def erase_results(team_id: UUID) -> None:
    """Erase every result of a team, some at a time; from now on it accepts no push."""
    # Without a heartbeat no push is accepted: what was pushed until then is all there is.
    erase_through(Heartbeat, team_id)
    while _is_open(team_id):
        sleep(PAUSE_SECONDS)  # a push holds one
        erase_through(Heartbeat, team_id)
    with connection.cursor() as cursor:
        cursor.execute(_MONITORS, {"team": team_id})
        ids = [pk for (pk,) in cursor.fetchall()]
    known = database_now().date() - timedelta(days=KNOWN_DAYS)
    for day in partition_days():
        if day < known:
            _erase(partition_name(day), "team_id = %s", [team_id])
            continue
        for some in _chunks(ids):
            _erase(partition_name(day), "team_id = %s AND monitor_id = ANY(%s)", [team_id, some])


def _is_open(team_id: UUID) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [team_id])
        return cursor.fetchone() is not None


def _erase(table: str, whose: str, values: list[Any]) -> None:
    statement = _ERASE.format(table=table, whose=whose)
    while erase_rows(statement, [*values, BATCH]) >= BATCH:
        pass


def _chunks(ids: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), MOST_MONITORS):
        yield ids[start : start + MOST_MONITORS]
