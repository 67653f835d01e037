"""What a team keeps of its console: views of the list, ways back, and public badges."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower

from accounts.ids import random_base62, uuid7
from accounts.tenancy import TenantKey, TenantModel
from monitors.models.monitors import Monitor

BADGE_KEY_LENGTH = 22


def new_badge_key() -> str:
    """Return a fresh name of a badge: 22 base62 characters, 131 bits."""
    return random_base62(BADGE_KEY_LENGTH)


class SavedView(TenantModel):
    """A named query string of the list of monitors, shared by the team."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80)
    query = models.CharField(max_length=2000, blank=True, default="")
    created_by = models.CharField(max_length=254, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("team", Lower("name"), name="savedview_name_once")]

    def __str__(self) -> str:
        return self.name


class UndoStep(TenantModel):
    """How to take back one change to many monitors, for whoever made it, until it expires.

    `data` holds what was there before; of deleted monitors that includes hashes of tokens and
    slugs, so rows are purged when they expire.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    actor = models.CharField(max_length=254)
    verb = models.CharField(max_length=10)
    said = models.CharField(max_length=200)
    data = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    undone_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.said


class Badge(TenantModel):
    """A public picture of a monitor's state for whoever knows its key; off while there is none."""

    monitor = models.OneToOneField(
        Monitor,
        on_delete=models.CASCADE,
        primary_key=True,
        db_constraint=False,
        related_name="badge",
    )
    key = models.CharField(max_length=22, unique=True, default=new_badge_key)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [TenantKey(field="monitor", name="badge_monitor_team")]

    def __str__(self) -> str:
        return f"badge of {self.monitor_id}"
