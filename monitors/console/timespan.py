"""The time that a monitor's page shows: a named range up to now, or one from an instant to another.

It is in the address as `range=6h`, or as `from=` and `to=`: ISO 8601, in the viewer's zone where it
names none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils.translation import gettext as _

from accounts.durations import say_duration
from accounts.zones import reader_zone

RANGES = {"1h": 3_600, "6h": 21_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000}
DEFAULT_RANGE = "24h"
LEAST = timedelta(minutes=1)
_MOST_TEXT = 40


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` to `until`; `name` is that of a range up to now, "" for any other time."""

    name: str
    since: datetime
    until: datetime

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.until - self.since).total_seconds()

    @property
    def said(self) -> str:
        """The length in words."""
        return say_duration(self.seconds)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for: `span` is None where it asks for no time."""

    span: Span | None
    errors: Mapping[str, str]
    given: Mapping[str, str]

    def or_default(self, now: datetime) -> Span:
        """Return the span, or the usual one up to now."""
        return self.span or span_of(DEFAULT_RANGE, now)


def span_of(name: str, now: datetime) -> Span:
    """Return a named range up to now. Raises KeyError."""
    return Span(name, now - timedelta(seconds=RANGES[name]), now)


def read_span(query: Mapping[str, str], *, now: datetime, earliest: datetime) -> Asked:
    """Return what a query string asks for, within what is kept; what it cannot be is said."""
    given = {name: str(query.get(name, "")).strip()[:_MOST_TEXT] for name in ("from", "to")}
    if not any(given.values()):
        name = str(query.get("range", ""))
        return Asked(span_of(name, now) if name in RANGES else None, {}, given)
    read: dict[str, datetime] = {}
    errors: dict[str, str] = {}
    for name, text in given.items():
        if text:
            try:
                read[name] = _read(text)
            except (ValueError, OverflowError):
                errors[name] = _("Write a time as 2027-03-01T09:30.")
    if errors:
        return Asked(None, errors, given)
    until = min(read.get("to", now), now)
    since = max(read.get("from", until - timedelta(days=1)), earliest)
    if "from" in read and read["from"] >= read.get("to", now):
        errors["to"] = _("The end must come after the beginning.")
    elif since >= until:
        errors["from"] = _("Nothing is kept from that time.")
    if errors:
        return Asked(None, errors, given)
    return Asked(Span("", min(since, until - LEAST), until), {}, given)


def neighbours(span: Span, *, now: datetime, earliest: datetime) -> dict[str, Span | None]:
    """Return the spans of the same length before and after, where there are any."""
    length = span.until - span.since
    earlier = Span("", span.since - length, span.since) if span.since > earliest else None
    later = None
    if span.until < now:
        until = min(span.until + length, now)
        later = Span("", until - length, until)
    return {"earlier": earlier, "later": later}


def write_instant(at: datetime) -> str:
    """Return an instant as the address has it, whole seconds in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def write_wall(at: datetime) -> str:
    """Return an instant as a form field has it, in the viewer's zone."""
    return at.astimezone(reader_zone()).strftime("%Y-%m-%dT%H:%M")


def _read(text: str) -> datetime:
    at = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    if not 1970 < at.year < 9000:
        raise ValueError("out of range")
    return (at.replace(tzinfo=reader_zone()) if at.tzinfo is None else at).astimezone(UTC)
