"""Reading rotations from the database as the schedules that `incidents.oncall.schedule` knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import F, Q

from incidents.models import Rotation, RotationLayer, RotationOverride
from incidents.oncall.schedule import (
    LONGEST_SHIFT,
    Layer,
    Override,
    Restriction,
    Schedule,
)

_LAYER_FIELDS = ("unit", "length", "handoff", "turn_offset", "restrictions")
_LAYER_COLUMNS = tuple(f"layers__{name}" for name in _LAYER_FIELDS)
_MEMBER = "layers__slots__membership_id"


def load_schedules(
    rotation_ids: Collection[UUID],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[UUID, Schedule]:
    """Return the schedules of the rotations that exist, with Membership ids as members.

    Two queries, however many rotations. With `since` and `until` only those overrides are read that
    can matter to shifts between them. Runs in the caller's scope.

    Somebody who has not accepted their place yet has turns too: it is for the page to find that it
    reaches nobody.
    """
    zones: dict[UUID, str] = {}
    rows: dict[UUID, dict[int, RotationLayer]] = defaultdict(dict)
    slots: dict[int, list[UUID | None]] = defaultdict(list)
    # One statement: between two a change would show layers without the people who are in them.
    for pk, zone, layer_id, slot_id, member, *fields in (
        Rotation.objects.filter(pk__in=rotation_ids)
        .order_by("pk", "layers__position", "layers__slots__position")
        .values_list("pk", "timezone", "layers", "layers__slots", _MEMBER, *_LAYER_COLUMNS)
    ):
        zones[pk] = zone
        if layer_id is not None:
            values = dict(zip(_LAYER_FIELDS, fields, strict=True))
            rows[pk][layer_id] = RotationLayer(pk=layer_id, **values)
        if slot_id is not None:
            slots[layer_id].append(member)
    overrides: dict[UUID, list[Override]] = defaultdict(list)
    for override in RotationOverride.objects.filter(
        _near(since, until), rotation__in=zones
    ).order_by("start"):
        overrides[override.rotation_id].append(
            Override(override.start, override.end, override.membership_id, override.pk)
        )
    return {
        pk: Schedule(
            ZoneInfo(zone),
            tuple(layer_from_row(row, slots[layer_id]) for layer_id, row in rows[pk].items()),
            tuple(overrides[pk]),
        )
        for pk, zone in zones.items()
    }


def load_schedule(
    rotation: Rotation, *, since: datetime | None = None, until: datetime | None = None
) -> Schedule:
    """Return one rotation's schedule. Raises Rotation.DoesNotExist if it has just been deleted."""
    schedules = load_schedules([rotation.pk], since=since, until=until)
    if rotation.pk not in schedules:
        raise Rotation.DoesNotExist
    return schedules[rotation.pk]


def layer_from_row(row: RotationLayer, members: Iterable[UUID | None]) -> Layer:
    """Return a stored layer with these members in its slots."""
    return Layer(
        unit=row.unit,
        length=row.length,
        handoff=datetime.fromisoformat(row.handoff),
        members=tuple(members),
        offset=row.turn_offset,
        restrictions=tuple(map(_read_restriction, row.restrictions)),
    )


def _read_restriction(stored: Mapping[str, Any]) -> Restriction:
    return Restriction(
        frozenset(stored["weekdays"]), _read_clock(stored["from"]), _read_clock(stored["to"])
    )


def _read_clock(text: str) -> time:
    return time(0) if text == "24:00" else time.fromisoformat(text)


def _near(since: datetime | None, until: datetime | None) -> Q:
    # An override beyond the times asked for can still be where a shift between them ends.
    near = Q(end__gt=F("start"))
    if since is not None:
        near &= Q(end__gt=since - LONGEST_SHIFT)
    if until is not None:
        near &= Q(start__lt=until + LONGEST_SHIFT)
    return near
