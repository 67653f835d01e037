"""A month of shifts as weeks of days and bars: plain arithmetic, drawn by templates.

A day is the time between two local midnights, so it may last 23 or 25 hours; a bar's place within
a day is its share of that day's elapsed time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

DAYS = 7
DAY_SECONDS = 86_400
FIRST_YEAR, LAST_YEAR = 2000, 2198
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
# In per cent of a week, of which an hour is 0.6: what can be seen at all, and what has room for a
# label on a wide screen and on a narrow one; of "Nobody" there, half a word says nothing.
_LEAST_WIDTH, _POINT, _SLIM, _SLIM_NOBODY = 0.15, 2.5, 10.0, 17.0


@dataclass(frozen=True, slots=True)
class Span:
    """Somebody's time on call: what a bar says and how it looks. `shade` tells people apart."""

    start: datetime
    end: datetime
    label: str
    name: str
    shade: int
    is_override: bool = False
    is_nobody: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """The spans of one rotation, in order and without overlaps."""

    name: str
    spans: Sequence[Span]


@dataclass(frozen=True, slots=True)
class Day:
    """A local day, from midnight to midnight; `said` is who is on call, for those who hear it."""

    date: date
    start: datetime
    end: datetime
    is_other: bool
    is_today: bool
    said: tuple[str, ...] = ()

    @property
    def hours(self) -> str:
        """Return how long an odd day is, "23 h"; nothing for one of 24 hours."""
        seconds = int((self.end - self.start).total_seconds())
        return "" if seconds == DAY_SECONDS else f"{seconds / 3600:g} h"


@dataclass(frozen=True, slots=True)
class Bar:
    """A span within a week; `x` and `width` are per cent of the week, ready for SVG.

    `room` is "point" or "slim" where a label does not fit, on any screen or on a narrow one.
    """

    x: str
    width: str
    room: str
    span: Span
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A rotation's bars in a week."""

    name: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days from Monday, and a lane per rotation."""

    days: tuple[Day, ...]
    lanes: tuple[Lane, ...] = ()


def parse_month(text: str, *, today: date) -> date:
    """Return the first day of the month written as "2027-03"; today's where it is none."""
    match = _MONTH.fullmatch(text)
    if match is not None and FIRST_YEAR <= int(match[1]) <= LAST_YEAR:
        return date(int(match[1]), int(match[2]), 1)
    return today.replace(day=1)


def month_after(first: date, step: int = 1) -> date:
    """Return the first day of the month that lies `step` months on."""
    months = first.year * 12 + first.month - 1 + step
    return date(months // 12, months % 12 + 1, 1)


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return when a local day begins, in UTC; in a gap at midnight, when the gap ends."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def list_weeks(first: date, *, zone: tzinfo, now: datetime) -> list[Week]:
    """Return the weeks that a month touches, from Monday to Sunday, without lanes."""
    today = now.astimezone(zone).date()
    start = first - timedelta(days=first.weekday())
    weeks = []
    while start < month_after(first):
        days = [start + timedelta(days=n) for n in range(DAYS)]
        weeks.append(
            Week(
                tuple(
                    Day(
                        date=day,
                        start=midnight(day, zone),
                        end=midnight(day + timedelta(days=1), zone),
                        is_other=day.month != first.month,
                        is_today=day == today,
                    )
                    for day in days
                )
            )
        )
        start += timedelta(days=DAYS)
    return weeks


def draw_month(weeks: Iterable[Week], rows: Sequence[Row], *, zone: tzinfo) -> list[Week]:
    """Return the weeks with the rows' bars in them, and what each day says."""
    return [_draw_week(week, rows, zone) for week in weeks]


def fill_gaps(spans: Iterable[Span], *, start: datetime, end: datetime) -> list[Span]:
    """Return the spans with one of nobody's wherever there is none between `start` and `end`."""
    filled: list[Span] = []
    for span in spans:
        if span.start > start:
            filled.append(nobody(start, span.start))
        filled.append(span)
        start = max(start, span.end)
    if start < end:
        filled.append(nobody(start, end))
    return filled


def nobody(start: datetime, end: datetime) -> Span:
    """Return a span in which no one is on call."""
    return Span(start, end, "Nobody", "Nobody", 0, is_nobody=True)


def say_local(at: datetime, zone: tzinfo) -> str:
    """Return an instant as "Mon 1 Mar 09:00" of a zone."""
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def say_span(span: Span, zone: tzinfo) -> str:
    """Return a span as a sentence: who, from when to when."""
    who = f"{span.name} (override)" if span.is_override else span.name
    return f"{who}, {say_local(span.start, zone)} to {say_local(span.end, zone)}"


def _draw_week(week: Week, rows: Sequence[Row], zone: tzinfo) -> Week:
    start, end = week.days[0].start, week.days[-1].end
    lanes: list[Lane] = []
    said: list[list[str]] = [[] for _ in week.days]
    for row in rows:
        spans = [span for span in row.spans if span.start < end and span.end > start]
        spans = fill_gaps(spans, start=start, end=end)
        lanes.append(Lane(row.name, tuple(_draw_bar(span, week, zone) for span in spans)))
        for n, day in enumerate(week.days):
            said[n].append(_say_day(day, row.name, spans, zone))
    days = tuple(
        Day(day.date, day.start, day.end, day.is_other, day.is_today, tuple(said[n]))
        for n, day in enumerate(week.days)
    )
    return Week(days, tuple(lanes))


def _draw_bar(span: Span, week: Week, zone: tzinfo) -> Bar:
    x, end = _place(span.start, week), _place(span.end, week)
    width = max(end - x, _LEAST_WIDTH)
    slim = _SLIM_NOBODY if span.is_nobody else _SLIM
    room = "point" if width < _POINT else "slim" if width < slim else "wide"
    return Bar(f"{x:.3f}", f"{width:.3f}", room, span, say_span(span, zone))


def _place(at: datetime, week: Week) -> float:
    """Return where an instant lies in a week, in per cent; clipped to the week."""
    for n, day in enumerate(week.days):
        if at < day.end and day.end > day.start:
            share = (at - day.start) / (day.end - day.start)
            return 100 * (n + max(0.0, share)) / DAYS
    return 100.0


def _say_day(day: Day, name: str, spans: Iterable[Span], zone: tzinfo) -> str:
    parts = []
    for span in spans:
        if span.start < day.end and span.end > day.start:
            who = f"{span.name} (override)" if span.is_override else span.name
            until = f" until {span.end.astimezone(zone):%H:%M}" if span.end < day.end else ""
            parts.append(who + until)
    listed = ", then ".join(parts)
    return f"{name}: {listed}" if name else listed
