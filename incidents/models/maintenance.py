"""Maintenance windows: planned time in which no incident opens."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now

from accounts.ids import uuid7
from accounts.tenancy import TenantKey, TenantModel
from monitors.models import Monitor


class Maintenance(TenantModel):
    """A window, once or by an RFC 5545 RRULE, for some monitors and for those with all `labels`.

    Repetitions begin at the wall-clock time of `starts_at` in `timezone` and last as long as the
    first. They are written out as spans some time ahead; `spans_until` says how far.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    labels = models.JSONField(default=dict)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    rrule = models.CharField(max_length=500, blank=True, default="")
    timezone = models.CharField(max_length=64, default="UTC")
    status_page_id = models.UUIDField(null=True)
    spans_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "name", name="maintenance_name_once"),
            models.UniqueConstraint("team", "id", name="maintenance_team_id"),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="maintenance_ends_later"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class MaintenanceMonitor(TenantModel):
    """A monitor that a window names."""

    maintenance = models.ForeignKey(
        Maintenance, on_delete=models.CASCADE, db_constraint=False, related_name="monitor_links"
    )
    monitor = models.ForeignKey(
        Monitor, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint("maintenance", "monitor", name="maintenancemonitor_once"),
            TenantKey(field="maintenance", name="maintenancemonitor_maintenance_team"),
            TenantKey(field="monitor", name="maintenancemonitor_monitor_team"),
        ]

    def __str__(self) -> str:
        return f"{self.maintenance_id}: {self.monitor_id}"


class MaintenanceSpan(TenantModel):
    """One occurrence of a window: [starts_at, ends_at)."""

    maintenance = models.ForeignKey(
        Maintenance, on_delete=models.CASCADE, db_constraint=False, related_name="spans"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint("maintenance", "starts_at", name="span_once"),
            TenantKey(field="maintenance", name="span_maintenance_team"),
        ]
        indexes = [models.Index(fields=["team", "ends_at"], name="span_of_team")]

    def __str__(self) -> str:
        return f"{self.starts_at} to {self.ends_at}"
