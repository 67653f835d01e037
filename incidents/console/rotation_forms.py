"""The form of a rotation: layers of people, edited without a script by buttons that ask anew.

A draft holds what was typed, as text. A button of the form changes the draft and shows it again;
"Save" reads it, and what is wrong is written beside the field it is in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from accounts.models import Membership
from accounts.zones import zone_names
from incidents.models import Rotation
from incidents.oncall.limits import (
    FIRST_YEAR,
    LAST_YEAR,
    MOST_LAYERS,
    MOST_LENGTH,
    MOST_MEMBERS,
    MOST_RESTRICTIONS,
)
from incidents.oncall.rotations import LayerValues

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
UNITS = (("hour", "hours"), ("day", "days"), ("week", "weeks"))
_WALL = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2})(:[0-9]{2}(\.[0-9]{1,6})?)?")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")

_NAME = forms.CharField(max_length=120, error_messages={"required": "Give the rotation a name."})

T = TypeVar("T")


def read_wall(text: str) -> datetime:
    """Return the wall-clock time that a date-time field sent. Raises ValidationError."""
    match = _WALL.fullmatch(text.strip())
    try:
        wall = datetime.fromisoformat(match[1]) if match else None
    except ValueError:
        wall = None
    if wall is None:
        raise ValidationError("Choose a date and a time.")
    if not FIRST_YEAR <= wall.year <= LAST_YEAR:
        raise ValidationError(f"Choose a date between {FIRST_YEAR} and {LAST_YEAR}.")
    return wall


@dataclass
class Slot:
    """A place in the order of turns: a membership's id, as text."""

    value: str = ""
    error: str = ""
    is_new: bool = False


@dataclass
class Hours:
    """Hours of the week in which a layer is active."""

    weekdays: list[str] = field(default_factory=lambda: ["0", "1", "2", "3", "4"])
    start: str = "09:00"
    end: str = "17:00"
    error: str = ""
    is_new: bool = False

    @property
    def days(self) -> list[tuple[str, str, bool]]:
        """Return each weekday's number, name and whether it is ticked."""
        return [(str(n), name, str(n) in self.weekdays) for n, name in enumerate(WEEKDAYS)]


@dataclass
class Layer:
    """One row of turns."""

    unit: str = "week"
    length: str = "1"
    handoff: str = ""
    slots: list[Slot] = field(default_factory=lambda: [Slot()])
    hours: list[Hours] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    is_new: bool = False


@dataclass
class Draft:
    """A rotation as it was typed so far."""

    name: str = ""
    timezone: str = "UTC"
    layers: list[Layer] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.errors and not any(
            layer.errors
            or any(slot.error for slot in layer.slots)
            or any(hours.error for hours in layer.hours)
            for layer in self.layers
        )

    def change(self, what: str) -> None:
        """Do what one of the form's buttons says: "add-slot:0", "up:0:2"; nonsense does nothing."""
        action, *numbers = what.split(":")
        if not all(re.fullmatch("[0-9]{1,3}", number) for number in numbers):
            return
        change = _CHANGES.get((action, len(numbers)))
        if change is not None:
            try:
                change(self, *map(int, numbers))
            except IndexError:
                return


def read_draft(data: QueryDict) -> Draft:
    """Return what a form sent, untouched."""
    layers = []
    for n in range(min(len(data.getlist("layer")), MOST_LAYERS)):
        key = f"layer-{n}"
        starts, ends = data.getlist(f"{key}-from"), data.getlist(f"{key}-to")
        hours = [
            Hours(data.getlist(f"{key}-weekdays-{m}"), start, end)
            for m, (start, end) in enumerate(zip(starts, ends, strict=False))
        ]
        layers.append(
            Layer(
                unit=data.get(f"{key}-unit", ""),
                length=data.get(f"{key}-length", ""),
                handoff=data.get(f"{key}-handoff", ""),
                slots=[Slot(value) for value in data.getlist(f"{key}-member")[:MOST_MEMBERS]],
                hours=hours[:MOST_RESTRICTIONS],
            )
        )
    return Draft(data.get("name", ""), data.get("timezone", ""), layers)


