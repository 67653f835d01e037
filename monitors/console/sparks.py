"""The small charts of a list: a strip of states and a line of latencies for each monitor.

Both are one statement for a whole page, whose cost does not grow with how often a monitor pushes.
A strip reads a monitor's newest changes by its index. A line looks into each hour once, by the
primary key of that day's partition, and takes the median of the few newest results that it finds
there: of a monitor that pushes every second most of 86,400 results a day are never read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.durations import say_duration
from monitors.console.latency import say_latency
from monitors.console.strip import Strip, build_strip
from monitors.models import Monitor

DAY = timedelta(hours=24)
COLUMNS = 96  # of a strip: a quarter of an hour each
BUCKET = timedelta(hours=1)
SAMPLES = 3
MOST_CHANGES = 100
LINE_WIDTH, LINE_HEIGHT = 96, 24
_WORST = ("down", "paused", "pending", "deleted", "up")  # what a column of several states shows
Gaps = Sequence[tuple[datetime, datetime]]

# name: newest_changes
# The newest changes of each monitor, by index, and only those of the time.
_CHANGES = """
SELECT m.id, t.at, t.from_state, t.to_state FROM unnest(%(ids)s::uuid[]) AS m(id)
CROSS JOIN LATERAL (
  SELECT id, at, from_state, to_state FROM monitors_transition
  WHERE monitor_id = m.id ORDER BY id DESC LIMIT %(most)s) t
WHERE t.at > %(since)s ORDER BY m.id, t.id
"""

# name: sampled_latencies
# The outer bounds leave two partitions to look at; the inner ones are one probe of their indexes.
_LATENCIES = """
SELECT m.id, b.n, (
  SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY r.latency_ms) FROM (
    SELECT latency_ms FROM monitors_pushresult
    WHERE monitor_id = m.id
      AND received_at >= %(since)s::timestamptz AND received_at < %(until)s::timestamptz
      AND received_at >= %(since)s::timestamptz + b.n * %(bucket)s
      AND received_at < %(since)s::timestamptz + (b.n + 1) * %(bucket)s
    ORDER BY received_at DESC LIMIT %(samples)s) r)
