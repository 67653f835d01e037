"""What a list shows of each monitor: how it stands, its labels and its small charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitors.console.listing import Filters, is_short
from monitors.console.sparks import DAY, NO_LINE, Line, MiniStrip, read_lines, read_strips
from monitors.models import Monitor
from monitors.queries import Standing, current_gaps, standings

SHOWN_LABELS = 4
MOST_GAPS = 200
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Chip:
    """A label; `query` narrows the list to it, and is empty where it is too long for that."""

    text: str
    query: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list."""

    monitor: Monitor
    standing: Standing
    strip: MiniStrip
    line: Line
    chips: tuple[Chip, ...]
    more_labels: int


def read_rows(monitors: Sequence[Monitor], *, filters: Filters, now: datetime) -> list[Row]:
    """Return the rows of a page; the number of queries does not grow with it."""
    gaps = [
        (gap.started_at, gap.ended_at)
        for gap in current_gaps(now=now, since=now - DAY)[-MOST_GAPS:]
    ]
    found = standings(monitors, now=now)
    strips = read_strips(monitors, now=now, gaps=gaps)
    lines = read_lines(monitors, now=now)
    return [
        Row(
            monitor=each,
            standing=found[each.pk],
            strip=strips[each.pk],
            line=lines.get(each.pk, NO_LINE),
            chips=_chips(each, filters),
            more_labels=max(0, len(each.labels) - SHOWN_LABELS),
        )
        for each in monitors
    ]


def _chips(monitor: Monitor, filters: Filters) -> tuple[Chip, ...]:
    shown = sorted(monitor.labels.items())[:SHOWN_LABELS]
    return tuple(_chip(key, str(value), filters) for key, value in shown)


def _chip(key: str, value: str, filters: Filters) -> Chip:
    text = f"{key}={value}"
    if not is_short(key, value):
        return Chip(text[: _SHOWN_CHARACTERS - 1] + "…", "")
    query = filters.with_label(f"{key}:{value}")
    # A page has hundreds of chips: a long address is not repeated on each.
    return Chip(text, query if len(query) <= 300 else Filters(labels=(f"{key}:{value}",)).query)
