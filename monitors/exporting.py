"""All results of a team for its export: a file for each month, monitor after monitor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.exporting import read_page, write_lines
from accounts.models import Team
from monitors.partitions import partition_days

PAGE_ROWS = 1000
MOST_MONITORS = 500

# name: monitors
# A team's monitors, those too that are deleted.
_MONITORS = """
SELECT id FROM monitors_monitor WHERE team_id = %(team)s
UNION SELECT monitor_id FROM monitors_transition WHERE team_id = %(team)s
ORDER BY id
"""

# name: pushed
# Which of some monitors have results in a stretch of time.
_PUSHED = """
SELECT id FROM unnest(%(some)s::uuid[]) AS m (id)
WHERE EXISTS (
  SELECT 1 FROM monitors_pushresult r WHERE r.monitor_id = m.id
    AND r.received_at >= %(since)s AND r.received_at < %(until)s
)
ORDER BY id
"""

# name: page
# A page of one monitor's results, in the order of their index.
_PAGE = """
SELECT id, monitor_id, received_at, status, latency_ms, message, labels FROM monitors_pushresult
WHERE team_id = %(team)s AND monitor_id = %(monitor)s
  AND received_at >= %(since)s AND received_at < %(until)s
  AND (received_at, id) > (%(since)s, %(last)s)
ORDER BY received_at, id LIMIT %(rows)s
"""
_NAMES = ("id", "monitor_id", "received_at", "status", "latency_ms", "message", "labels")
_LEAST = UUID(int=0)


def export_results(team: Team) -> Iterator[tuple[str, Iterator[str]]]:
    """Return the files of a team's results by month, each page by page."""
    months = sorted({day.replace(day=1) for day in read_page(partition_days)})
    known = [row[0] for row in _read(_MONITORS, {"team": team.pk})] if months else []
    for first in months:
        since, until = _midnight(first), _midnight((first + timedelta(days=32)).replace(day=1))
        values = {"team": team.pk, "since": since, "until": until}
        monitors = _pushed(known, values)
        if monitors:
            yield f"results/{first:%Y-%m}.jsonl", _pages(monitors, values)


def _pushed(known: list[UUID], values: dict[str, Any]) -> list[UUID]:
    found: list[UUID] = []
    for start in range(0, len(known), MOST_MONITORS):
        some = known[start : start + MOST_MONITORS]
        found += [row[0] for row in _read(_PUSHED, values | {"some": some})]
    return found


def _pages(monitors: list[UUID], values: dict[str, Any]) -> Iterator[str]:
    for monitor in monitors:
        since, last = values["since"], _LEAST
        while True:
            place = {"monitor": monitor, "since": since, "last": last, "rows": PAGE_ROWS}
            page = _read(_PAGE, values | place)
            yield write_lines(_show(row) for row in page)
            if len(page) < PAGE_ROWS:
                break
            last, since = page[-1][0], page[-1][2]


def _show(row: tuple[Any, ...]) -> dict[str, Any]:
    shown = dict(zip(_NAMES, row, strict=True))
    if isinstance(shown["labels"], str):  # what a cursor of Django's makes of JSON
        shown["labels"] = json.loads(shown["labels"])
    return shown


def _read(statement: str, values: dict[str, Any]) -> list[Any]:
    def read() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    return read_page(read)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