FROM unnest(%(ids)s::uuid[]) AS m(id) CROSS JOIN generate_series(0, %(last)s) AS b(n)
"""


@dataclass(frozen=True, slots=True)
class MiniStrip:
    """A strip as few lines: for each state the columns that show it, as the path of a stroke."""

    paths: tuple[tuple[str, str], ...]
    said: str
    up_percent: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """Latencies as a path; `path` is empty where none was sent."""

    path: str
    said: str
    latest: float | None  # milliseconds


NO_LINE = Line("", "", None)


def read_strips(monitors: Iterable[Monitor], *, now: datetime, gaps: Gaps) -> dict[UUID, MiniStrip]:
    """Return the strip of the last 24 hours of each monitor, by id: one statement."""
    found = list(monitors)
    since = now - DAY
    changes: dict[UUID, list[tuple[datetime, str, str]]] = defaultdict(list)
    values: dict[str, Any] = {
        "ids": [each.pk for each in found],
        "since": since,
        "most": MOST_CHANGES,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES, values)
        for pk, at, from_state, to_state in cursor.fetchall():
            changes[pk].append((at, from_state, to_state))
    strips = {}
    for each in found:
        mine = changes[each.pk]
        # What lies before the oldest change that was read is not known: a gap, as it is shown.
        known_from = mine[0][0] if len(mine) == MOST_CHANGES else each.created_at
        strip = build_strip(
            mine,
            state=each.heartbeat.state,
            born_at=max(known_from, each.created_at),
            since=since,
            until=now,
            gaps=gaps,
        )
        strips[each.pk] = draw_strip(strip)
    return strips


def draw_strip(strip: Strip) -> MiniStrip:
    """Return the strip in columns of a quarter of an hour; the worst state of each is shown."""
    columns: list[str | None] = [None] * COLUMNS
    for state in reversed(_WORST):
        for piece in strip.pieces:
            if piece.state == state:
                _fill(columns, piece.x, piece.width, state)
    runs: dict[str, list[str]] = defaultdict(list)
    start = 0
    for end in range(1, COLUMNS + 1):
        if end == COLUMNS or columns[end] != columns[start]:
            if state_ := columns[start]:
                runs[state_].append(f"M{start} 5h{end - start}")
            start = end
    paths = [(state, "".join(parts)) for state, parts in runs.items()]
    if strip.unheard:
        silent: list[str | None] = [None] * COLUMNS
        for piece in strip.unheard:
            _fill(silent, piece.x, piece.width, "unheard")
        marks = "".join(f"M{n} 5h1" for n, state in enumerate(silent) if state)
        paths.append(("unheard", marks))
    return MiniStrip(tuple(paths), say_strip(strip), strip.up_percent)


def _fill(columns: list[str | None], x: float, width: float, state: str) -> None:
    """Mark each column that a piece touches; `x` and `width` are thousandths."""
    first = min(COLUMNS - 1, max(0, int(x * COLUMNS / 1000)))
    last = min(COLUMNS - 1, max(first, int((x + width - 0.001) * COLUMNS / 1000)))
    columns[first : last + 1] = [state] * (last + 1 - first)


def say_strip(strip: Strip) -> str:
    """Return a strip in words, for whoever cannot see it."""
    if strip.up_percent is None:
        said = _("Nothing known of the last 24 hours.")
    elif not strip.down_count:
        said = _("Never down in the last 24 hours.")
    else:
        said = ngettext(
            "Down once in the last 24 hours, %(time)s in all.",
            "Down %(count)d times in the last 24 hours, %(time)s in all.",
            strip.down_count,
        ) % {"count": strip.down_count, "time": say_duration(strip.down_seconds)}
    if strip.unheard:
        seconds = sum(piece.seconds for piece in strip.unheard)
        said += " " + _("Tocsin did not listen for %(time)s.") % {"time": say_duration(seconds)}
    return said


def read_lines(monitors: Iterable[Monitor], *, now: datetime) -> dict[UUID, Line]:
    """Return the latencies of the last 24 hours of each monitor, by id: one statement.

    Hours are those of the clock, so that a line stays as it is until the next one begins.
    """
    size = int(BUCKET.total_seconds())
    start = int((now - DAY).timestamp()) // size * size
    since = datetime.fromtimestamp(start, tz=UTC)
    last = int((now.timestamp() - start) // size)
    ids = [
        each.pk
        for each in monitors
        if each.heartbeat.last_push_at is not None and each.heartbeat.last_push_at >= since
    ]
    if not ids:
        return {}
    values: dict[str, Any] = {
        "ids": ids,
        "since": since,
        "until": now,
        "bucket": BUCKET,
        "samples": SAMPLES,
        "last": last,
    }
    points: dict[UUID, dict[int, float]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(_LATENCIES, values)
        for pk, bucket, milliseconds in cursor.fetchall():
            if milliseconds is not None:
                points[pk][bucket] = milliseconds
    return {pk: draw_line(found, last=last) for pk, found in points.items()}


def draw_line(points: Mapping[int, float], *, last: int) -> Line:
    """Return a line through the points, from nought at the bottom; a bucket without is a gap."""
    if not points:
        return NO_LINE
    top = max(max(points.values()), 0.001)
    step = LINE_WIDTH / max(1, last)
    parts: list[str] = []
    before: int | None = None
    for bucket in sorted(points):
        x, y = round(bucket * step), round((1 - points[bucket] / top) * (LINE_HEIGHT - 2)) + 1
        if before != bucket - 1:
            # A stroke of no length is drawn as a dot where its ends are round.
            parts.append(f"M{x} {y}h0")
        else:
            parts.append(f"L{x} {y}")
        before = bucket
    newest = points[max(points)]
    low, high = min(points.values()), max(points.values())
    said = _("Latency %(newest)s; from %(low)s to %(high)s in the last 24 hours.") % {
        "newest": say_latency(newest),
        "low": say_latency(low),
        "high": say_latency(high),
    }
    return Line("".join(parts), said, newest)
