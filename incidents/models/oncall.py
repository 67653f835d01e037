"""Rotations: who is on call when."""

from __future__ import annotations

import secrets

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeBoundary, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.utils.timezone import now

from accounts.ids import uuid7
from accounts.models import Membership
from accounts.tenancy import TenantKey, TenantModel


def new_calendar_key() -> str:
    """Return a fresh secret of 32 characters for a calendar feed's address."""
    return secrets.token_urlsafe(24)


class Rotation(TenantModel):
    """People who take turns. `present` is who was on call when the engine last looked.

    `check_at` is when it has to look again: at the next hand-off, and at once after every edit.
    `calendar_key` is empty once the feed was revoked.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    timezone = models.CharField(max_length=64, default="UTC")
    calendar_key = models.CharField(max_length=43, default=new_calendar_key, blank=True)
    present = models.ForeignKey(
        Membership, on_delete=models.SET_NULL, null=True, db_constraint=False, related_name="+"
    )
    looked_at = models.DateTimeField(null=True)
    check_at = models.DateTimeField(null=True, default=now)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "name", name="rotation_name_once"),
            models.UniqueConstraint("team", "id", name="rotation_team_id"),
            TenantKey(field="present", name="rotation_present_team"),
        ]
        indexes = [
            models.Index("check_at", name="rotation_check", condition=Q(check_at__isnull=False))
        ]

    def __str__(self) -> str:
        return self.name


class ShiftUnit(models.TextChoices):
    """What a shift's length counts."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


class RotationLayer(TenantModel):
    """One row of turns; of several layers the one with the highest position that has somebody wins.

    `handoff` is a wall-clock time of the rotation's zone, written YYYY-MM-DDTHH:MM, at which the
    member in slot `turn_offset` takes over. `restrictions` are the hours of the week in which the
    layer is active; without any it always is.
    """

    rotation = models.ForeignKey(
        Rotation, on_delete=models.CASCADE, db_constraint=False, related_name="layers"
    )
    position = models.PositiveSmallIntegerField()
    unit = models.CharField(max_length=4, choices=ShiftUnit.choices)
    length = models.PositiveSmallIntegerField(default=1)
    handoff = models.CharField(max_length=16)
    turn_offset = models.IntegerField(default=0)
    restrictions = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "id", name="rotationlayer_team_id"),
            models.UniqueConstraint(
                fields=["rotation", "position"],
                name="rotationlayer_position_once",
                deferrable=models.Deferrable.DEFERRED,
            ),
            TenantKey(field="rotation", name="rotationlayer_rotation_team"),
        ]

    def __str__(self) -> str:
        return f"layer {self.position}"


class RotationMember(TenantModel):
    """A slot of a layer. Whoever leaves the team leaves an empty one: the next takes its turns."""

    layer = models.ForeignKey(
        RotationLayer, on_delete=models.CASCADE, db_constraint=False, related_name="slots"
    )
    position = models.PositiveSmallIntegerField()
    membership = models.ForeignKey(
        Membership, on_delete=models.SET_NULL, null=True, db_constraint=False, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["layer", "position"],
                name="rotationmember_position_once",
                deferrable=models.Deferrable.DEFERRED,
            ),
            TenantKey(field="layer", name="rotationmember_layer_team"),
            TenantKey(field="membership", name="rotationmember_membership_team"),
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.membership_id}"


class TimeRange(Func):
    """The half-open range [start, end) of two instants."""

    function = "tstzrange"
    output_field = DateTimeRangeField()


class RotationOverride(TenantModel):
    """Somebody who takes over for a while, above all layers. Two never overlap."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    rotation = models.ForeignKey(
        Rotation, on_delete=models.CASCADE, db_constraint=False, related_name="overrides"
    )
    start = models.DateTimeField()
    end = models.DateTimeField()
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    created_by = models.CharField(max_length=254, default="", blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="override_ends_later"),
            ExclusionConstraint(
                name="override_no_overlap",
                expressions=[
                    ("rotation", RangeOperators.EQUAL),
                    (TimeRange("start", "end", RangeBoundary()), RangeOperators.OVERLAPS),
                ],
            ),
            TenantKey(field="rotation", name="override_rotation_team"),
            TenantKey(field="membership", name="override_membership_team"),
        ]

    def __str__(self) -> str:
        return f"{self.membership_id} from {self.start} to {self.end}"
