"""The places of a team's that messages go to."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from accounts.ids import uuid7
from accounts.tenancy import TenantModel


class Channel(TenantModel):
    """A place of a team's that messages go to; its kind is one file in incidents/channels/."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20)
    config = models.JSONField(default=dict)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "name", name="channel_name_once"),
            models.UniqueConstraint("team", "id", name="channel_team_id"),
        ]

    def __str__(self) -> str:
        return self.name
