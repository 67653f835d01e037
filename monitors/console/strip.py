"""The state of a monitor over a time, as pieces of a strip. Arithmetic only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.durations import say_both, say_duration
from accounts.zones import reader_zone

WIDTH = 1_000.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A time in one state; `x` and `width` are thousandths of the strip."""

    state: str
    started_at: datetime
    ended_at: datetime
    x: float
    width: float

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def title(self) -> str:
        """The piece in words."""
        word = {"unheard": "Tocsin did not listen"}.get(self.state, self.state.capitalize())
        since = say_both(self.started_at, reader_zone(), between=" · ")
        return f"{word}, {since}, for {say_duration(self.seconds)}"


@dataclass(frozen=True, slots=True)
class Strip:
    """Pieces in order, those in which we did not listen on top, and what they add up to."""

    pieces: tuple[Piece, ...]
    unheard: tuple[Piece, ...]
    down_count: int
    down_seconds: float
    up_percent: float | None  # of the time in which it was up or down


def build_strip(
    changes: Iterable[tuple[datetime, str, str]],
    *,
    state: str,
    born_at: datetime,
    since: datetime,
    until: datetime,
    gaps: Sequence[tuple[datetime, datetime]] = (),
) -> Strip:
    """Return the strip from `since` to `until`.

    `changes` are (at, from, to) in order; `state` is the present one, which held all along where
    nothing changed. Before `born_at` there is nothing: a gap, not a state.
    """
    start = max(since, born_at)
    inside = [change for change in changes if start < change[0] <= until and change[1] != change[2]]
    current = inside[0][1] if inside else state
    pieces = []
    for at, _, to_state in inside:
        pieces.append(_piece(current, start, at, since, until))
        start, current = at, to_state
    if start < until:
        pieces.append(_piece(current, start, until, since, until))
    spent: dict[str, float] = {}
    for piece in pieces:
        spent[piece.state] = spent.get(piece.state, 0.0) + piece.seconds
    up, down = spent.get("up", 0.0), spent.get("down", 0.0)
    return Strip(
        pieces=tuple(piece for piece in pieces if piece.width > 0),
        unheard=tuple(
            _piece("unheard", max(started, since), min(ended, until), since, until)
            for started, ended in gaps
            if started < until and ended > since
        ),
        down_count=sum(piece.state == "down" for piece in pieces),
        down_seconds=down,
        up_percent=100 * up / (up + down) if up + down else None,
    )


def _piece(state: str, start: datetime, end: datetime, since: datetime, until: datetime) -> Piece:
    scale = WIDTH / (until - since).total_seconds()
    x = (start - since).total_seconds() * scale
    return Piece(state, start, end, round(x, 2), round((end - start).total_seconds() * scale, 2))
