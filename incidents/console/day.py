"""A team's last 24 hours as one strip: how many monitors were down, by the quarter of an hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from accounts.durations import say_time
from monitors.console.strip import WIDTH

BUCKETS = 96
BUCKET = timedelta(minutes=15)
HEIGHT, BASE = 40.0, 12.0  # of the strip, and of a quarter in which all was well

# name: day_of_team
# For each quarter of an hour, how many of the team's monitors had an incident in it.
_DAY_SQL = """
SELECT q.i, count(DISTINCT d.monitor_id)
FROM generate_series(0, %(buckets)s - 1) AS q(i)
JOIN incidents_incident d ON d.team_id = %(team)s
  AND d.down_since < %(since)s::timestamptz + (q.i + 1) * interval '15 minutes'
  AND coalesce(d.resolved_at, 'infinity')
    > %(since)s::timestamptz + q.i * interval '15 minutes'
WHERE d.resolved_at IS NULL OR d.resolved_at > %(since)s
GROUP BY q.i
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
        cursor.execute(_DAY_SQL, {"team": team_id, "since": since, "buckets": BUCKETS})
        down = dict(cursor.fetchall())
    most = max(down.values(), default=0)
    first = max(0, int((first_monitor_at - since) / BUCKET))
    quarters = [_quarter(i, down.get(i, 0), most, since) for i in range(first, BUCKETS)]
    return Day(tuple(quarters), _summarise(down, most))


def _quarter(index: int, down: int, most: int, since: datetime) -> Quarter:
    height = BASE + (HEIGHT - BASE) * down / most if down else BASE
    start = since + index * BUCKET
    said = f"{down} down" if down else "Nothing down"
    return Quarter(
        x=round(index * WIDTH / BUCKETS, 2),
        y=round(HEIGHT - height, 1),
        height=round(height, 1),
        down=down,
        title=f"{said}, {say_time(start)} and 15 min on",
    )


def _summarise(down: dict[int, int], most: int) -> str:
    if not down:
        return "Nothing was down in the last 24 hours."
    monitors = "1 monitor was" if most == 1 else f"{most} monitors were"
    return f"At worst {monitors} down within one quarter of an hour."
