"""The latency plot: median and 95th percentile per bucket, drawn on the server.

A bucket without a measured latency is a gap in the line, never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.zones import reader_zone
from monitors.console.timespan import Span

WIDTH, HEIGHT, TOP = 1_000.0, 160.0, 8.0
BUCKETS = 96
LEAST = 0.001  # milliseconds; below it there is nothing to draw a scale for
WHOLE = 10_000  # up to so many results every one is read; of more, a sample
SLICES, PER_SLICE = 6, 12  # of each bucket, and the results that are read of each
_UNITS = ((86_400_000.0, "d"), (3_600_000.0, "h"), (60_000.0, "min"), (1_000.0, "s"))
_AXES = {
    "1h": ("60 min ago", "45 min", "30 min", "15 min", "now"),
    "6h": ("6 h ago", "4 h 30 min", "3 h", "1 h 30 min", "now"),
    "24h": ("24 h ago", "18 h", "12 h", "6 h", "now"),
    "7d": ("7 d ago", "5 d 6 h", "3 d 12 h", "1 d 18 h", "now"),
    "30d": ("30 d ago", "22 d 12 h", "15 d", "7 d 12 h", "now"),
}

# name: latency_size
# Whether a monitor sent more results in a time than are read one by one: as many as there are, up
# to that number and one more.
_SIZE_SQL = """
SELECT count(*) FROM (
  SELECT FROM monitors_pushresult
  WHERE team_id = %(team)s AND monitor_id = %(monitor)s
    AND received_at >= %(since)s::timestamptz AND received_at < %(until)s::timestamptz
  LIMIT %(whole)s + 1) AS counted
"""

# name: latency_buckets
# The 50th and 95th percentile of a monitor's latencies per bucket of a time range.
_BUCKETS_SQL = """
SELECT floor(extract(epoch FROM received_at - %(since)s::timestamptz) / %(width)s)::int AS bucket,
       count(*), percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY latency_ms)
FROM monitors_pushresult
WHERE team_id = %(team)s AND monitor_id = %(monitor)s
  AND received_at >= %(since)s::timestamptz AND received_at < %(until)s::timestamptz
  AND latency_ms IS NOT NULL
GROUP BY 1 ORDER BY 1
"""

# name: latency_sample
# The same of a sample: each bucket is cut into slices, and of each the first results are read by
# the primary key. So the work is bounded, however many results there are.
_SAMPLE_SQL = """
SELECT s.n / %(slices)s AS bucket, count(*),
       percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY r.latency_ms)
FROM generate_series(0, %(all_slices)s - 1) AS s(n)
CROSS JOIN LATERAL (
  SELECT latency_ms FROM monitors_pushresult
  WHERE team_id = %(team)s AND monitor_id = %(monitor)s
    AND received_at >= %(since)s::timestamptz AND received_at < %(until)s::timestamptz
    AND received_at >= %(since)s::timestamptz + s.n * %(slice)s * interval '1 second'
    AND received_at < %(since)s::timestamptz + (s.n + 1) * %(slice)s * interval '1 second'
  ORDER BY received_at, id LIMIT %(per_slice)s) AS r
WHERE r.latency_ms IS NOT NULL
GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was measured in one stretch; latencies in milliseconds."""

    index: int
    started_at: datetime
    count: int
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the plot and its words."""

    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """What the template draws; y grows downwards, as SVG has it."""

    span: Span
    is_sample: bool
    bucket_seconds: float
    buckets: tuple[Bucket, ...]
    median_path: str
    high_path: str
    ticks: tuple[Tick, ...]
    times: tuple[str, ...]
    limit: Tick | None
    median_label: Tick | None
    high_label: Tick | None


def read_buckets(*, team_id: UUID, monitor_id: UUID, span: Span) -> tuple[list[Bucket], bool]:
    """Return the buckets of a time that hold a latency, and whether they are of a sample.

    Two queries, which read at most WHOLE or BUCKETS * SLICES * PER_SLICE results.
    """
    width = span.seconds / BUCKETS
    values: dict[str, Any] = {
        "team": team_id,
        "monitor": monitor_id,
        "since": span.since,
        "until": span.until,
        "width": width,
        "whole": WHOLE,
        "slices": SLICES,
        "all_slices": BUCKETS * SLICES,
        "slice": width / SLICES,
        "per_slice": PER_SLICE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SIZE_SQL, values)
        is_sample = cursor.fetchone()[0] > WHOLE
        cursor.execute(_SAMPLE_SQL if is_sample else _BUCKETS_SQL, values)
        found = [
            Bucket(index, span.since + timedelta(seconds=index * width), count, middle, high)
            for index, count, (middle, high) in cursor.fetchall()
            if index < BUCKETS
        ]
    return found, is_sample


