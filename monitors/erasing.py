"""Erasing a team's results: they have no key to their team, and lie in a table for each day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.erasing import BATCH, erase_rows
from monitors.partitions import partition_days, partition_name
from monitors.queries import database_now

MOST_MONITORS = 500
KNOWN_DAYS = 390  # for so long a deleted monitor is known by its last transition

# name: close
# Without a heartbeat no push of a monitor is accepted: what was pushed until then is all there is.
_CLOSE = """
DELETE FROM monitors_heartbeat WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM monitors_heartbeat WHERE team_id = %s LIMIT %s FOR UPDATE SKIP LOCKED))
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
    while True:
        erase_rows(_CLOSE, [team_id, BATCH])
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM monitors_heartbeat WHERE team_id = %s", [team_id])
            if cursor.fetchone() is None:
                break
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


def _erase(table: str, whose: str, values: list[Any]) -> None:
    statement = _ERASE.format(table=table, whose=whose)
    while erase_rows(statement, [*values, BATCH]) >= BATCH:
        pass


def _chunks(ids: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), MOST_MONITORS):
        yield ids[start : start + MOST_MONITORS]
