"""A rotation's page, its form, and the changes to it: overrides, swaps, the calendar feed."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.pages import render_page, team_page
from accounts.models import Membership, Scope
from accounts.templatetags.wording import straight
from accounts.zones import zone_names
from incidents.console.month import Span, say_local
from incidents.console.override_forms import (
    LEFT,
    WALL,
    OverrideForm,
    SwapForm,
    days_chosen,
    list_choices,
    say_overlap,
)
from incidents.console.roster import (
    Person,
    list_people,
    read_month,
    read_standing,
    say_hours,
    say_layer,
    say_unreachable,
    show_month,
    span_of,
)
from incidents.console.rotation_forms import (
    UNITS,
    Draft,
    Layer,
    check_draft,
    draft_of,
    read_draft,
)
from incidents.models import Rotation, RotationOverride
from incidents.oncall import rotations
from incidents.oncall.calendar import calendar_url
from incidents.oncall.loading import load_schedule
from incidents.oncall.overrides import (
    EndsTooEarly,
    Overlap,
    create_override,
    swap_shifts,
)
from incidents.oncall.schedule import Schedule, Shift, on_call, shifts
from monitors.queries import database_now

SWAP_AHEAD = timedelta(days=60)
MOST_SWAPS = 60


def _address(access: Access, rotation: Rotation) -> str:
    return reverse("console:rotation", kwargs={"team": access.team.slug, "pk": rotation.pk})


def _find(pk: UUID) -> Rotation:
    return get_object(Rotation.objects.all(), pk)


@team_page()
def show_rotation(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show who is on call, the month, and what changes it."""
    return _show(request, access, _find(pk))


def _show(
    request: HttpRequest,
    access: Access,
    rotation: Rotation,
    *,
    override_form: OverrideForm | None = None,
    swap_form: SwapForm | None = None,
) -> HttpResponse:
    """Render the page; a form that was refused comes back with its errors, and the cursor."""
    for form in (override_form, swap_form):
        if form is not None and form.errors:
            form.fields[next(iter(form.errors))].widget.attrs["autofocus"] = True
    now, zone = database_now(), ZoneInfo(rotation.timezone)
    people = list_people()
    asked = read_month(request, rotations=[rotation], now=now)
    try:
        schedule = load_schedule(
            rotation, since=min(now, asked.start), until=max(now + SWAP_AHEAD, asked.end)
        )
    except Rotation.DoesNotExist:
        raise Http404 from None
    layers = list(rotation.layers.order_by("position").prefetch_related("slots"))
    taking_turns = [
        [slot.membership_id for slot in sorted(layer.slots.all(), key=lambda slot: slot.position)]
        for layer in layers
    ]
    members: list[Hashable] = list({pk: None for slots in taking_turns for pk in slots if pk})
    overrides = RotationOverride.objects.filter(rotation=rotation, end__gt=now).order_by("start")
    initial = days_chosen(request.GET.get("day", ""), zone=zone, now=now)
    swappable = _list_swappable(schedule, people, now)
    context: dict[str, Any] = {
        "rotation": rotation,
        "address": _address(access, rotation),
        "month_url": _address(access, rotation),
        "zone_now": f"{now.astimezone(zone):{WALL}}",
        "standing": read_standing(rotation, schedule, people=people, now=now),
        "warnings": say_unreachable(members, people).values(),
        "is_empty": not members,
        "can_pick": access.allows(Scope.WRITE),
        "layers": [
            {
                "turns": say_layer(layer, rotation.timezone),
                "hours": [say_hours(stored) for stored in layer.restrictions],
                "people": [people[pk].name for pk in slots if pk in people],
            }
            for layer, slots in zip(layers, taking_turns, strict=True)
        ],
        "overrides": [_tell_override(row, people, zone) for row in overrides],
        "override_form": override_form
        or OverrideForm(people=people.values(), zone=zone, now=now, initial=initial),
        "swap_form": swap_form or SwapForm(shifts=swappable, zone=zone),
        "can_swap": len({shift.member for shift, _ in swappable}) > 1,
        "calendar": calendar_url(rotation),
        "section": "oncall",
        "now": now,
        **show_month(asked, [(rotation, schedule)], people=people, names_rows=False),
    }
    return render_page(request, access, "oncall/rotation.html", context)


def _list_swappable(
    schedule: Schedule, people: dict[Hashable, Person], now: datetime
) -> list[tuple[Shift, Span]]:
    """Return the coming shifts that nobody stands in for yet."""
    coming = [
        (shift, span_of(shift, people))
        for shift in shifts(schedule, now, now + SWAP_AHEAD)
        if shift.start > now and shift.override is None and shift.member in people
    ]
    return coming[:MOST_SWAPS]


def _tell_override(
    row: RotationOverride, people: dict[Hashable, Person], zone: ZoneInfo
) -> dict[str, Any]:
    person = people.get(row.membership_id)
    return {
        "pk": row.pk,
        "name": person.name if person else "",
        "start": row.start,
        "end": row.end,
        "from": say_local(row.start, zone),
        "to": say_local(row.end, zone),
        "by": row.created_by,
    }


@team_page(Scope.WRITE)
def create(request: HttpRequest, access: Access) -> HttpResponse:
    """Ask for a new rotation."""
    if request.method == "POST":
        return _take_draft(request, access, None)
    now = database_now()
    monday = now.date() - timedelta(days=now.weekday())
    zone = access.user.timezone if access.user else "UTC"
    draft = Draft(timezone=zone, layers=[Layer(handoff=f"{monday.isoformat()}T09:00")])
    return _show_draft(request, access, None, draft)


