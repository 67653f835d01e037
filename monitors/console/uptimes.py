"""Uptime over the last day, week, month and quarter, and since when it is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitors.models import Monitor, Transition
from monitors.uptime import Change, measure_uptime

DAYS = (1, 7, 30, 90)
MOST_CHANGES = 5_000


@dataclass(frozen=True, slots=True)
class SpanUptime:
    """The uptime over some days. It begins late if the monitor, or what is read of it, does."""

    days: int
    percent: str
    begins_at: datetime
    begins_late: bool
    down_count: int
    down_seconds: float
    known_seconds: float


def read_changes(monitor: Monitor, *, now: datetime) -> tuple[list[Change], datetime]:
    """Return the changes of the longest span in order, and since when they are all there are."""
    start = max(now - timedelta(days=max(DAYS)), monitor.created_at)
    newest = Transition.objects.filter(monitor=monitor.pk).order_by("-id")
    rows = newest.values_list("at", "from_state", "to_state")[:MOST_CHANGES]
    changes = [Change(*row) for row in rows]
    if len(changes) == MOST_CHANGES:
        start = max(start, changes[-1].at)
    changes.reverse()
    return changes, start


def measure_uptimes(
    changes: Sequence[Change], *, known_from: datetime, now: datetime, state: str
) -> list[SpanUptime]:
    """Return the uptime of each span of DAYS; `state` holds now."""
    found = []
    for days in DAYS:
        asked = now - timedelta(days=days)
        start = min(max(asked, known_from), now)
        uptime = measure_uptime(changes, start=start, end=now, state=state)
        downs = sum(
            change.at > start and change.to_state == "down" != change.from_state
            for change in changes
        )
        found.append(
            SpanUptime(
                days=days,
                percent=say_percent(uptime.ratio),
                begins_at=start,
                begins_late=start > asked,
                down_count=downs,
                down_seconds=uptime.down_seconds,
                known_seconds=uptime.known_seconds,
            )
        )
    return found


def say_percent(ratio: float | None) -> str:
    """Return a share as "99.95 %", rounded down: what was down at all is never 100 %."""
    if ratio is None:
        return "–"
    hundredths = int(ratio * 10_000 + 1e-9)
    return "100 %" if hundredths >= 10_000 else f"{hundredths // 100}.{hundredths % 100:02d} %"
