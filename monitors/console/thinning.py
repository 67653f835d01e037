"""A strip with more pieces than can be seen, drawn in equal steps: each shows the worst of it."""

from __future__ import annotations

from dataclasses import replace

from monitors.console.strip import WIDTH, Piece, Strip

MOST_PIECES = 160
_WORST_FIRST = ("down", "pending", "paused", "up")


def thin_strip(strip: Strip, *, most: int = MOST_PIECES) -> Strip:
    """Return a strip of at most `most` pieces; what it says in numbers stays exact."""
    if len(strip.pieces) <= most:
        return strip
    step = WIDTH / most
    cells: dict[int, list[Piece]] = {}
    for piece in strip.pieces:
        last = int(min(piece.x + piece.width, WIDTH - 0.001) // step)
        for cell in range(int(piece.x // step), last + 1):
            cells.setdefault(cell, []).append(piece)
    thinned: list[Piece] = []
    for cell, inside in sorted(cells.items()):
        worst = min(inside, key=lambda piece: _rank(piece.state))
        x, before = cell * step, thinned[-1] if thinned else None
        if before and before.state == worst.state and abs(before.x + before.width - x) < 0.1:
            thinned[-1] = replace(
                before, width=round(before.width + step, 2), ended_at=inside[-1].ended_at
            )
        else:
            thinned.append(
                replace(
                    worst,
                    x=round(x, 2),
                    width=round(step, 2),
                    started_at=max(inside[0].started_at, before.ended_at)
                    if before
                    else inside[0].started_at,
                    ended_at=inside[-1].ended_at,
                )
            )
    return replace(strip, pieces=tuple(thinned))


def _rank(state: str) -> int:
    return _WORST_FIRST.index(state) if state in _WORST_FIRST else len(_WORST_FIRST)