@team_page(Scope.WRITE)
def edit(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Change a rotation; whoever is on call stays it."""
    rotation = _find(pk)
    if request.method == "POST":
        return _take_draft(request, access, rotation)
    return _show_draft(request, access, rotation, draft_of(rotation))


def _take_draft(request: HttpRequest, access: Access, rotation: Rotation | None) -> HttpResponse:
    draft = read_draft(request.POST)
    if "do" in request.POST:
        draft.change(request.POST["do"])
        return _show_draft(request, access, rotation, draft)
    members = [person.membership for person in _choosable(rotation).values()]
    values = check_draft(draft, members=members)
    if draft.is_sound:
        try:
            if rotation is None:
                rotation = rotations.create_rotation(team=access.team, **values)
                messages.success(request, f"“{rotation.name}” is ready.")
            else:
                rotations.update_rotation(rotation=rotation, **values)
                messages.success(request, f"“{values['name']}” is saved.")
            return redirect(_address(access, rotation))
        except rotations.DuplicateName:
            draft.errors["name"] = "A rotation of that name exists. Choose another name."
        except Membership.DoesNotExist:
            draft.errors["layers"] = LEFT
        except Rotation.DoesNotExist:
            raise Http404 from None
    return _show_draft(request, access, rotation, draft, failed=True)


def _choosable(rotation: Rotation | None) -> dict[Hashable, Person]:
    """Return who can take turns: who has accepted their place, and who is in it already."""
    kept: set[Hashable] = set()
    if rotation is not None:
        kept = set(rotation.layers.values_list("slots__membership", flat=True))
    return {
        pk: person
        for pk, person in list_people().items()
        if person.membership.accepted_at or pk in kept
    }


def _show_draft(
    request: HttpRequest,
    access: Access,
    rotation: Rotation | None,
    draft: Draft,
    *,
    failed: bool = False,
) -> HttpResponse:
    people = _choosable(rotation)
    present, stands_in = None, False
    if rotation is not None:
        now = database_now()
        try:
            shift = on_call(load_schedule(rotation, since=now, until=now), now)
        except Rotation.DoesNotExist:
            raise Http404 from None
        if shift is not None:
            present, stands_in = people.get(shift.member), shift.override is not None
    context = {
        "rotation": rotation,
        "draft": draft,
        "failed": failed,
        "present": present.name if present else "",
        "stands_in": stands_in,
        "members": list_choices(people.values()),
        "units": UNITS,
        "zones": sorted(zone_names()),
        "section": "oncall",
    }
    return render_page(request, access, "oncall/form.html", context)


@team_page(Scope.WRITE)
def delete(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask once more, by name, and delete a rotation; one that a policy pages stays."""
    rotation, used_by = _find(pk), ""
    if request.method == "POST":
        try:
            rotations.delete_rotation(rotation=rotation)
        except Rotation.DoesNotExist:
            raise Http404 from None
        except rotations.RotationInUse as error:
            names = ", ".join(f"“{name}”" for name in error.policies) or "an escalation policy"
            used_by = f"It is paged by {names}. Take it out there first."
        else:
            messages.success(request, f"“{rotation.name}” is deleted.")
            return redirect("console:oncall", team=access.team.slug)
    context = {"rotation": rotation, "used_by": used_by, "section": "oncall"}
    return render_page(request, access, "oncall/delete.html", context)


@require_POST
@team_page(Scope.WRITE)
def override(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Let somebody take over for a while."""
    rotation = _find(pk)
    zone = ZoneInfo(rotation.timezone)
    form = OverrideForm(request.POST, people=list_people().values(), zone=zone, now=database_now())
    if form.is_valid():
        values = form.values()
        try:
            create_override(rotation=rotation, actor=access.actor, **values)
        except Overlap:
            form.add_error("start", say_overlap(rotation, values["start"], values["end"], zone))
        except EndsTooEarly:
            form.add_error("end", "Choose a time after “From”.")
        except Membership.DoesNotExist:
            form.add_error("member", LEFT)
        except Rotation.DoesNotExist:
            raise Http404 from None
        else:
            name = straight(values["membership"].get_full_name())
            start, end = say_local(values["start"], zone), say_local(values["end"], zone)
            messages.success(request, f"{name} takes over from {start} to {end}.")
            return redirect(_address(access, rotation))
    return _show(request, access, rotation, override_form=form)


@require_POST
@team_page(Scope.WRITE)
def swap(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Let two people take each other's shift."""
    rotation, now = _find(pk), database_now()
    zone = ZoneInfo(rotation.timezone)
    try:
        schedule = load_schedule(rotation, since=now, until=now + SWAP_AHEAD)
        form = SwapForm(
            request.POST, shifts=_list_swappable(schedule, list_people(), now), zone=zone
        )
        if form.is_valid():
            swap_shifts(rotation=rotation, actor=access.actor, **form.values())
            messages.success(request, "The two shifts are swapped: see the overrides below.")
            return redirect(_address(access, rotation))
    except Rotation.DoesNotExist:
        raise Http404 from None
    except Overlap:
        form.add_error("first", "Somebody stands in for one of these already. Choose again.")
    except Membership.DoesNotExist:
        form.add_error("first", LEFT)
    return _show(request, access, rotation, swap_form=form)


@require_POST
@team_page(Scope.WRITE)
def change_calendar(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Give the calendar feed a new address, or revoke it."""
    rotation = _find(pk)
    try:
        if request.POST.get("do") == "revoke":
            rotations.revoke_calendar(rotation=rotation)
            said = "The calendar feed is off. Its address answers nobody any more."
        else:
            rotations.renew_calendar(rotation=rotation)
            said = "The calendar feed has a new address. The old one answers nobody any more."
    except Rotation.DoesNotExist:
        raise Http404 from None
    messages.success(request, said)
    return redirect(f"{_address(access, rotation)}#calendar")