def draft_of(rotation: Rotation) -> Draft:
    """Return a stored rotation as the form shows it."""
    layers = []
    for row in rotation.layers.order_by("position").prefetch_related("slots"):
        slots = sorted(row.slots.all(), key=lambda slot: slot.position)
        layers.append(
            Layer(
                unit=row.unit,
                length=str(row.length),
                handoff=row.handoff,
                slots=[Slot(str(slot.membership_id)) for slot in slots if slot.membership_id],
                hours=[
                    Hours(
                        [str(day) for day in stored["weekdays"]],
                        stored["from"],
                        "00:00" if stored["to"] == "24:00" else stored["to"],
                    )
                    for stored in row.restrictions
                ],
            )
        )
    return Draft(rotation.name, rotation.timezone, layers)


def check_draft(draft: Draft, *, members: Iterable[Membership]) -> dict[str, Any]:
    """Return what the services take. What is wrong is written into the draft: see `is_sound`."""
    known = {str(member.pk): member for member in members}
    name = _try(draft.errors, "name", lambda: _NAME.clean(draft.name))
    zone = draft.timezone.strip()
    if zone not in zone_names():
        draft.errors["timezone"] = "Choose a zone such as Europe/Berlin or UTC."
    if not draft.layers:
        draft.errors["layers"] = "A rotation needs a layer. Add one."
    layers = [_check_layer(layer, known) for layer in draft.layers]
    return {"name": name, "timezone": zone, "layers": layers}


def _check_layer(layer: Layer, known: dict[str, Membership]) -> LayerValues:
    if layer.unit not in MOST_LENGTH:
        layer.errors["length"] = "Choose hours, days or weeks."
    length = forms.IntegerField(min_value=1, max_value=MOST_LENGTH.get(layer.unit, 1))
    count = _try(layer.errors, "length", lambda: length.clean(layer.length))
    wall = _try(layer.errors, "handoff", lambda: read_wall(layer.handoff))
    members = []
    for slot in layer.slots:
        if slot.value and slot.value not in known:
            slot.error = "This person has left the team. Choose somebody else."
        elif slot.value:
            members.append(known[slot.value])
    return LayerValues(
        unit=layer.unit,
        length=count or 1,
        handoff=wall or datetime(FIRST_YEAR, 1, 1),  # noqa: DTZ001 - a time of the wall clock
        members=members,
        restrictions=[_check_hours(hours) for hours in layer.hours],
    )


def _check_hours(hours: Hours) -> dict[str, Any]:
    weekdays = sorted({int(day) for day in hours.weekdays if re.fullmatch("[0-6]", day)})
    start, end = hours.start.strip()[:5], hours.end.strip()[:5]
    if not weekdays:
        hours.error = "Tick at least one weekday."
    elif not (_TIME.fullmatch(start) and _TIME.fullmatch(end)):
        hours.error = "Give both times, such as 09:00 and 17:00."
    return {"weekdays": weekdays, "from": start, "to": end}


def _try(errors: dict[str, str], key: str, clean: Callable[[], T]) -> T | None:
    try:
        return clean()
    except ValidationError as error:
        errors.setdefault(key, " ".join(error.messages))
        return None


def _add_layer(draft: Draft) -> None:
    if len(draft.layers) < MOST_LAYERS:
        last = draft.layers[-1] if draft.layers else Layer()
        draft.layers.append(Layer(last.unit, last.length, last.handoff, is_new=True))


def _add_slot(draft: Draft, layer: int) -> None:
    slots = draft.layers[layer].slots
    if len(slots) < MOST_MEMBERS:
        slots.append(Slot(is_new=True))


def _add_hours(draft: Draft, layer: int) -> None:
    hours = draft.layers[layer].hours
    if len(hours) < MOST_RESTRICTIONS:
        hours.append(Hours(is_new=True))


def _move(items: list[Any], index: int, to: int) -> None:
    if to < 0 or max(index, to) >= len(items):
        raise IndexError
    items.insert(to, items.pop(index))
    items[to].is_new = True  # the cursor follows


_CHANGES: dict[tuple[str, int], Callable[..., Any]] = {
    ("add-layer", 0): _add_layer,
    ("drop-layer", 1): lambda draft, n: draft.layers.pop(n),
    ("up-layer", 1): lambda draft, n: _move(draft.layers, n, n - 1),
    ("add-slot", 1): _add_slot,
    ("drop-slot", 2): lambda draft, n, m: draft.layers[n].slots.pop(m),
    ("up", 2): lambda draft, n, m: _move(draft.layers[n].slots, m, m - 1),
    ("down", 2): lambda draft, n, m: _move(draft.layers[n].slots, m, m + 1),
    ("add-hours", 1): _add_hours,
    ("drop-hours", 2): lambda draft, n, m: draft.layers[n].hours.pop(m),
}
