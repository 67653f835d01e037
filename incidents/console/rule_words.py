"""What an alert rule takes, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from incidents.console.rotation_forms import WEEKDAYS

_CAUSES = {"silence": "went silent", "failure": "failed", "latency": "slow"}


def say_match(match: Mapping[str, Any]) -> list[str]:
    """Return the conditions of a rule, all of which must hold; none for a rule that takes all."""
    labels = [f"label {name} is {value}" for name, value in (match.get("labels") or {}).items()]
    causes = [_CAUSES.get(cause, cause) for cause in match.get("causes") or ()]
    hours = [say_hours(entry) for entry in match.get("hours") or ()]
    return [
        *labels,
        *_one_of("namespace is", match.get("namespaces")),
        *_one_of("name is like", match.get("names")),
        *_one_of("severity is", match.get("severities")),
        *_one_of("cause:", causes),
        *_one_of("time is", hours),
    ]


def say_hours(entry: Mapping[str, Any]) -> str:
    """Return hours of the week: "Mon to Fri 09:00 to 17:00 Europe/Berlin"."""
    days = _say_days(entry.get("weekdays") or range(7))
    start, end = entry.get("from") or "00:00", entry.get("to") or "00:00"
    zone = entry.get("timezone") or "UTC"
    return f"{days} {start} to {end} {zone}"


def _say_days(weekdays: Any) -> str:
    """Return days with neighbours put together: "Mon to Fri", "Sat, Sun", "every day"."""
    days = sorted(set(weekdays))
    if len(days) == len(WEEKDAYS):
        return "every day"
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    said = []
    for run in runs:
        names = [WEEKDAYS[day] for day in run]
        said.append(f"{names[0]} to {names[-1]}" if len(run) > 2 else ", ".join(names))
    return ", ".join(said)


def _one_of(what: str, values: Sequence[str] | None) -> list[str]:
    if not values:
        return []
    *others, last = values
    return [f"{what} {', '.join(others)} or {last}" if others else f"{what} {last}"]
