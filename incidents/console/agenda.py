"""A month of shifts as a list: who is on call, from when to when, where bars have no room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from incidents.console.month import Row, Span, fill_gaps, say_local

MOST_TURNS = 62  # of a rotation; one that hands off by the hour has hundreds


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody's time: who, and when on the wall of the zone."""

    span: Span
    start: str
    end: str
    is_now: bool


@dataclass(frozen=True, slots=True)
class Agenda:
    """The turns of a rotation; `more` of them are not listed."""

    name: str
    turns: Sequence[Turn]
    more: int


def list_turns(
    rows: Iterable[Row], *, start: datetime, end: datetime, now: datetime, zone: tzinfo
) -> list[Agenda]:
    """Return for each rotation the turns between two instants; those that are over come not.

    In a month that is past nothing is left out, since all of it is over.
    """
    since = max(start, now) if start <= now < end else start
    found = []
    for row in rows:
        near = [span for span in row.spans if span.start < end and span.end > since]
        spans = fill_gaps(near, start=since, end=end)
        turns = [
            Turn(
                span=span,
                start=say_local(span.start, zone),
                end=say_local(span.end, zone),
                is_now=span.start <= now < span.end,
            )
            for span in spans[:MOST_TURNS]
        ]
        found.append(Agenda(row.name, turns, max(0, len(spans) - MOST_TURNS)))
    return found
