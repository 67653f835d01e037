"""Forms about who stands in: an override, and two people who take each other's shift."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError

from accounts.templatetags.wording import straight
from incidents.console.month import Span, say_local, say_span
from incidents.console.roster import Person
from incidents.console.rotation_forms import read_wall
from incidents.models import Rotation, RotationOverride
from incidents.oncall.schedule import Shift, resolve

WALL = "%Y-%m-%dT%H:%M"
LEFT = "Somebody has just left the team. Choose again."


class WallField(forms.CharField):
    """A date and time of the wall clock; its value is an instant, once `zone` is set."""

    zone: ZoneInfo

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"type": "datetime-local"})
        errors = {"required": "Choose a date and a time."}
        super().__init__(max_length=40, widget=widget, error_messages=errors, **kwargs)

    def clean(self, value: Any) -> Any:
        """Return the instant; moved forward in a gap of the clock, the first of two in a fold."""
        return resolve(read_wall(super().clean(value)), self.zone)


class OverrideForm(forms.Form):
    """Somebody who takes over for a while; `stored` is the override that is changed, if any."""

    member = forms.ChoiceField(label="Who", error_messages={"required": "Choose who stands in."})
    start = WallField(label="From")
    end = WallField(label="To")

    def __init__(
        self,
        *args: Any,
        people: Iterable[Person],
        zone: ZoneInfo,
        now: datetime,
        stored: RotationOverride | None = None,
        **kwargs: Any,
    ) -> None:
        if stored is not None:
            kwargs["initial"] = {
                "member": str(stored.membership_id),
                "start": f"{stored.start.astimezone(zone):{WALL}}",
                "end": f"{stored.end.astimezone(zone):{WALL}}",
            }
        super().__init__(*args, **kwargs)
        self.now, self.stored = now, stored
        self.people = {str(p.membership.pk): p for p in people if p.membership.accepted_at}
        member = self.fields["member"]
        assert isinstance(member, forms.ChoiceField)
        member.choices = [("", "Choose a person"), *list_choices(self.people.values())]
        for name in ("start", "end"):
            field = self.fields[name]
            assert isinstance(field, WallField)
            field.zone = zone

    def clean(self) -> dict[str, Any]:
        """Refuse a time that ends before it begins, or that is over."""
        data = super().clean() or self.cleaned_data
        # What was not changed keeps its seconds, and which of two equal hours of the wall it is.
        for name in {"start", "end"} & set(data) - set(self.changed_data):
            data[name] = getattr(self.stored, name, data[name])
        start, end = data.get("start"), data.get("end")
        if start and end and end <= start:
            self.add_error("end", "Choose a time after “From”.")
        elif end and end <= self.now:
            self.add_error("end", "That time is over. Choose one that is still to come.")
        return data

    def values(self) -> dict[str, Any]:
        """Return what the service takes, besides rotation and actor."""
        data = self.cleaned_data
        person = self.people[data["member"]]
        return {"start": data["start"], "end": data["end"], "membership": person.membership}


class SwapForm(forms.Form):
    """Two coming shifts whose people take each other's; a shift is known by its start."""

    first = forms.ChoiceField(label="This shift")
    second = forms.ChoiceField(label="for this one")

    def __init__(
        self, *args: Any, shifts: Sequence[tuple[Shift, Span]], zone: ZoneInfo, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.shifts = {shift.start.isoformat(): shift for shift, _ in shifts}
        choices = [(shift.start.isoformat(), say_span(span, zone)) for shift, span in shifts]
        for name in ("first", "second"):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [("", "Choose a shift"), *choices]
            field.error_messages["required"] = "Choose a shift."
            field.error_messages["invalid_choice"] = "This shift is no longer there. Choose again."

    def clean(self) -> dict[str, Any]:
        """Refuse two shifts of one person: there is nothing to swap."""
        data = super().clean() or self.cleaned_data
        one, two = self.shifts.get(data.get("first", "")), self.shifts.get(data.get("second", ""))
        if one and two and one.member == two.member:
            raise_for_same = ValidationError("Both are the same person's. Choose another shift.")
            self.add_error("second", raise_for_same)
        return data

    def values(self) -> dict[str, Shift]:
        """Return what the service takes, besides rotation and actor."""
        data = self.cleaned_data
        return {"first": self.shifts[data["first"]], "second": self.shifts[data["second"]]}


def say_overlap(
    rotation: Rotation, start: datetime, end: datetime, zone: ZoneInfo, *, but: UUID | None = None
) -> str:
    """Return who has an override at that time already, other than the one that is changed."""
    there = RotationOverride.objects.filter(rotation=rotation, start__lt=end, end__gt=start)
    if but is not None:
        there = there.exclude(pk=but)
    other = there.select_related("membership__user").order_by("start").first()
    if other is None:
        return "Another override is there at that time. Choose another time."
    return (
        f"{straight(other.membership.get_full_name())} has an override from "
        f"{say_local(other.start, zone)} to {say_local(other.end, zone)}. "
        "Delete it first, or choose another time."
    )


def list_choices(people: Iterable[Person]) -> list[tuple[str, str]]:
    """Return people as a select offers them; the address tells two of one name apart."""
    said = []
    for person in people:
        email = person.membership.user.email
        name = person.name if person.name == email else f"{person.name} ({email})"
        said.append((str(person.membership.pk), name))
    return said


def days_chosen(text: str, *, zone: ZoneInfo, now: datetime) -> dict[str, str]:
    """Return the times that a day of the month stands for, as the form's first values.

    Today begins now, in the zone's wall clock; nothing is filled in for what is no date.
    """
    try:
        day = date.fromisoformat(text)
        after = day + timedelta(days=1)
    except (ValueError, OverflowError):
        return {}
    local = now.astimezone(zone)
    start = f"{local:{WALL}}" if local.date() == day else f"{day.isoformat()}T00:00"
    return {"start": start, "end": f"{after.isoformat()}T00:00"}
