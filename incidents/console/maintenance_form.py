"""The form of a maintenance window: wall-clock times, and a few ways to repeat in plain words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError

from accounts.templatetags.wording import straight
from accounts.zones import zone_names
from incidents.maintenance.announcing import list_pages
from incidents.maintenance.recurrence import (
    MOST_RULE,
    WEEKDAYS,
    BadWindow,
    clean_rrule,
    read_rrule,
)
from incidents.maintenance.windows import Window, check_window
from incidents.models import Maintenance
from monitors.console.forms import MonitorForm
from monitors.models import Monitor

MOST_LISTED = 1000
WALL = "%Y-%m-%dT%H:%M"
DAY_NAMES = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)
_REPEATS = [
    ("", "Does not repeat"),
    ("daily", "Every day"),
    ("weekly", "Every week, on these days"),
    ("monthly", "Every month, on the same date"),
    ("monthly-day", "Every month, on the same weekday of it"),
    ("rule", "By a rule of your own (RRULE)"),
]
_NTH = {1: "first", 2: "second", 3: "third", 4: "fourth", -1: "last"}


class WallField(forms.DateTimeField):
    """A wall-clock time to the minute, in no zone yet."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=WALL)
        super().__init__(widget=widget, **options)

    def to_python(self, value: Any) -> Any:
        """Return the naive time."""
        at = super().to_python(value)
        if at is None:
            return None
        if not 2000 <= at.year <= 2099:
            raise ValidationError("Choose a time in the years from 2000 to 2099.")
        return at.replace(tzinfo=None)


class MaintenanceForm(forms.Form):
    """Plan or change a window; `values()` are the arguments of the service."""

    name = forms.CharField(max_length=120, help_text="For example “Nightly database upgrade”.")
    starts_at = WallField(label="Starts")
    ends_at = WallField(label="Ends")
    timezone = forms.CharField(
        label="Time zone",
        max_length=64,
        initial="UTC",
        help_text="Repetitions follow its clocks, summer time included.",
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"}),
    )
    repeats = forms.ChoiceField(choices=_REPEATS, required=False)
    weekdays = forms.MultipleChoiceField(
        choices=list(zip(WEEKDAYS, DAY_NAMES, strict=True)),
        required=False,
        help_text="With none chosen, the weekday of the start.",
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )
    rrule = forms.CharField(
        label="Rule",
        required=False,
        max_length=MOST_RULE,
        help_text="As in iCalendar (RFC 5545): FREQ=WEEKLY;INTERVAL=2;BYDAY=SA",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )
    monitors: forms.ModelMultipleChoiceField[Monitor] = forms.ModelMultipleChoiceField(
        queryset=None,
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )
    labels = forms.CharField(
        label="Monitors with all of these labels",
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text="One per line: env=production. New monitors that carry them are covered too.",
    )

    status_page = forms.TypedChoiceField(
        label="Announce on status page",
        required=False,
        coerce=UUID,
        empty_value=None,
        help_text="Visitors are told up to 14 days ahead, when it begins, and when it is over.",
    )

    clean_labels = MonitorForm.clean_labels

    def __init__(self, *args: Any, maintenance: Maintenance | None = None, **kwargs: Any) -> None:
        self.maintenance = maintenance
        if maintenance is not None:
            kwargs["initial"] = initial_of(maintenance)
        super().__init__(*args, **kwargs)
        # Only here, inside a request's scope, may the monitors be asked for.
        self.fields["monitors"].queryset = Monitor.objects.order_by("name")  # type: ignore[attr-defined]
        if pages := list_pages():
            named = [(str(pk), straight(name)) for pk, name in pages]
            self.fields["status_page"].choices = [("", "None"), *named]  # type: ignore[attr-defined]
        else:
            del self.fields["status_page"]

    def clean_timezone(self) -> str:
        """Refuse a zone that is not there."""
        name: str = self.cleaned_data["timezone"]
        if name not in zone_names():
            raise ValidationError("Choose an IANA time zone, for example Europe/Berlin.")
        return name

    def clean(self) -> dict[str, Any]:
        """Check the window as a whole, and that it covers something."""
        data = super().clean() or self.cleaned_data
        if not self.errors and not data["monitors"] and not data["labels"]:
            raise ValidationError("Choose at least one monitor or one label.")
        if not self.errors and data["repeats"] == "weekly" and data["weekdays"]:
            begins: datetime = data["starts_at"]
            if WEEKDAYS[begins.weekday()] not in data["weekdays"]:
                day = DAY_NAMES[begins.weekday()]
                text = f"The start is a {day}. Choose it as well, or start on one of these days."
                self.add_error("weekdays", text)
        if not self.errors:
            window = self._window()
            try:
                check_window(window)
            except BadWindow as error:
                self.add_error(error.field, str(error))
            data["window"] = window
        return data

    def values(self) -> dict[str, Any]:
        """Return what the maintenance service takes."""
        data = self.cleaned_data
        window: Window = data["window"]
        return {
            "name": data["name"],
            "monitors": list(data["monitors"]),
            "labels": data["labels"],
            "starts_at": window.starts_at,
            "ends_at": window.ends_at,
            "rrule": window.rrule,
            "timezone": data["timezone"],
            **({"status_page": data["status_page"]} if "status_page" in self.fields else {}),
        }

    def _window(self) -> Window:
        zone = ZoneInfo(self.cleaned_data["timezone"])
        starts_at, ends_at = self._instant("starts_at", zone), self._instant("ends_at", zone)
        return Window(starts_at, ends_at, self._rule(), zone)

    def _instant(self, name: str, zone: ZoneInfo) -> datetime:
        wall: datetime = self.cleaned_data[name]
        stored: datetime | None = getattr(self.maintenance, name, None)
        # What was not changed keeps its seconds, and which of two equal hours of the wall it is.
        if stored and stored.astimezone(zone).strftime(WALL) == wall.strftime(WALL):
            return stored
        return wall.replace(tzinfo=zone).astimezone(UTC)

    def _rule(self) -> str:
        data = self.cleaned_data
        start: datetime = data["starts_at"]
        if data["repeats"] == "weekly":
            chosen = [day for day in WEEKDAYS if day in data["weekdays"]]
            return f"FREQ=WEEKLY;BYDAY={','.join(chosen)}" if chosen else "FREQ=WEEKLY"
        if data["repeats"] == "monthly-day":
            return f"FREQ=MONTHLY;BYDAY={nth_weekday(start)}"
        if data["repeats"] == "rule":
            return clean_rrule(data["rrule"]) or "FREQ="
        return {"daily": "FREQ=DAILY", "monthly": "FREQ=MONTHLY"}.get(data["repeats"], "")


