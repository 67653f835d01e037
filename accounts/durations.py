"""Durations and instants as people write and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3_600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "week", "weeks"), 604_800),
}
_PART = re.compile(r"([0-9]{1,9})\s*([a-z]+)[\s,]*")
_MONTH_SECONDS = 30 * 86_400


def say_duration(seconds: float, *, units: int = 2) -> str:
    """Return a duration in its largest units, "2 d 4 h"; `units` says how many at most."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts and units < len(_UNITS):
            break  # "2 d 5 s" would claim a precision that the reader must think about
    return " ".join(parts[:units]) or "0 s"


def say_time(at: datetime, zone: tzinfo = UTC) -> str:
    """Return an instant as "22 Nov 2026 14:02:11 UTC", on the clocks of a zone."""
    at = at.astimezone(zone)
    return f"{at.day} {at:%b %Y %H:%M:%S} {_say_zone(at)}"


def say_both(at: datetime, zone: tzinfo = UTC, *, between: str = "\n") -> str:
    """Return an instant on the clocks of a zone and in UTC; once where these are the same."""
    here, there = say_time(at, zone), say_time(at)
    return there if here == there else f"{here}{between}{there}"


def _say_zone(at: datetime) -> str:
    """Return the letters of a local time's zone; its offset where the zone has none."""
    letters = at.tzname() or ""
    if letters.isalpha():
        return letters
    minutes = round((at.utcoffset() or timedelta()).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"


def say_ago(at: datetime, now: datetime, zone: tzinfo = UTC) -> str:
    """Return how far `at` lies from `now`: "4 min ago", "in 42 s"; a date beyond a month."""
    seconds = (now - at).total_seconds()
    away = abs(seconds)
    if away >= _MONTH_SECONDS:
        local = at.astimezone(zone)
        return f"{local.day} {local:%b %Y}"
    # Minutes alone are enough between one and sixty of them: seconds would only flicker.
    said = say_duration(away, units=1 if away < 3_600 else 2)
    if away < 1:
        return "now"
    return f"{said} ago" if seconds > 0 else f"in {said}"


def parse_duration(text: str) -> int:
    """Return the seconds in "90", "90 s", "1 min 30 s" or "2 days". Raises ValueError."""
    rest, total = text.strip().lower(), 0
    if re.fullmatch("[0-9]{1,9}", rest):
        return int(rest)
    if not rest:
        raise ValueError("empty")
    while rest:
        match = _PART.match(rest)
        if match is None or match[2] not in _SECONDS:
            raise ValueError(text)
        total += int(match[1]) * _SECONDS[match[2]]
        rest = rest[match.end() :]
    return total
