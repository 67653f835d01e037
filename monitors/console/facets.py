"""What a monitor's results have in common: how often each label value and each status was sent.

Counted over a bounded number of the newest results of a time, and the page says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from monitors.console.results import chip

COUNTED = 1_000
MOST_KEYS = 6
MOST_VALUES = 5

# name: label_facets
# The commonest values of the commonest labels among the newest results of a time, and their
# statuses (no key). The results are read by the primary key, so that their number bounds the work.
_FACETS_SQL = """
WITH newest AS MATERIALIZED (
  SELECT status, labels FROM monitors_pushresult
  WHERE team_id = %(team)s AND monitor_id = %(monitor)s
    AND received_at >= %(since)s AND received_at <= %(until)s
  ORDER BY received_at DESC, id DESC LIMIT %(counted)s
), pairs AS (
  SELECT e.key, e.value, count(*) AS n
  FROM newest, jsonb_each_text(CASE jsonb_typeof(labels) WHEN 'object' THEN labels END) e
  GROUP BY e.key, e.value
), ranked AS (
  SELECT key, value, n, sum(n) OVER w AS whole, count(*) OVER w AS various,
    row_number() OVER (PARTITION BY key ORDER BY n DESC, value) AS place
  FROM pairs WINDOW w AS (PARTITION BY key)
), keyed AS (
  SELECT *, dense_rank() OVER (ORDER BY whole DESC, key) AS key_place FROM ranked
)
SELECT NULL, status, count(*), 0, 0 FROM newest GROUP BY status
UNION ALL
(SELECT key, value, n, various, key_place FROM keyed
 WHERE place <= %(values)s AND key_place <= %(keys)s ORDER BY key_place, place)
"""


@dataclass(frozen=True, slots=True)
class Facet:
    """A label: its commonest values with what the address calls them, and how many others."""

    key: str
    values: list[tuple[str, str, int]]
    others: int


@dataclass(frozen=True, slots=True)
class Facets:
    """What was counted; `counted` results of a time, all of it unless `is_part`."""

    statuses: dict[str, int]
    labels: list[Facet]
    counted: int

    @property
    def is_part(self) -> bool:
        """Whether there may be more results than were counted."""
        return self.counted >= COUNTED


def count_facets(*, team_id: UUID, monitor_id: UUID, since: datetime, until: datetime) -> Facets:
    """Return what the newest results of a time have in common; one query."""
    values: dict[str, Any] = {
        "team": team_id,
        "monitor": monitor_id,
        "since": since,
        "until": until,
        "counted": COUNTED,
        "values": MOST_VALUES,
        "keys": MOST_KEYS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FACETS_SQL, values)
        rows = cursor.fetchall()
    statuses = {value: count for key, value, count, _, _ in rows if key is None}
    found: dict[str, Facet] = {}
    for key, value, count, various, _ in rows:
        if key is not None:
            _, shown, name = chip(key, value)
            facet = found.setdefault(key, Facet(key, [], max(0, various - MOST_VALUES)))
            facet.values.append((shown, name, count))
    # A label that is another one with each push, as the id of a run, has nothing in common.
    common = [f for f in found.values() if not f.others or f.values[0][2] > 1]
    return Facets(statuses, common, sum(statuses.values()))
