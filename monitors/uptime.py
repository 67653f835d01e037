"""How much of a time a monitor was up: arithmetic over its changes of state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from monitors.state import State

_KNOWN = frozenset({State.UP.value, State.DOWN.value})


@dataclass(frozen=True, slots=True)
class Change:
    """One change of state: at which instant, from what, to what."""

    at: datetime
    from_state: str
    to_state: str


@dataclass(frozen=True, slots=True)
class Uptime:
    """Seconds of a span: those in which the state was known, and those of them spent down."""

    known_seconds: float
    down_seconds: float

    @property
    def ratio(self) -> float | None:
        """The share of the known time that was not down, 0 to 1; None if nothing is known."""
        if self.known_seconds <= 0:
            return None
        return 1 - self.down_seconds / self.known_seconds


def measure_uptime(
    changes: Iterable[Change], *, start: datetime, end: datetime, state: str
) -> Uptime:
    """Return the uptime within [start, end).

    `changes` are in order and may reach beyond the span on both sides; `state` is the one that
    holds throughout if there are none, else each change says what it came from. Time spent
    pending or paused is not known time. A change from down to down (a further cause) moves nothing.
    """
    known = down = 0.0
    since = start

    def add(held: str, until: datetime) -> None:
        nonlocal known, down
        seconds = max(0.0, (min(until, end) - since).total_seconds())
        if held in _KNOWN:
            known += seconds
        if held == State.DOWN:
            down += seconds

    for change in changes:
        state = change.to_state
        if change.at <= start:
            continue
        add(change.from_state, change.at)
        since = max(since, min(change.at, end))
    add(state, end)
    return Uptime(known_seconds=known, down_seconds=down)
