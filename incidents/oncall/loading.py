"""Reading rotations from the database as the schedules that `incidents.oncall.schedule` knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import F, Q

from incidents.models import Rotation, RotationLayer, RotationMember, RotationOverride
from incidents.oncall.schedule import (
    LONGEST_SHIFT,
    Layer,
    Override,
    Restriction,
    Schedule,
    Shift,
    on_call,
)


def load_schedules(
    rotation_ids: Collection[UUID],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[UUID, Schedule]:
    """Return the schedules of the rotations that exist, with Membership ids as members.

    Four queries, however many rotations. With `since` and `until` only those overrides are read
    that can matter to shifts between them. Runs in the caller's scope.
    """
    zones = dict(Rotation.objects.filter(pk__in=rotation_ids).values_list("pk", "timezone"))
    slots: dict[int, list[UUID | None]] = defaultdict(list)
    # Whoever has not accepted their place in the team is in no page.
    rows = RotationMember.objects.filter(layer__rotation__in=zones).order_by("layer_id", "position")
    for layer_id, membership_id, accepted_at in rows.values_list(
        "layer_id", "membership_id", "membership__accepted_at"
    ):
        slots[layer_id].append(membership_id if accepted_at else None)
    layers: dict[UUID, list[Layer]] = defaultdict(list)
    for row in RotationLayer.objects.filter(rotation__in=zones).order_by("rotation", "position"):
        layers[row.rotation_id].append(layer_from_row(row, slots[row.pk]))
    overrides: dict[UUID, list[Override]] = defaultdict(list)
    for override in RotationOverride.objects.filter(
        _near(since, until), rotation__in=zones, membership__accepted_at__isnull=False
    ).order_by("start"):
        overrides[override.rotation_id].append(
            Override(override.start, override.end, override.membership_id, override.pk)
        )
    return {
        pk: Schedule(ZoneInfo(zone), tuple(layers[pk]), tuple(overrides[pk]))
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


def members_on_call(rotation_ids: Collection[UUID], *, at: datetime) -> dict[UUID, Shift | None]:
    """Return who is on call at `at` in each rotation; None for nobody and for one that is gone."""
    schedules = load_schedules(rotation_ids, since=at, until=at)
    return {pk: on_call(schedules[pk], at) if pk in schedules else None for pk in rotation_ids}


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
