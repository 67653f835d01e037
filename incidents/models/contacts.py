"""The ways in which a person can be reached."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from accounts.ids import uuid7
from accounts.models import Membership
from accounts.tenancy import TenantKey, TenantModel


class ContactMethod(TenantModel):
    """One way to reach a member; its kind is that of a channel. Unverified ones are never used.

    Methods are tried by position, each `delay` seconds after the one before it, until somebody
    acknowledges. `quiet_hours` hold back what is not critical; an entry is an object with
    `weekdays` (0 is Monday), `from`, `to` and `timezone`. The code that proves the method is kept
    as its SHA-256.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, db_constraint=False, related_name="contact_methods"
    )
    name = models.CharField(max_length=120, blank=True, default="")
    kind = models.CharField(max_length=20)
    config = models.JSONField(default=dict)
    position = models.PositiveSmallIntegerField(default=0)
    delay = models.PositiveIntegerField(default=0)
    quiet_hours = models.JSONField(default=list)
    verified_at = models.DateTimeField(null=True)
    code_hash = models.BinaryField(max_length=32, null=True)
    code_sent_at = models.DateTimeField(null=True)
    code_tries = models.PositiveSmallIntegerField(default=0)
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "id", name="contactmethod_team_id"),
            models.UniqueConstraint(
                fields=["membership", "position"],
                name="contactmethod_position_once",
                deferrable=models.Deferrable.DEFERRED,
            ),
            TenantKey(field="membership", name="contactmethod_membership_team"),
        ]
        indexes = [
            models.Index("membership", name="contactmethod_usable", condition=Q(disabled_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.membership_id}"
