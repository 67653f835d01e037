"""A team's last 24 hours as one strip: how many incidents each quarter of an hour saw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from uuid import UUID

from django.db import connection

from accounts.durations import say_both
from accounts.zones import reader_zone
from monitors.console.strip import WIDTH

BUCKETS = 96
BUCKET = timedelta(minutes=15)
HEIGHT, BASE = 40.0, 12.0  # of the strip, and of a quarter in which all was well

# name: day_of_team
# The team's incidents of the last day by the quarters in which they began and ended.
_DAY_SQL = """
SELECT greatest(0, floor(extract(epoch FROM down_since - %(since)s) / 900))::int,
       floor(extract(epoch FROM coalesce(resolved_at, %(now)s) - %(since)s) / 900)::int,
       count(*)
FROM incidents_incident
WHERE team_id = %(team)s AND (resolved_at IS NULL OR resolved_at > %(since)s)
GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Quarter:
    """A bar of the strip; without monitors there is none."""

    x: float
    y: float
    height: float
    down: int
    title: str


@dataclass(frozen=True, slots=True)
class Day:
    """The bars, and the day in a sentence."""

    quarters: tuple[Quarter, ...]
    summary: str
    width: float = WIDTH / BUCKETS * 0.8


def read_day(*, team_id: UUID, first_monitor_at: datetime | None, now: datetime) -> Day:
    """Return the strip that ends now. What lies before the first monitor is a gap."""
    since = now - BUCKETS * BUCKET
    if first_monitor_at is None:
        return Day((), "No monitor yet.")
    with connection.cursor() as cursor:
        cursor.execute(_DAY_SQL, {"team": team_id, "since": since, "now": now})
        down = count_quarters(cursor.fetchall())
    most = max(down)
    first = max(0, int((first_monitor_at - since) / BUCKET))
    quarters = [_quarter(i, down[i], most, since) for i in range(first, BUCKETS)]
    return Day(tuple(quarters), _summarise(most))


def count_quarters(spans: Iterable[tuple[int, int, int]]) -> list[int]:
    """Return for each quarter how many incidents it touches; `spans` are (first, last, count)."""
    steps = [0] * (BUCKETS + 1)
    for first, last, count in spans:
        if first < BUCKETS:
            steps[first] += count
            steps[max(first, min(last, BUCKETS - 1)) + 1] -= count
    return list(accumulate(steps[:BUCKETS]))


def _quarter(index: int, down: int, most: int, since: datetime) -> Quarter:
    height = BASE + (HEIGHT - BASE) * down / most if down else BASE
    start = since + index * BUCKET
    said = f"{down} incident{'s' if down > 1 else ''}" if down else "Nothing down"
    return Quarter(
        x=round(index * WIDTH / BUCKETS, 2),
        y=round(HEIGHT - height, 1),
        height=round(height, 1),
        down=down,
        title=f"{said}, {say_both(start, reader_zone(), between=' · ')} and 15 min on",
    )


def _summarise(most: int) -> str:
    if not most:
        return "Nothing was down in the last 24 hours."
    incidents = "1 incident" if most == 1 else f"{most} incidents"
    return f"At worst {incidents} within one quarter of an hour."
