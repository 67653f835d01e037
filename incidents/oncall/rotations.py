"""Changing a team's rotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models.deletion import ProtectedError
from django_scopes import scopes_disabled

from accounts.models import Membership, Team
from incidents.models import EscalationPolicy, Rotation, RotationLayer, RotationMember
from incidents.models.oncall import new_calendar_key
from incidents.oncall.loading import layer_from_row
from incidents.oncall.schedule import Layer, slot_of, turn_at
from monitors.queries import database_now


class DuplicateName(Exception):  # noqa: N818 - it names what happened
    """The team has a rotation of that name."""


class RotationInUse(Exception):  # noqa: N818
    """Escalation policies page the rotation; `policies` are their names."""

    def __init__(self, policies: Sequence[str]) -> None:
        super().__init__(", ".join(policies))
        self.policies = list(policies)


@dataclass(frozen=True)
class LayerValues:
    """What a layer is to be. `handoff` is a wall-clock time of the rotation's zone, to the minute.

    `restrictions` are `{"weekdays": [0], "from": "09:00", "to": "17:00"}`, 0 being Monday.
    """

    unit: str
    length: int
    handoff: datetime
    members: Sequence[Membership] = ()
    restrictions: Sequence[Mapping[str, Any]] = field(default_factory=list)


def create_rotation(
    *, team: Team, name: str, timezone: str, layers: Sequence[LayerValues]
) -> Rotation:
    """Create a rotation; of its layers a later one is higher.

    Raises DuplicateName, and Membership.DoesNotExist if somebody has just left the team.
    """
    with _changing():
        rotation = Rotation.objects.create(team=team, name=name, timezone=timezone)
        _store_layers(rotation, layers, offsets=[0] * len(layers))
    return rotation


def update_rotation(
    *,
    rotation: Rotation,
    name: str | None = None,
    timezone: str | None = None,
    layers: Sequence[LayerValues] | None = None,
) -> Rotation:
    """Change a rotation; what is None stays.

    Where a layer keeps its place in the list, its zone, unit, length and hand-off, whoever has the
    turn keeps it, and if they are removed the next of the old order who remains takes over now.
    Otherwise what is given holds: the first member begins at the hand-off. Raises DuplicateName,
    and DoesNotExist, of Rotation or Membership, if one of them has just gone.
    """
    with _changing():
        rotation = lock_rotation(rotation)
        moved = timezone is not None and timezone != rotation.timezone
        if name is not None:
            rotation.name = name
        if timezone is not None:
            rotation.timezone = timezone
        if layers is not None:
            offsets = [0] * len(layers) if moved else _kept_offsets(rotation, layers)
            _store_layers(rotation, layers, offsets=offsets)
        elif moved:
            rotation.layers.update(turn_offset=0)
        rotation.check_at = database_now()
        rotation.save(update_fields=["name", "timezone", "check_at"])
    return rotation


def delete_rotation(*, rotation: Rotation) -> None:
    """Delete a rotation. Raises RotationInUse, Rotation.DoesNotExist."""
    try:
        with _changing():
            rotation = lock_rotation(rotation)
            if policies := _policies_of(rotation):
                raise RotationInUse(policies)
            rotation.delete()
    except (ProtectedError, _Targeted) as error:  # a policy came between
        with scopes_disabled():
            raise RotationInUse(_policies_of(rotation)) from error


def renew_calendar(*, rotation: Rotation) -> Rotation:
    """Give the calendar feed a new key; the old address is dead at once."""
    return _set_calendar_key(rotation, new_calendar_key())


def revoke_calendar(*, rotation: Rotation) -> Rotation:
    """Switch the calendar feed off until its key is renewed."""
    return _set_calendar_key(rotation, "")


def lock_rotation(rotation: Rotation) -> Rotation:
    """Return the rotation as it is now, locked. Raises Rotation.DoesNotExist."""
    return Rotation.objects.select_for_update(no_key=True).get(pk=rotation.pk)


def _set_calendar_key(rotation: Rotation, key: str) -> Rotation:
    with _changing():
        rotation = lock_rotation(rotation)
        rotation.calendar_key = key
        rotation.save(update_fields=["calendar_key"])
    return rotation


def _policies_of(rotation: Rotation) -> list[str]:
    paging = EscalationPolicy.objects.filter(steps__targets__rotation=rotation)
    return list(paging.order_by("name").values_list("name", flat=True).distinct())


def _store_layers(
    rotation: Rotation, layers: Sequence[LayerValues], *, offsets: Sequence[int]
) -> None:
    rotation.layers.all().delete()
    rows = RotationLayer.objects.bulk_create(
        RotationLayer(
            team_id=rotation.team_id,
            rotation=rotation,
            position=position,
            unit=layer.unit,
            length=layer.length,
            handoff=_handoff_text(layer),
            turn_offset=offset,
            restrictions=[dict(restriction) for restriction in layer.restrictions],
        )
        for position, (layer, offset) in enumerate(zip(layers, offsets, strict=True))
    )
    RotationMember.objects.bulk_create(
        RotationMember(
            team_id=rotation.team_id, layer=row, position=position, membership=membership
        )
        for row, layer in zip(rows, layers, strict=True)
        for position, membership in enumerate(layer.members)
    )


def _kept_offsets(rotation: Rotation, layers: Sequence[LayerValues]) -> list[int]:
    at, zone = database_now(), ZoneInfo(rotation.timezone)
    rows = list(rotation.layers.order_by("position").prefetch_related("slots"))
    offsets = []
    for position, layer in enumerate(layers):
        offset = 0
        if position < len(rows) and _is_same_row(rows[position], layer):
            slots = sorted(rows[position].slots.all(), key=lambda slot: slot.position)
            old = layer_from_row(rows[position], [slot.membership_id for slot in slots])
            offset = _kept_offset(old, turn_at(old, zone, at), layer)
        offsets.append(offset)
    return offsets


def _kept_offset(old: Layer, turn: int, new: LayerValues) -> int:
    """Return the offset with which `turn` goes to whoever has it, or to the next who remains."""
    present = slot_of(old, turn)
    if present is None:
        return 0
    members = [membership.pk for membership in new.members]
    count = len(old.members)
    for step in range(count):
        slot = (present + step) % count
        member = old.members[slot]
        if member in members:
            # Somebody with several slots keeps the one that they are in, if it is still there.
            places = [place for place, other in enumerate(members) if other == member]
            earlier = old.members[:slot].count(member)
            return (places[min(earlier, len(places) - 1)] - turn) % len(members)
    return 0


def _is_same_row(row: RotationLayer, layer: LayerValues) -> bool:
    return (row.unit, row.length, row.handoff) == (layer.unit, layer.length, _handoff_text(layer))


def _handoff_text(layer: LayerValues) -> str:
    return layer.handoff.isoformat(timespec="minutes")


class _Targeted(Exception):  # noqa: N818
    """A policy began to page the rotation while it was deleted."""


@contextmanager
def _changing() -> Iterator[None]:
    try:
        with transaction.atomic(), scopes_disabled():
            yield
    except IntegrityError as error:
        if "rotation_name_once" in str(error):
            raise DuplicateName from error
        if "target_rotation_team" in str(error):
            raise _Targeted from error
        if "membership_team" in str(error):
            raise Membership.DoesNotExist from error
        raise