def nth_weekday(wall: datetime) -> str:
    """Return which weekday of its month a day is, as in BYDAY: "1MO"; the fifth is the last."""
    nth = (wall.day - 1) // 7 + 1
    return f"{nth if nth < 5 else -1}{WEEKDAYS[wall.weekday()]}"


def initial_of(maintenance: Maintenance) -> dict[str, Any]:
    """Return a window as the form shows it."""
    zone = ZoneInfo(maintenance.timezone)
    start = maintenance.starts_at.astimezone(zone)
    repeats, days = _preset(maintenance.rrule, start)
    return {
        "name": maintenance.name,
        "starts_at": start.replace(tzinfo=None),
        "ends_at": maintenance.ends_at.astimezone(zone).replace(tzinfo=None),
        "timezone": maintenance.timezone,
        "repeats": repeats,
        "weekdays": days,
        "rrule": maintenance.rrule,
        "monitors": [link.monitor_id for link in maintenance.monitor_links.all()],
        "status_page": maintenance.status_page_id,
        "labels": "\n".join(f"{key}={value}" for key, value in sorted(maintenance.labels.items())),
    }


def _preset(rrule: str, start: datetime) -> tuple[str, list[str]]:
    plain = {"": "", "FREQ=DAILY": "daily", "FREQ=WEEKLY": "weekly", "FREQ=MONTHLY": "monthly"}
    if rrule in plain:
        return plain[rrule], []
    if rrule == f"FREQ=MONTHLY;BYDAY={nth_weekday(start)}":
        return "monthly-day", []
    days = rrule.removeprefix("FREQ=WEEKLY;BYDAY=").split(",")
    is_weekly = rrule.startswith("FREQ=WEEKLY;BYDAY=") and set(days) <= set(WEEKDAYS)
    if is_weekly and WEEKDAYS[start.weekday()] in days:
        return "weekly", days
    return "rule", []


def say_repeats(maintenance: Maintenance) -> str:
    """Return how a window repeats in plain words; "" if it does not, or only its rule can say."""
    start = maintenance.starts_at.astimezone(ZoneInfo(maintenance.timezone))
    preset, _ = _preset(maintenance.rrule, start)
    if preset == "daily":
        return "every day"
    if preset == "monthly":
        return f"every month on day {start.day}"
    if preset == "monthly-day":
        [(nth, weekday)] = read_rrule(maintenance.rrule).by_day
        return f"every month on the {_NTH[nth]} {DAY_NAMES[weekday]}"
    if preset == "weekly":
        chosen = sorted(weekday for _, weekday in read_rrule(maintenance.rrule).by_day)
        names = [DAY_NAMES[weekday] for weekday in chosen or [start.weekday()]]
        return (
            f"every {', '.join(names[:-1])} and {names[-1]}" if names[1:] else f"every {names[0]}"
        )
    return ""
