"""Changing who takes over when, above a rotation's layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import cast
from uuid import UUID

from django.db import IntegrityError, transaction
from django_scopes import scopes_disabled

from accounts.models import Membership
from incidents.models import Rotation, RotationOverride
from incidents.oncall.rotations import lock_rotation
from incidents.oncall.schedule import Shift
from monitors.queries import database_now


class Overlap(Exception):  # noqa: N818 - it names what happened
    """The rotation has an override that overlaps these times."""


class EndsTooEarly(Exception):  # noqa: N818
    """An override must end after it begins."""


def create_override(
    *, rotation: Rotation, start: datetime, end: datetime, membership: Membership, actor: str
) -> RotationOverride:
    """Let somebody take over for [start, end).

    Raises Overlap, EndsTooEarly, and DoesNotExist, of Rotation or Membership, if one has just gone.
    """
    with _changing(rotation) as rotation:
        return _insert(rotation, start, end, membership, actor)


def update_override(
    *,
    override: RotationOverride,
    start: datetime | None = None,
    end: datetime | None = None,
    membership: Membership | None = None,
) -> RotationOverride:
    """Change an override; what is None stays.

    Raises Overlap, EndsTooEarly, and DoesNotExist if it, its rotation or the person has just gone.
    """
    with _changing(override.rotation):
        override = RotationOverride.objects.get(pk=override.pk)
        override.start = start or override.start
        override.end = end or override.end
        if membership is not None:
            override.membership = membership
        if override.end <= override.start:
            raise EndsTooEarly
        override.save(update_fields=["start", "end", "membership"])
    return override


def delete_override(*, override: RotationOverride) -> None:
    """Give the time back to the layers. Raises Rotation.DoesNotExist if that has gone."""
    with _changing(override.rotation):
        RotationOverride.objects.filter(pk=override.pk).delete()


def swap_shifts(
    *, rotation: Rotation, first: Shift, second: Shift, actor: str
) -> tuple[RotationOverride, RotationOverride]:
    """Let two people take each other's shift: two overrides, or none.

    Raises Overlap if one of the two times is overridden already or they overlap each other, and
    Membership.DoesNotExist if one of them has just left.
    """
    with _changing(rotation) as rotation:
        people = [
            Membership.objects.get(pk=cast("UUID", shift.member), team=rotation.team_id)
            for shift in (second, first)
        ]
        one, two = (
            _insert(rotation, shift.start, shift.end, person, actor)
            for shift, person in zip((first, second), people, strict=True)
        )
    return one, two


def _insert(
    rotation: Rotation, start: datetime, end: datetime, membership: Membership, actor: str
) -> RotationOverride:
    if end <= start:
        raise EndsTooEarly
    return RotationOverride.objects.create(
        team_id=rotation.team_id,
        rotation=rotation,
        start=start,
        end=end,
        membership=membership,
        created_by=actor[:254],
    )


@contextmanager
def _changing(rotation: Rotation) -> Iterator[Rotation]:
    """Give the rotation, locked, and have the engine look at it once the change is there."""
    try:
        with transaction.atomic(), scopes_disabled():
            rotation = lock_rotation(rotation)
            yield rotation
            rotation.check_at = database_now()
            rotation.save(update_fields=["check_at"])
    except IntegrityError as error:
        if "override_no_overlap" in str(error):
            raise Overlap from error
        if "membership_team" in str(error):
            raise Membership.DoesNotExist from error
        raise
