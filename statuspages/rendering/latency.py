"""The plot of a component's response times, and the same as a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from statistics import median

from django.utils.safestring import SafeString, mark_safe

from statuspages.rendering.times import Calendar
from statuspages.view import ComponentView, LatencyPoint

_WIDTH, _HEIGHT = 600, 100
_MOST_ROWS = 48


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture, and rows of (when, median, 95th percentile)."""

    picture: SafeString
    rows: tuple[tuple[str, str, str], ...]


def _milliseconds(value: float | None, calendar: Calendar) -> str:
    if value is None:
        return calendar.words["no_data"]
    return f"{calendar.number(round(value, 1 if value < 10 else None))}\u00a0ms"


def _ceiling(value: float) -> float:
    """Return the next round number: 1, 2 or 5 times a power of ten."""
    step = 1.0
    while True:
        for factor in (1, 2, 5):
            if value <= factor * step:
                return factor * step
        step *= 10


def _line(points: list[tuple[float, float | None]]) -> str:
    """Return a path with a gap wherever a value is missing, and a dot for a lone one."""
    path, drawing = [], False
    for place, (x, y) in enumerate(points):
        if y is None:
            drawing = False
            continue
        path.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}")
        if not drawing and (place + 1 == len(points) or points[place + 1][1] is None):
            path.append("h.1")
        drawing = True
    return "".join(path)


def draw_latency(component: ComponentView, calendar: Calendar) -> Plot | None:
    """Return the plot, or None where nothing was measured."""
    points = component.latency
    measured = [v for p in points for v in (p.median_ms, p.p95_ms) if v is not None]
    if not measured:
        return None
    words, top = calendar.words, _ceiling(max(measured))
    first, last = points[0].at, points[-1].at
    length = max((last - first).total_seconds(), 1.0)

    def place(point: LatencyPoint, value: float | None) -> tuple[float, float | None]:
        x = (point.at - first).total_seconds() / length * _WIDTH
        return x, None if value is None else _HEIGHT - value / top * _HEIGHT

    lines = (
        f'<path class="p95" d="{_line([place(p, p.p95_ms) for p in points])}"/>'
        f'<path class="median" d="{_line([place(p, p.median_ms) for p in points])}"/>'
    )
    grid = "".join(f'<path class="grid" d="M0 {_HEIGHT * n // 2}H{_WIDTH}"/>' for n in range(3))
    # The picture is stretched to the width that there is, and words must not be: they stand beside.
    scale = "".join(f"<span>{calendar.number(v)}\u00a0ms</span>" for v in (top, top / 2, 0))
    ends = "".join(f"<span>{escape(_short(at, calendar))}</span>" for at in (first, last))
    ending = next(p for p in reversed(points) if p.median_ms is not None or p.p95_ms is not None)
    label = words["latency_label"].format(
        name=component.name,
        median=_milliseconds(ending.median_ms, calendar),
        p95=_milliseconds(ending.p95_ms, calendar),
    )
    picture = (
        f'<div class="plot" role="img" aria-label="{escape(label)}">'
        f'<div class="values">{scale}</div>'
        f'<svg aria-hidden="true" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none">'
        f'{grid}{lines}</svg><div class="ends">{ends}</div></div>'
    )
    return Plot(mark_safe(picture), _table(points, calendar))  # noqa: S308


def _short(at: datetime, calendar: Calendar) -> str:
    local = at.astimezone(calendar.zone)
    return f"{calendar.day(local.date())} {local:%H:%M}"


def _table(
    points: tuple[LatencyPoint, ...], calendar: Calendar
) -> tuple[tuple[str, str, str], ...]:
    """Return a row for each hour, or for each day where hours are too many."""
    if len(points) <= _MOST_ROWS:
        return tuple(
            (
                _short(p.at, calendar),
                _milliseconds(p.median_ms, calendar),
                _milliseconds(p.p95_ms, calendar),
            )
            for p in points
        )
    rows = []
    day = calendar.local_day(points[0].at)
    end = calendar.local_day(points[-1].at)
    while day <= end:
        those = [p for p in points if calendar.local_day(p.at) == day]
        middles = [p.median_ms for p in those if p.median_ms is not None]
        highs = [p.p95_ms for p in those if p.p95_ms is not None]
        rows.append(
            (
                calendar.day(day),
                _milliseconds(median(middles) if middles else None, calendar),
                _milliseconds(max(highs) if highs else None, calendar),
            )
        )
        day += timedelta(days=1)
    return tuple(rows)
