"""Maintenance windows as tests write them down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from incidents.maintenance.windows import Window, spans

ZONES = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Pacific/Apia",
]
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(start: str, rrule: str = "", zone: str = "UTC", lasts: float = 1) -> Window:
    starts_at = at(start)
    return Window(starts_at, starts_at + timedelta(hours=lasts), rrule, ZoneInfo(zone))


def starts(given: Window, until: str, since: str = "2000-01-01") -> list[str]:
    found = spans(given, at(since), at(until))
    return [start.strftime("%Y-%m-%dT%H:%M") for start, _ in found]
