"""Escalation policies: whom to page, in which order, how long after each other."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from accounts.ids import uuid7
from accounts.models import Membership
from accounts.tenancy import TenantKey, TenantModel
from incidents.models.channels import Channel
from incidents.models.oncall import Rotation


class EscalationPolicy(TenantModel):
    """A ladder of steps, climbed `repeat` times more after the first (0 to 9).

    `acknowledge_timeout` is after how many seconds an acknowledged incident that is not resolved
    opens again; empty for never.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    repeat = models.PositiveSmallIntegerField(default=0)
    acknowledge_timeout = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "name", name="policy_name_once"),
            models.UniqueConstraint("team", "id", name="policy_team_id"),
        ]

    def __str__(self) -> str:
        return self.name


class EscalationStep(TenantModel):
    """One rung: fires `delay` seconds after the one before it (the first: after the opening)."""

    policy = models.ForeignKey(
        EscalationPolicy, on_delete=models.CASCADE, db_constraint=False, related_name="steps"
    )
    position = models.PositiveSmallIntegerField()
    delay = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "id", name="step_team_id"),
            models.UniqueConstraint(
                fields=["policy", "position"],
                name="step_position_once",
                deferrable=models.Deferrable.DEFERRED,
            ),
            TenantKey(field="policy", name="step_policy_team"),
        ]

    def __str__(self) -> str:
        return f"step {self.position + 1}"


class EscalationTarget(TenantModel):
    """Whom a step pages: who is on call in a rotation, a member, or a channel."""

    step = models.ForeignKey(
        EscalationStep, on_delete=models.CASCADE, db_constraint=False, related_name="targets"
    )
    position = models.PositiveSmallIntegerField()
    # A rotation that a policy pages cannot be deleted: the page would go nowhere unnoticed.
    rotation = models.ForeignKey(
        Rotation, on_delete=models.PROTECT, null=True, db_constraint=False, related_name="targets"
    )
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, null=True, db_constraint=False, related_name="+"
    )
    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, null=True, db_constraint=False, related_name="targets"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=(
                    Q(rotation__isnull=False, membership=None, channel=None)
                    | Q(rotation=None, membership__isnull=False, channel=None)
                    | Q(rotation=None, membership=None, channel__isnull=False)
                ),
                name="target_is_one_thing",
            ),
            TenantKey(field="step", name="target_step_team"),
            TenantKey(field="rotation", name="target_rotation_team"),
            TenantKey(field="membership", name="target_membership_team"),
            TenantKey(field="channel", name="target_channel_team"),
        ]

    def __str__(self) -> str:
        return str(self.rotation_id or self.membership_id or self.channel_id)
