"""A component's history out of its monitors' changes: arithmetic only.

A monitor is good while it is up, and counts while it is down. While it is pending or paused, and
before it was born, nothing is known of it: "no data" never counts as down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

Span = tuple[str, datetime, datetime | None]  # kind, start, end: open if there is none

ANY, MAJORITY, ALL = "any", "majority", "all"
MAJOR, PARTIAL, NO_DATA = "major", "partial", "no_data"
_UP, _DOWN, _UNKNOWN = "up", "down", "pending"


class Change(NamedTuple):
    """One change of a monitor's state; `since` is when a silence really began."""

    at: datetime
    from_state: str
    to_state: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """A monitor's birth, its present state, and its changes in their order."""

    born_at: datetime
    state: str
    changes: Sequence[Change] = ()


def judge(rule: str, *, down: int, known: int) -> str | None:
    """Return what a component is while `down` of its `known` monitors are down; None for good.

    Monitors of which nothing is known count neither way; with none that is known there is no data.
    """
    if not known:
        return NO_DATA
    if not down:
        return None
    enough = {ANY: True, MAJORITY: 2 * down > known, ALL: down == known}[rule]
    return MAJOR if enough else PARTIAL


def component_spans(
    pasts: Iterable[Past], *, rule: str, start: datetime, until: datetime
) -> list[Span]:
    """Return when within [start, until) a component was not plainly good; the last may be open.

    Changes before `start` need not be given: each says what it came from.
    """
    states: list[str] = []
    events: list[tuple[datetime, int, str]] = []
    for index, past in enumerate(pasts):
        states.append(_UNKNOWN)
        events += [(at, index, state) for at, state in _states(past, start) if at < until]
    # By time alone: two changes of one monitor at one instant keep their order.
    events.sort(key=lambda event: event[0])
    spans: list[Span] = []
    down = known = 0
    since, kind = start, judge(rule, down=0, known=0)
    for at, index, state in events:
        if at > since:
            _append(spans, kind, since, at)
            since = at
        down += (state == _DOWN) - (states[index] == _DOWN)
        known += _is_known(state) - _is_known(states[index])
        states[index] = state
        kind = judge(rule, down=down, known=known)
    if since < until:
        _append(spans, kind, since, until)
    if spans and spans[-1][2] == until:
        spans[-1] = (spans[-1][0], spans[-1][1], None)
    return spans


def cut_spans(spans: Iterable[Span], taken: Iterable[Span], *, until: datetime) -> list[Span]:
    """Return what is left of `spans` where none of `taken` is: those stand as they are."""
    left: list[tuple[str, datetime, datetime | None]] = list(spans)
    for _, start, end in taken:
        rest: list[Span] = []
        for kind, began, ended in left:
            stop = until if end is None else end
            if (ended is not None and ended <= start) or began >= stop:
                rest.append((kind, began, ended))
                continue
            if began < start:
                rest.append((kind, began, start))
            if end is not None and (ended is None or ended > end):
                rest.append((kind, end, ended))
        left = rest
    return left


def _is_known(state: str) -> bool:
    return state in (_UP, _DOWN)


def _states(past: Past, start: datetime) -> Iterator[tuple[datetime, str]]:
    """Yield (from when, state), in order, none before the start or the birth."""
    reached = max(past.born_at, start)
    yield reached, past.changes[0].from_state if past.changes else past.state
    for change in past.changes:
        if change.from_state == change.to_state:
            continue  # a further cause: down all along
        began = change.since if change.to_state == _DOWN and change.since else change.at
        reached = max(reached, min(began, change.at))
        yield reached, change.to_state


def _append(spans: list[Span], kind: str | None, start: datetime, end: datetime) -> None:
    if kind is None:
        return
    if spans and spans[-1][0] == kind and spans[-1][2] == start:
        spans[-1] = (kind, spans[-1][1], end)
    else:
        spans.append((kind, start, end))
