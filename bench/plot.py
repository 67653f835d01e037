"""Line plots as SVG, readable on light and dark pages, without a library.

An SVG within a page follows the reader's colour scheme by its own media query. Lines differ by
dashes and by the shape of their points too, never by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 76, 20, 84, 52
LEGEND_ROW, LEGEND_LONG = 18, 17  # a name with more letters than that takes two columns
MOST_POINTS = 240  # of one line: a plot is no wider
MARKED_POINTS = 24  # a line with more points shows none of them by itself
LIGHT = ("#0b5cad", "#b3460b", "#1a7a3c", "#8a2a8a", "#5c5c00", "#007a87", "#a3123f", "#444444")
DARK = ("#6db3f2", "#ffa366", "#6fd08c", "#e39be3", "#d6d65c", "#5ccfdb", "#ff8aa8", "#c4c4c4")
DASHES = ("none", "7 3", "2 3", "9 3 2 3", "12 4", "4 4", "1 4", "6 2 1 2")

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """One axis: what it shows, and how its values lie on it."""

    label: str
    low: float
    high: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies, from 0 to 1."""
        low, high, at = self.low, self.high, value
        if self.is_log:
            low, high, at = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        return (at - low) / ((high - low) or 1)

    def ticks(self) -> list[float]:
        """Return the values that get a line and a number."""
        if self.is_log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            steps = (1, 2, 5) if last - first <= 2 else (1,)
            found = [step * 10.0**power for power in range(first, last + 1) for step in steps]
        else:
            step = nice_step(self.high - self.low)
            first = math.ceil(self.low / step - 1e-9)
            found = [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]
        slack = (self.high - self.low) * 1e-9
        return [tick for tick in found if self.low - slack <= tick <= self.high + slack]


def nice_step(span: float, *, about: int = 5) -> float:
    """Return a round step that divides a span into about so many parts."""
    raw = (span or 1) / about
    power = 10.0 ** math.floor(math.log10(raw))
    return power * next((n for n in (1, 2, 5) if raw <= n * power), 10)


def draw_lines(
    title: str,
    series: Mapping[str, Points],
    *,
    x: str,
    y: str,
    log: bool = False,
    limit: tuple[str, float] | None = None,
) -> str:
    """Return an SVG with one line for each series; `limit` is a level that is owed.

    With `log` both axes are logarithmic, and what is not above zero is left out.
    """
    kept = {name: _thinned(points, log=log) for name, points in series.items()}
    kept = {name: points for name, points in kept.items() if points}
    flat = [point for points in kept.values() for point in points] or [(1.0, 1.0)]
    levels = [value for _, value in flat] + ([limit[1]] if limit else [])
    across = Axis(x, min(at for at, _ in flat), max(at for at, _ in flat), log)
    up = Axis(y, min(levels) * 0.8 if log else min(0.0, *levels), max(levels) * 1.08 or 1, log)
    parts = [_head(title), *_grid(across, up), *_legend(list(kept))]
    if limit:
        at = _y(up, limit[1])
        parts.append(f'<path class="owed" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(
            f'<text class="owed-text" x="{WIDTH - RIGHT - 4}" y="{at - 5:.1f}" '
            f'text-anchor="end">{escape(limit[0])}</text>'
        )
    for number, points in enumerate(kept.values()):
        parts += _line(number, [(_x(across, a), _y(up, b)) for a, b in points])
    return "\n".join([*parts, "</svg>"]) + "\n"


def _thinned(points: Points, *, log: bool) -> list[tuple[float, float]]:
    found = [(a, b) for a, b in points if math.isfinite(a + b) and (not log or (a > 0 and b > 0))]
    every = -(-len(found) // MOST_POINTS) or 1
    return found[::every] + ([found[-1]] if found and (len(found) - 1) % every else [])


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM)


def _head(title: str) -> str:
    def colours(shades: Sequence[str]) -> str:
        return "".join(
            f".c{n}{{stroke:{shade}}}.f{n}{{fill:{shade}}}" for n, shade in enumerate(shades)
        )

    style = (
        "text{font:12px system-ui,sans-serif;fill:#222}.title{font-size:15px;font-weight:600}"
        ".page{fill:#fff}.grid{stroke:#ddd;stroke-width:1}.axis{stroke:#666;stroke-width:1}"
        ".line{fill:none;stroke-width:2}.owed{stroke:#b00020;stroke-width:1.5;"
        "stroke-dasharray:3 3}.owed-text{fill:#b00020}"
        f"{colours(LIGHT)}"
        "@media(prefers-color-scheme:dark){text{fill:#e6e6e6}.page{fill:#15181c}"
        ".grid{stroke:#333a42}.axis{stroke:#9aa4ae}.owed{stroke:#ff8a8a}.owed-text{fill:#ff8a8a}"
        f"{colours(DARK)}}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{escape(title)}">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n"
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>\n'
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>'
    )


def _grid(across: Axis, up: Axis) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for tick in across.ticks():
        at = _x(across, tick)
        yield f'<path class="grid" d="M{at:.1f} {TOP}V{bottom}"/>'
        yield f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{say_number(tick)}</text>'
    for tick in up.ticks():
        at = _y(up, tick)
        yield f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>'
        yield f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{say_number(tick)}</text>'
    yield f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}" fill="none"/>'
    middle = (LEFT + right) / 2
    yield f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{escape(across.label)}</text>'
    height = (TOP + bottom) / 2
    yield (
        f'<text transform="translate(16 {height}) rotate(-90)" text-anchor="middle">'
        f"{escape(up.label)}</text>"
    )


def _legend(names: list[str]) -> Iterator[str]:
    columns = 4 if all(len(name) <= LEGEND_LONG for name in names) else 2
    column = (WIDTH - LEFT - RIGHT) / columns
    for number, name in enumerate(names):
        left = LEFT + number % columns * column
        at = 44 + number // columns * LEGEND_ROW
        yield from _line(number, [(left, at), (left + 26, at)], is_marked=False)
        yield _mark(number, left + 13, at)
        yield f'<text x="{left + 32}" y="{at + 4}">{escape(name)}</text>'


def _line(
    number: int, points: list[tuple[float, float]], *, is_marked: bool = True
) -> Iterator[str]:
    path = "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    dashes = DASHES[number % len(DASHES)]
    yield f'<path class="line c{number % len(LIGHT)}" stroke-dasharray="{dashes}" d="M{path}"/>'
    if is_marked and len(points) <= MARKED_POINTS:
        for a, b in points:
            yield _mark(number, a, b)


def _mark(number: int, a: float, b: float) -> str:
    shape = number % 4
    fill = f'class="f{number % len(LIGHT)}"'
    if shape == 0:
        return f'<circle {fill} cx="{a:.1f}" cy="{b:.1f}" r="3.5"/>'
    if shape == 1:
        return f'<rect {fill} x="{a - 3:.1f}" y="{b - 3:.1f}" width="6.5" height="6.5"/>'
    turned = "0 -4.5 4 3.5 -4 3.5" if shape == 2 else "0 -4.5 4.5 0 0 4.5 -4.5 0"
    return f'<polygon {fill} transform="translate({a:.1f} {b:.1f})" points="{turned}"/>'


def say_number(value: float) -> str:
    """Return a short number: 1M, 250k, 0.5."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
