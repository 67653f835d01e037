"""Which instants a maintenance window covers: a function of its definition and a time.

The first occurrence is [starts_at, ends_at), whether or not the rule's pattern has it (RFC 5545:
it counts, also in COUNT). Later ones begin at its wall-clock time in the zone, on the dates of the
pattern; in a gap that is later by the gap, in a fold the first. Each lasts, in elapsed time, as
long as the first (RFC 5545 on DTEND).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from incidents.maintenance.recurrence import (
    BadRule,
    BadWindow,
    Rule,
    occurs_after,
    read_rrule,
    takes,
)

__all__ = ["BadRule", "BadWindow", "Window", "check_window", "next_spans", "read_rrule", "spans"]

MOST_ONCE = timedelta(days=400)
MOST_REPEATED = timedelta(days=31)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
# Eight years pass between two 29ths of February around 2100; nothing that people plan is rarer.
REPEATS_WITHIN_DAYS = 12 * 366
_DAY = timedelta(days=1)

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Window:
    """The definition of a window: its first occurrence, how it repeats ("": not), and where."""

    starts_at: datetime
    ends_at: datetime
    rrule: str
    zone: ZoneInfo

    @property
    def lasts(self) -> timedelta:
        """How long each occurrence lasts, elapsed."""
        return self.ends_at - self.starts_at

    @property
    def wall(self) -> datetime:
        """The wall-clock time of the start, without a zone."""
        return self.starts_at.astimezone(self.zone).replace(tzinfo=None, fold=0)


def check_window(window: Window) -> None:
    """Raise BadWindow, or BadRule, for a window that is not taken, with a sentence why."""
    for name, at in (("starts_at", window.starts_at), ("ends_at", window.ends_at)):
        if not EARLIEST <= at < LATEST:
            raise BadWindow("Must be in the years from 2000 to 2099.", name)
    if window.ends_at <= window.starts_at:
        raise BadWindow("Must be after the start.", "ends_at")
    if not window.rrule:
        if window.lasts > MOST_ONCE:
            raise BadWindow(f"A window lasts at most {MOST_ONCE.days} days.", "ends_at")
        return
    if window.lasts > MOST_REPEATED:
        text = f"A window that repeats lasts at most {MOST_REPEATED.days} days each time."
        raise BadWindow(text, "ends_at")
    rule = read_rrule(window.rrule)
    if not takes(window.starts_at, rule.until, window.wall):
        raise BadRule("UNTIL is before the start.")
    is_single = rule.count == 1
    if not is_single and not occurs_after(rule, window.wall.date(), days=REPEATS_WITHIN_DAYS):
        raise BadRule("This rule has no day in the 12 years after the start.")


def spans(window: Window, since: datetime, until: datetime, *, most: int = 1000) -> list[Span]:
    """Return the first `most` occurrences that overlap [since, until), in order, in UTC.

    Raises BadRule for a rule that `read_rrule` refuses.
    """
    found: list[Span] = []
    for start in _starts(window, since - window.lasts, until):
        if start >= until or len(found) == most:
            break
        end = start + window.lasts
        if end > since:
            found.append((start, end))
    return found


def next_spans(window: Window, after: datetime, *, most: int) -> list[Span]:
    """Return the first `most` occurrences that end after an instant, in order."""
    within = max(after, window.starts_at) + timedelta(days=REPEATS_WITHIN_DAYS)
    return spans(window, after, within, most=most)


def _starts(window: Window, since: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the starts up to `until`, ascending; those well before `since` may be left out."""
    first = window.starts_at.astimezone(UTC)
    yield first
    if not window.rrule or until <= first:
        return
    rule = read_rrule(window.rrule)
    last, clock = first, window.wall.time()
    for day in _dates(window, rule, since, until):
        wall = datetime.combine(day, clock)
        # A time of the wall that comes twice is the first one; one that is skipped is read with
        # the offset before the gap, which is later by the gap: both are what fold=0 means.
        start = wall.replace(tzinfo=window.zone).astimezone(UTC)
        if not takes(start, rule.until, wall):
            return
        if start > last:  # a day that a zone left out altogether falls onto the next one
            yield start
            last = start


def _dates(window: Window, rule: Rule, since: datetime, until: datetime) -> Iterator[date]:
    """Yield the dates of the pattern after the first, from about `since` to about `until`."""
    first = window.wall.date()
    begin = max(first, since.astimezone(window.zone).date() - 2 * _DAY)
    end = until.astimezone(window.zone).date() + _DAY
    if rule.count is None:
        yield from rule.dates(first, since=max(begin, first + _DAY), until=end)
        return
    counted = rule.dates(first, since=first + _DAY, until=end)
    yield from (day for day in islice(counted, rule.count - 1) if day >= begin)
