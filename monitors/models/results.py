"""What was pushed and answered, and the changes of state that came of it."""

from __future__ import annotations

from django.db import models

from accounts.ids import uuid7
from accounts.tenancy import TenantKey, TenantModel
from monitors.models.monitors import Monitor


class PushReceipt(TenantModel):
    """The first answer to an `Idempotency-Key`, kept for a day so that a repeat can be told it."""

    pk = models.CompositePrimaryKey("monitor_id", "key")
    monitor = models.ForeignKey(
        Monitor, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    key = models.CharField(max_length=64)
    answer = models.JSONField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [TenantKey(field="monitor", name="pushreceipt_monitor_team")]

    def __str__(self) -> str:
        return f"receipt of {self.monitor_id}"


class PushResult(TenantModel):
    """One accepted push. Append-only, partitioned by day, dropped by partition when old.

    Its table is created by SQL in a migration. There is no foreign key: a row outlives nothing
    but its day's partition, and a deleted monitor's results go with their days.
    """

    pk = models.CompositePrimaryKey("monitor_id", "received_at", "id")
    id = models.UUIDField(default=uuid7)
    team = models.ForeignKey(
        "accounts.Team",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    monitor = models.ForeignKey(
        Monitor,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="results",
    )
    received_at = models.DateTimeField()
    status = models.CharField(max_length=4)
    latency_ms = models.FloatField(null=True)
    message = models.TextField(null=True)
    labels = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"{self.status} at {self.received_at}"


class Transition(TenantModel):
    """A change of state: append-only, the message from monitors to incidents.

    `from_state` = `to_state` = down says that a further cause joined. `to_state` = `deleted` is
    the last row of a monitor that is gone. Ids grow per monitor in the order of the changes,
    since each is written under the heartbeat's lock. No foreign key: the row outlives its monitor.
    """

    id = models.BigAutoField(primary_key=True)
    team = models.ForeignKey(
        "accounts.Team", on_delete=models.CASCADE, db_index=False, related_name="+"
    )
    monitor = models.ForeignKey(
        Monitor,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="transitions",
    )
    at = models.DateTimeField()
    from_state = models.CharField(max_length=7)
    to_state = models.CharField(max_length=7)
    cause = models.CharField(max_length=7, null=True)
    since = models.DateTimeField(null=True, help_text="When it really began, for a silence.")
    detail = models.CharField(max_length=300, default="", blank=True)
    handled_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                "team", "id", name="transition_waiting", condition=models.Q(handled_at=None)
            ),
            models.Index("monitor", "id", name="transition_of_monitor"),
            # What has just become known: whoever shows states looks here each second.
            models.Index(
                "handled_at",
                name="transition_handled",
                condition=models.Q(handled_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"
