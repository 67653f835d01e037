"""Incidents and what has happened to them."""

from __future__ import annotations

from django.db import models

from accounts.ids import uuid7
from accounts.tenancy import TenantKey, TenantModel


class IncidentState(models.TextChoices):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Incident(TenantModel):
    """One outage of one monitor. The monitor is held by value: history outlives it.

    `step_seq` counts the escalation steps that have fired. What was sent before `reopened_at` does
    not count as having reached anybody. `wake_at` is when an acknowledgement
    runs out or a snooze ends, `settle_at` when a flapping one has been quiet for long enough.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    monitor_id = models.UUIDField(db_index=True)
    monitor_name = models.CharField(max_length=253)
    namespace = models.CharField(max_length=63)
    state = models.CharField(
        max_length=12, choices=IncidentState.choices, default=IncidentState.OPEN
    )
    cause = models.CharField(max_length=7)
    severity = models.CharField(max_length=8)
    summary = models.CharField(max_length=500)
    down_since = models.DateTimeField()
    opened_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=254, null=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_reason = models.CharField(max_length=120, null=True)
    flapping = models.BooleanField(default=False)
    snoozed_until = models.DateTimeField(null=True)
    step_seq = models.PositiveIntegerField(default=0)
    reopened_at = models.DateTimeField(null=True)
    wake_at = models.DateTimeField(null=True)
    settle_at = models.DateTimeField(null=True)
    previous = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "id", name="incident_team_id"),
            models.UniqueConstraint(
                "monitor_id", condition=~models.Q(state="resolved"), name="incident_one_open"
            ),
            TenantKey(field="previous", name="incident_previous_team"),
        ]
        # In a mass outage each index costs its share of every row. A team's list reads
        # incident_team_id backwards, and these are empty for most incidents.
        indexes = [
            models.Index(
                "previous",
                name="incident_of_previous",
                condition=models.Q(previous__isnull=False),
            ),
            models.Index(
                "wake_at", name="incident_wake", condition=models.Q(wake_at__isnull=False)
            ),
            models.Index(
                "settle_at", name="incident_settle", condition=models.Q(settle_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.summary


class TimelineEvent(TenantModel):
    """One line of an incident's history: append-only."""

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, db_constraint=False, related_name="timeline"
    )
    at = models.DateTimeField()
    kind = models.CharField(max_length=20)
    actor = models.CharField(max_length=254, default="tocsin")
    text = models.TextField(default="")

    class Meta:
        constraints = [TenantKey(field="incident", name="timelineevent_incident_team")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at}"


class Escalation(TenantModel):
    """An incident on its way up one policy, as the policy was when the incident opened.

    `steps` is a list of `{"delay", "targets"}` with the targets' ids; who is on call is read when a
    step fires. `firings` counts the steps that have fired; `next_step_at` is empty once no further
    one will. `reached` says whether any of them reached anybody.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    incident = models.ForeignKey(
        Incident,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="escalations",
    )
    policy_id = models.UUIDField(null=True)
    policy_name = models.CharField(max_length=300)
    steps = models.JSONField()
    repeat = models.PositiveSmallIntegerField(default=0)
    acknowledge_timeout = models.PositiveIntegerField(null=True)
    firings = models.PositiveIntegerField(default=0)
    reached = models.BooleanField(default=False)
    next_step_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [TenantKey(field="incident", name="escalation_incident_team")]
        indexes = [
            models.Index(
                "team",
                "next_step_at",
                name="escalation_of_team_due",
                condition=models.Q(next_step_at__isnull=False),
            ),
            models.Index("incident", name="escalation_of_incident"),
        ]

    def __str__(self) -> str:
        return f"{self.policy_name} for {self.incident_id}"


class HeldOutage(TenantModel):
    """A monitor that went down inside a maintenance window; opens if it is down at the end."""

    monitor_id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    since = models.DateTimeField()
    cause = models.CharField(max_length=7)
    detail = models.CharField(max_length=300, default="", blank=True)

    def __str__(self) -> str:
        return f"{self.monitor_id} since {self.since}"
