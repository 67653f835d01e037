"""What the pages about rotations share: people's names, who is on call, and the month."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django_scopes import scopes_disabled

from accounts.models import Membership
from accounts.templatetags.wording import straight
from incidents.console.agenda import list_turns
from incidents.console.month import (
    Row,
    Span,
    draw_month,
    list_weeks,
    midnight,
    month_after,
    parse_month,
)
from incidents.contacts import usable_methods
from incidents.models import Rotation, RotationLayer
from incidents.oncall.schedule import Schedule, Shift, next_change, on_call, shifts

SHADES = 6
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_NAMES = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


@dataclass(frozen=True, slots=True)
class Person:
    """A member as pages name them: a short label for bars, and a shade to tell them apart."""

    membership: Membership
    label: str
    name: str
    shade: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Who is on call in a rotation, until when, and who comes then; None is nobody."""

    rotation: Rotation
    current: Span | None
    until: datetime | None
    following: Span | None
    member: Hashable | None


def list_people() -> dict[Hashable, Person]:
    """Return the team's members by their membership's id, the longest-standing first."""
    rows = Membership.objects.select_related("user").order_by("created_at", "pk")
    return {
        row.pk: Person(
            membership=row,
            label=_short(straight(row.name), row.user.email),
            name=straight(row.get_full_name()),
            shade=n % SHADES + 1,
        )
        for n, row in enumerate(rows)
    }


def _short(name: str, email: str) -> str:
    return (name.split() or [email.partition("@")[0]])[0]


def span_of(shift: Shift, people: Mapping[Hashable, Person]) -> Span:
    """Return a shift as a bar shows it."""
    person = people.get(shift.member)
    return Span(
        start=shift.start,
        end=shift.end,
        label=person.label if person else "?",
        name=person.name if person else "somebody who has just left",
        shade=person.shade if person else 1,
        is_override=shift.override is not None,
    )


def read_standing(
    rotation: Rotation, schedule: Schedule, *, people: Mapping[Hashable, Person], now: datetime
) -> Standing:
    """Return who is on call now and who is next."""
    present = on_call(schedule, now)
    until = next_change(schedule, now)
    coming = on_call(schedule, until) if until else None
    return Standing(
        rotation=rotation,
        current=span_of(present, people) if present else None,
        until=until,
        following=span_of(coming, people) if coming else None,
        member=present.member if present else None,
    )


def say_unreachable(
    members: Iterable[Hashable], people: Mapping[Hashable, Person]
) -> dict[Hashable, str]:
    """Return a sentence for each of these members whom no page reaches."""
    found = {pk: people[pk] for pk in members if pk in people}
    ids: list[UUID] = [person.membership.pk for person in found.values()]
    with scopes_disabled():
        methods = usable_methods(ids) if ids else {}
    said: dict[Hashable, str] = {}
    for pk, person in found.items():
        if person.membership.accepted_at is None:
            said[pk] = f"{person.name} has not accepted their place in the team: no page for them"
        elif not methods.get(person.membership.pk):
            said[pk] = f"{person.name} cannot be reached: no contact method of theirs is verified"
    return said


def common_zone(rotations: Collection[Rotation]) -> tuple[str, tzinfo]:
    """Return the zone that all rotations share, else UTC; with its name."""
    names = {rotation.timezone for rotation in rotations}
    name = names.pop() if len(names) == 1 else "UTC"
    return name, ZoneInfo(name)


@dataclass(frozen=True, slots=True)
class MonthAsked:
    """A month of a page: its first day, the zone of its days, and when it begins and ends."""

    first: date
    this_month: date
    zone_name: str
    zone: tzinfo
    now: datetime
    start: datetime
    end: datetime


def read_month(
    request: HttpRequest, *, rotations: Collection[Rotation], now: datetime
) -> MonthAsked:
    """Return the month that the address asks for; this one unless it names another."""
    name, zone = common_zone(rotations)
    today = now.astimezone(zone).date()
    first = parse_month(request.GET.get("month", ""), today=today)
    weeks = list_weeks(first, zone=zone, now=now)
    return MonthAsked(
        first=first,
        this_month=today.replace(day=1),
        zone_name=name,
        zone=zone,
        now=now,
        start=weeks[0].days[0].start,
        end=weeks[-1].days[-1].end,
    )


def show_month(
    asked: MonthAsked,
    schedules: Sequence[tuple[Rotation, Schedule]],
    *,
    people: Mapping[Hashable, Person],
    names_rows: bool,
) -> dict[str, Any]:
    """Return what `oncall/_month.html` needs."""
    rows = [
        Row(
            name=rotation.name if names_rows else "",
            spans=[span_of(shift, people) for shift in shifts(schedule, asked.start, asked.end)],
        )
        for rotation, schedule in schedules
    ]
    weeks = list_weeks(asked.first, zone=asked.zone, now=asked.now)
    begins, ends = (midnight(day, asked.zone) for day in (asked.first, month_after(asked.first)))
    return {
        "agendas": list_turns(rows, start=begins, end=ends, now=asked.now, zone=asked.zone),
        "month": asked.first,
        "this_month": asked.this_month,
        "previous": month_after(asked.first, -1),
        "following": month_after(asked.first),
        "zone": asked.zone_name,
        "weeks": draw_month(weeks, rows, zone=asked.zone),
    }


def say_layer(layer: RotationLayer, zone_name: str) -> str:
    """Return a layer's turns in words: "Weekly, hands off Mondays 09:00 Europe/Berlin"."""
    handoff = datetime.fromisoformat(layer.handoff)
    when = f"{handoff:%H:%M} {zone_name}"
    if layer.unit == "hour":
        every = "Hourly" if layer.length == 1 else f"Every {layer.length} hours"
        return f"{every}, counted from {handoff.day} {handoff:%b %Y} {when}"
    if layer.unit == "day":
        every = "Daily" if layer.length == 1 else f"Every {layer.length} days"
        return f"{every}, hands off at {when}"
    every = "Weekly" if layer.length == 1 else f"Every {layer.length} weeks"
    return f"{every}, hands off {_DAY_NAMES[handoff.weekday()]} {when}"


def say_hours(restriction: Mapping[str, Any]) -> str:
    """Return hours of the week in words, days in a row as one."""
    days: list[int] = sorted(restriction["weekdays"])
    runs: list[list[int]] = []
    for day in days:
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    said = [
        f"{WEEKDAYS[run[0]]}–{WEEKDAYS[run[-1]]}"
        if len(run) > 2
        else ", ".join(WEEKDAYS[day] for day in run)
        for run in runs
    ]
    return f"{', '.join(said)} {restriction['from']}–{restriction['to']}"
