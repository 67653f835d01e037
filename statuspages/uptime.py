"""How much of its days a component was good: exact arithmetic over spans.

The formula is printed on every page:
1 - (major * its weight + partial * its weight) / (window - maintenance - no data).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from statuspages.view import DayView

Span = tuple[str, datetime, datetime | None]  # kind, start, end: open if there is none

MAJOR, PARTIAL, DEGRADED = "major", "partial", "degraded"
MAINTENANCE, NO_DATA = "maintenance", "no_data"
# Where spans overlap the first of these counts.
PRECEDENCE = (MAINTENANCE, MAJOR, PARTIAL, DEGRADED, NO_DATA)
DEFAULT_WEIGHTS: Mapping[str, float] = {"major": 1.0, "partial": 0.3}

_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000
_WHOLE = Decimal("100.000")


class Measured(NamedTuple):
    """Days, oldest first, and the uptime of all of them together."""

    days: tuple[DayView, ...]
    uptime: Decimal | None


def measure_days(
    spans: Iterable[Span],
    *,
    zone: tzinfo,
    until: datetime,
    days: int,
    weights: Mapping[str, float] | None = None,
) -> Measured:
    """Return the last `days` days in `zone` up to `until`, today included, and their uptime.

    Overlapping spans count once: maintenance before outages, the worse before the lesser, and
    no data only where nothing else is known. What no span covers was good.
    """
    weights = DEFAULT_WEIGHTS if weights is None else weights
    bounds = _day_bounds(zone=zone, until=until, days=days)
    spent: list[dict[str, int]] = [{} for _ in bounds]
    if bounds:
        index = 0
        for kind, start, end in _flatten(spans, start=bounds[0][1], until=bounds[-1][2]):
            while bounds[index][2] <= start:
                index += 1
            place = index
            while place < len(bounds) and bounds[place][1] < end:
                _, day_start, day_end = bounds[place]
                length = (min(end, day_end) - max(start, day_start)) // _MICROSECOND
                spent[place][kind] = spent[place].get(kind, 0) + length
                place += 1
    lengths = [(end - start) // _MICROSECOND for _, start, end in bounds]
    views = [
        _day_view(day, length, kinds, weights)
        for (day, _, _), length, kinds in zip(bounds, lengths, spent, strict=True)
    ]
    total = {kind: sum(kinds.get(kind, 0) for kinds in spent) for kind in PRECEDENCE}
    return Measured(tuple(views), _uptime_of(sum(lengths), total, weights))


def day_views(
    spans: Iterable[Span],
    *,
    zone: tzinfo,
    until: datetime,
    days: int,
    weights: Mapping[str, float] | None = None,
) -> tuple[DayView, ...]:
    """Return the last `days` days in `zone`, oldest first; see `measure_days`."""
    return measure_days(spans, zone=zone, until=until, days=days, weights=weights).days


def uptime(
    *,
    window: int,
    major: int = 0,
    partial: int = 0,
    maintenance: int = 0,
    no_data: int = 0,
    weights: Mapping[str, float] | None = None,
) -> Decimal | None:
    """Return the uptime in percent, floored to three decimals; None if nothing can be judged.

    All times are in one unit, whichever. A missing weight counts nothing, and no uptime is
    below 0.
    """
    weights = DEFAULT_WEIGHTS if weights is None else weights
    judged = window - maintenance - no_data
    if judged <= 0:
        return None
    major_parts, major_of = _weight(weights.get("major", 0))
    partial_parts, partial_of = _weight(weights.get("partial", 0))
    whole = judged * major_of * partial_of
    lost = major * major_parts * partial_of + partial * partial_parts * major_of
    return Decimal(max(0, (whole - lost) * 100_000 // whole)).scaleb(-3)


def first_instant(*, zone: tzinfo, until: datetime, days: int) -> datetime:
    """Return when the first of the last `days` days in `zone` began."""
    bounds = _day_bounds(zone=zone, until=until, days=days)
    return bounds[0][1] if bounds else until


@lru_cache(maxsize=64)
def _weight(weight: float) -> tuple[int, int]:
    # By way of its decimal spelling: 0.3 is three tenths here, not the nearest binary number.
    return Fraction(str(weight)).as_integer_ratio()


def _uptime_of(
    window: int, kinds: Mapping[str, int], weights: Mapping[str, float]
) -> Decimal | None:
    return uptime(
        window=window,
        major=kinds.get(MAJOR, 0),
        partial=kinds.get(PARTIAL, 0),
        maintenance=kinds.get(MAINTENANCE, 0),
        no_data=kinds.get(NO_DATA, 0),
        weights=weights,
    )


def _day_view(
    day: date, length: int, kinds: Mapping[str, int], weights: Mapping[str, float]
) -> DayView:
    if not kinds and length:
        return DayView(date=day, length_seconds=length // _SECOND, uptime=_WHOLE)
    return DayView(
        date=day,
        length_seconds=length // _SECOND,
        major_seconds=kinds.get(MAJOR, 0) // _SECOND,
        partial_seconds=kinds.get(PARTIAL, 0) // _SECOND,
        degraded_seconds=kinds.get(DEGRADED, 0) // _SECOND,
        maintenance_seconds=kinds.get(MAINTENANCE, 0) // _SECOND,
        no_data_seconds=kinds.get(NO_DATA, 0) // _SECOND,
        uptime=_uptime_of(length, kinds, weights),
    )


@lru_cache(maxsize=64)  # all components of a page have the same
def _day_bounds(
    *, zone: tzinfo, until: datetime, days: int
) -> tuple[tuple[date, datetime, datetime], ...]:
    """Return (date, start, end) in UTC, oldest first, today cut at `until`.

    A day that a zone left out altogether (Samoa, 30 December 2011) is none of them.
    """
    until = until.astimezone(UTC)
    day = until.astimezone(zone).date()
    end = until
    found: list[tuple[date, datetime, datetime]] = []
    while len(found) < days:
        start = datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)
        if start < end or not found:
            found.append((day, start, end))
        end = start
        day -= _DAY
    return tuple(found[::-1])


def _flatten(
    spans: Iterable[Span], *, start: datetime, until: datetime
) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield disjoint pieces in order, each of the kind that counts there."""
    events: list[tuple[datetime, int, int]] = []
    for kind, began, ended in spans:
        left, right = max(began, start), until if ended is None else min(ended, until)
        if left < right:
            rank = PRECEDENCE.index(kind)
            events += [(left, rank, 1), (right, rank, -1)]
    events.sort()
    open_count = [0] * len(PRECEDENCE)
    since = start
    for at, rank, step in events:
        if at > since:
            present = next((n for n, count in enumerate(open_count) if count), None)
            if present is not None:
                yield PRECEDENCE[present], since, at
            since = at
        open_count[rank] += step
