"""The bars of a component: one per day as SVG, and the same in words."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from django.utils.safestring import SafeString, mark_safe

from statuspages.rendering.times import Calendar
from statuspages.view import ComponentView, DayView

HEIGHT = 36
# The worse, the taller: a bar tells how a day was without its colour.
_TOPS = {"major": 0, "partial": 5, "degraded": 9, "maint": 13, "up": 13, "none": 20}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a day, or several alike in a row."""

    days: str
    what: str
    uptime: str


@dataclass(frozen=True, slots=True)
class Bars:
    """What a component's last days look like, in a picture and in words."""

    picture: SafeString
    rows: tuple[Row, ...]
    uptime: str
    oldest: str


def day_kind(day: DayView) -> str:
    """Return which bar the day gets: major, partial, degraded, maint, up or none."""
    if day.major_seconds:
        return "major"
    if day.partial_seconds:
        return "partial"
    if day.degraded_seconds:
        return "degraded"
    if day.maintenance_seconds:
        return "maint"
    return "none" if day.uptime is None else "up"


def describe_day(day: DayView, calendar: Calendar) -> str:
    """Return e.g. "3 min 20 s major outage"."""
    words = calendar.words
    if day.uptime is None and day_kind(day) == "none":
        return words["day_empty"]
    parts = [
        words[key].format(duration=calendar.duration(seconds))
        for key, seconds in (
            ("day_major", day.major_seconds),
            ("day_partial", day.partial_seconds),
            ("day_degraded", day.degraded_seconds),
            ("day_maintenance", day.maintenance_seconds),
            ("day_no_data", day.no_data_seconds),
        )
        if seconds
    ]
    return ", ".join(parts) or words["day_good"]


def _rows(days: tuple[DayView, ...], calendar: Calendar) -> tuple[Row, ...]:
    """Return what was not plainly good, newest first, with days alike in a row as one."""
    runs: list[tuple[DayView, DayView, str, str]] = []
    for day in days:
        what = describe_day(day, calendar)
        uptime = "" if day.uptime is None else calendar.percent(day.uptime)
        last = runs[-1] if runs else None
        if last and last[2:] == (what, uptime) and (day.date - last[1].date).days == 1:
            runs[-1] = (last[0], day, what, uptime)
        else:
            runs.append((day, day, what, uptime))
    found = []
    for first, last_day, what, uptime in reversed(runs):
        if what == calendar.words["day_good"]:
            continue
        days_text = calendar.day(first.date)
        if first is not last_day:
            days_text += f" – {calendar.day(last_day.date)}"
        found.append(Row(days_text, what, uptime or "—"))
    return tuple(found)


def draw_days(component: ComponentView, window_days: int, calendar: Calendar) -> Bars:
    """Return the component's bars; days before the first are drawn as without data."""
    words = calendar.words
    days = component.days[-window_days:]
    uptime = (
        words["no_uptime"]
        if component.uptime is None
        else words["uptime"].format(percent=calendar.percent(component.uptime))
    )
    absent = window_days - len(days)
    drawn = []
    if absent:
        top = _TOPS["none"]
        drawn.append(
            f'<rect class="none" y="{top}" width="{absent * 5 - 1}" height="{HEIGHT - top}"/>'
        )
    trouble = missing = 0
    for place, day in enumerate(days, absent):
        kind = day_kind(day)
        trouble += kind in ("major", "partial", "degraded")
        missing += kind == "none"
        said = f"{calendar.day(day.date)}: {describe_day(day, calendar)}"
        if day.uptime is not None:
            said += f", {words['day_uptime'].format(percent=calendar.percent(day.uptime))}"
        drawn.append(
            f'<rect class="{kind}" x="{place * 5}" y="{_TOPS[kind]}" width="4"'
            f' height="{HEIGHT - _TOPS[kind]}"><title>{escape(said)}</title></rect>'
        )
    label = words["bars_label"].format(
        name=component.name,
        days=window_days,
        uptime=uptime,
        trouble=trouble,
        missing=missing + absent,
    )
    picture = (
        f'<svg class="bars" role="img" aria-label="{escape(label)}" preserveAspectRatio="none"'
        f' viewBox="0 0 {window_days * 5 - 1} {HEIGHT}">{"".join(drawn)}</svg>'
    )
    return Bars(
        picture=mark_safe(picture),  # noqa: S308
        rows=_rows(days, calendar),
        uptime=uptime,
        oldest=words["days_ago"].format(days=window_days),
    )
