"""Charts of weeks, drawn on the server. Arithmetic only; a week without a value is a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.durations import say_duration

WIDTH, HEIGHT, TOP = 1_000.0, 160.0, 8.0
_STEPS = (
    *(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800),
    *(3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 172_800, 432_000, 864_000, 2_592_000),
)


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the chart and its words."""

    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A week's value; y grows downwards, as SVG has it."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Lines:
    """A chart of durations: a line of the median, dots of the mean."""

    path: str
    medians: tuple[Dot, ...]
    means: tuple[Dot, ...]
    ticks: tuple[Tick, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.medians


@dataclass(frozen=True, slots=True)
class Bar:
    """A week's count: one bar, whose lower part is another count."""

    x: float
    y: float
    height: float
    part_y: float
    part_height: float
    title: str


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart of counts."""

    bars: tuple[Bar, ...]
    width: float
    ticks: tuple[Tick, ...]


def draw_lines(
    weeks: Sequence[tuple[str, float | None, float | None]], *, said: tuple[str, str]
) -> Lines:
    """Return the chart of (week, mean, median), in seconds; `said` names the two in titles."""
    most = max((value for _week, *both in weeks for value in both if value is not None), default=0)
    top = round_up(most)
    means, medians = [], []
    path: list[str] = []
    drawing = False
    for n, (week, mean, median) in enumerate(weeks):
        x = _middle(n, len(weeks))
        if mean is None or median is None:
            drawing = False
            continue
        means.append(Dot(x, _y(mean, top), f"{week}: {said[0]} {say_duration(mean)}"))
        dot = Dot(x, _y(median, top), f"{week}: {said[1]} {say_duration(median)}")
        medians.append(dot)
        path.append(f"{'L' if drawing else 'M'}{x} {dot.y}")
        drawing = True
    ticks = tuple(Tick(_y(top * part, top), say_duration(top * part)) for part in (0, 0.5, 1))
    return Lines("".join(path), tuple(medians), tuple(means), ticks)


def draw_bars(weeks: Sequence[tuple[str, int, int, str]]) -> Bars:
    """Return the chart of (week, count, how many of these in the lower part, title)."""
    most = max((count for _week, count, _part, _title in weeks), default=0)
    top = _round_count(most)
    width = WIDTH / max(1, len(weeks)) * 0.7
    bars = [
        Bar(
            x=round(_middle(n, len(weeks)) - width / 2, 1),
            y=_y(count, top),
            height=round(HEIGHT - _y(count, top), 1),
            part_y=_y(part, top),
            part_height=round(HEIGHT - _y(part, top), 1),
            title=title,
        )
        for n, (_week, count, part, title) in enumerate(weeks)
        if count
    ]
    ticks = tuple(Tick(_y(value, top), f"{value:g}") for value in (0, top))
    return Bars(tuple(bars), round(width, 1), ticks)


def round_up(seconds: float) -> float:
    """Return the first round duration that is not less: twice it reads well as well."""
    return next((float(step) for step in _STEPS if step >= seconds), float(_STEPS[-1]))


def _round_count(most: int) -> int:
    size = 1
    while True:
        for factor in (1, 2, 5):
            if most <= factor * size:
                return factor * size
        size *= 10


def _middle(n: int, count: int) -> float:
    return round((n + 0.5) / count * WIDTH, 1)


def _y(value: float, top: float) -> float:
    share = min(1.0, value / top) if top else 0.0
    return round(HEIGHT - (HEIGHT - TOP) * share, 1)