def draw_plot(
    buckets: Sequence[Bucket], *, span: Span, limit_ms: float | None, is_sample: bool = False
) -> Plot:
    """Return the plot of some buckets. The limit is drawn where it does not flatten the lines."""
    most = max((bucket.high for bucket in buckets), default=0.0)
    drawn_limit = limit_ms if limit_ms and limit_ms <= 3 * most else None
    top = nice_ceiling(max(most, drawn_limit or 0.0))
    last = buckets[-1] if buckets else None
    labels = _spread((_y(last.median, top), _y(last.high, top)) if last else (HEIGHT, HEIGHT))
    return Plot(
        span=span,
        is_sample=is_sample,
        bucket_seconds=span.seconds / BUCKETS,
        buckets=tuple(buckets),
        median_path=_path([(b.index, b.median) for b in buckets], top),
        high_path=_path([(b.index, b.high) for b in buckets], top),
        ticks=tuple(Tick(_y(top * part, top), say_latency(top * part)) for part in (0, 0.5, 1)),
        times=_AXES.get(span.name) or _axis(span),
        limit=Tick(_y(drawn_limit, top), say_latency(drawn_limit)) if drawn_limit else None,
        median_label=Tick(labels[0], "median") if last else None,
        high_label=Tick(labels[1], "95th pct.") if last else None,
    )


def _axis(span: Span) -> tuple[str, ...]:
    """Return five instants as the viewer's zone has them, short enough to stand side by side."""
    zone = reader_zone()
    quarter = (span.until - span.since) / 4
    times = [(span.since + n * quarter).astimezone(zone) for n in range(5)]
    if times[0].date() == times[-1].date():
        return tuple(f"{at:%H:%M}" if span.seconds >= 900 else f"{at:%H:%M:%S}" for at in times)
    if span.seconds <= 4 * 86_400:
        return tuple(f"{at.day} {at:%b %H:%M}" for at in times)
    return tuple(f"{at.day} {at:%b}" for at in times)


def nice_ceiling(value: float) -> float:
    """Return the next 1, 2, 4, 5, 6, 8 or 10 times a power of ten: half of it reads well."""
    if value <= 0:
        return 1.0
    value = max(value, LEAST)
    power = 10.0 ** int(f"{value:e}".split("e")[1])
    return next(step * power for step in (1, 2, 4, 5, 6, 8, 10) if step * power >= value * 0.999999)


def say_latency(milliseconds: float) -> str:
    """Return a latency with the unit that reads best."""
    if 0 < milliseconds < LEAST:
        return f"< {LEAST:g} ms"
    size, unit = next((pair for pair in _UNITS if milliseconds >= pair[0]), (1.0, "ms"))
    value = milliseconds / size
    # Three digits, and never an exponent.
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def _y(value: float, top: float) -> float:
    return round(HEIGHT - (HEIGHT - TOP) * min(value / top, 1.0), 1)


def _spread(heights: tuple[float, float], least: float = 13.0) -> tuple[float, float]:
    """Return the heights of the lower and the upper label, moved apart so that both can be read."""
    low, high = min(heights[0] + 4, HEIGHT), heights[1] + 4
    if low - high < least:
        high = low - least
    if high < TOP + 4:
        high, low = TOP + 4, max(low, TOP + 4 + least)
    return round(low, 1), round(high, 1)


def _path(points: Sequence[tuple[int, float]], top: float) -> str:
    """Return an SVG path: one run per stretch of neighbouring buckets, a dash for a lone one."""
    step = WIDTH / BUCKETS
    commands = []
    for place, (index, value) in enumerate(points):
        x, y = round((index + 0.5) * step, 1), _y(value, top)
        follows = place > 0 and points[place - 1][0] == index - 1
        leads = place + 1 < len(points) and points[place + 1][0] == index + 1
        if follows:
            commands.append(f"L{x} {y}")
        elif leads:
            commands.append(f"M{x} {y}")
        else:
            commands.append(f"M{round(index * step, 1)} {y}H{round((index + 1) * step, 1)}")
    return "".join(commands)
